"""The same kind of work under other tools: packages, files, host name and a service, all in order.

Each is installed into a throw-away environment. One that cannot be had is reported as missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import run
from benchmarks.nodes import Nodes

PACKAGES = "curl wget git nano htop ca-certificates socat conntrack ipset open-iscsi nfs-common"
FILES = {
    f"/etc/bench/{name}.conf": "".join(f"{name} {line}\n" for line in range(8))
    for name in ("modules", "sysctl", "registries", "config")
}

_PYINFRA = f"""\
from io import StringIO
from pyinfra.operations import apt, files, server, systemd

apt.packages(packages={PACKAGES.split()!r}, _sudo=True)
for path, text in {FILES!r}.items():
    files.put(src=StringIO(text), dest=path, mode="644", user="root", group="root", _sudo=True)
systemd.service(service="ssh", running=True, enabled=True, _sudo=True)
"""

# The apt module wants python3-apt on the nodes, so dpkg is asked directly, as picluster does.
_ANSIBLE = """\
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - command: dpkg-query -W {packages}
      changed_when: false
    - file: {{path: /etc/bench, state: directory, mode: "755"}}
{files}
    - systemd_service: {{name: ssh, state: started, enabled: true}}
"""


@dataclass(frozen=True)
class Rival:
    """A tool, ready to run; `why_missing` if it is not."""

    name: str
    command: tuple[str, ...] = ()
    why_missing: str = ""

    def work(self) -> str:
        done = run(self.command)
        return "no changes" if self.is_idle(done.stdout + done.stderr) else "it changed something"

    def is_idle(self, said: str) -> bool:
        if self.name.startswith("Ansible"):
            return "changed=0" in said and "changed=1" not in said
        return "] Success" not in said and "No changes" in said


def rivals(nodes: Nodes, home: Path) -> list[Rival]:
    return [_pyinfra(nodes, home / "pyinfra"), _ansible(nodes, home / "ansible")]


def _pyinfra(nodes: Nodes, place: Path) -> Rival:
    missing = _install("pyinfra", place)
    if missing:
        return Rival("pyinfra", why_missing=missing)
    login = {
        "ssh_user": "pi",
        "ssh_key": str(nodes.lab.key),
        "ssh_known_hosts_file": str(nodes.known_hosts),
    }
    (place / "inventory.py").write_text(
        f"nodes = {[(address, login) for address in nodes.addresses]!r}\n"
    )
    (place / "deploy.py").write_text(_PYINFRA)
    names = (str(place / "inventory.py"), str(place / "deploy.py"))
    return Rival(
        f"pyinfra {_version('pyinfra', place)}", (str(place / "bin/pyinfra"), "-y", *names)
    )


def _ansible(nodes: Nodes, place: Path) -> Rival:
    missing = _install("ansible-core", place)
    if missing:
        return Rival("Ansible", why_missing=missing)
    ssh = f"-o UserKnownHostsFile={nodes.known_hosts} -o ControlMaster=auto -o ControlPersist=5s"
    common = f"ansible_user=pi ansible_ssh_private_key_file={nodes.lab.key}"
    hosts = "".join(f"{address} {common}\n" for address in nodes.addresses)
    (place / "inventory.ini").write_text(hosts)
    copies = "\n".join(
        f"    - copy: {{dest: {path}, mode: '644', owner: root, content: {json.dumps(text)}}}"
        for path, text in FILES.items()
    )
    playbook = _ANSIBLE.format(packages=PACKAGES, files=copies)
    (place / "playbook.yml").write_text(playbook)
    os.environ.update(
        ANSIBLE_PIPELINING="True",
        ANSIBLE_SSH_ARGS=ssh,
        ANSIBLE_HOME=str(place / "home"),
        ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
        ANSIBLE_FORKS="10",
    )
    command = (
        str(place / "bin/ansible-playbook"),
        "-i",
        str(place / "inventory.ini"),
        str(place / "playbook.yml"),
    )
    return Rival(f"Ansible {_version('ansible-core', place)}, pipelining", command)


def _install(package: str, place: Path) -> str:
    """Install a package into an environment of its own; return why that cannot be done."""
    run([sys.executable, "-m", "venv", str(place)])
    pip = [str(place / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "--quiet", package], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else f"pip cannot install {package}"


def _version(package: str, place: Path) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return run([str(place / "bin/python"), "-c", code]).stdout.strip()
