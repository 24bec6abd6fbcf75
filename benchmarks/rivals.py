"""The same kind of work under other tools: packages, files, host name and a service, all in order.

Each is installed into an environment of its own. One that cannot be had is reported as missing.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Series, Work, run
from benchmarks.nodes import Nodes
from benchmarks.wanted import FILES, packages_of

_HERE = Path(__file__).parent
_PYINFRA = """\
from io import StringIO
from pyinfra.operations import apt, files, server, systemd

apt.packages(packages={packages!r}, _sudo=True)
for path, text in {files!r}.items():
    files.put(src=StringIO(text), dest=path, mode="644", user="root", group="root", _sudo=True)
"""
_PYINFRA_SERVICE = 'systemd.service(service="ssh", running=True, enabled=True, _sudo=True)\n'

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
"""
_ANSIBLE_SERVICE = "    - systemd_service: {name: ssh, state: started, enabled: true}\n"
_SERVICE = "systemctl is-enabled --quiet ssh; systemctl is-active --quiet ssh\n"


def by_hand(nodes: Nodes, home: Path) -> Work:
    """Return the same work as a script that a shell sends to all nodes at once, over plain ssh."""
    checks = "".join(
        f"same {shlex.quote(path)} {shlex.quote(text)}\n" for path, text in FILES.items()
    )
    packages = " ".join(packages_of(light=nodes.light))
    script = (_HERE / "by_hand.sh").read_text() + f"dpkg-query -W {packages} >/dev/null\n"
    script += checks + ("" if nodes.light else _SERVICE)
    path = home / "by_hand.sh"
    path.write_text(script)
    command = ("sh", str(_HERE / "everywhere.sh"), *nodes.login, str(path), *nodes.addresses)
    return Work(command, changed=lambda said: said.count("changed /"), meter=nodes.meter)


def rivals(nodes: Nodes, tools: Path, home: Path) -> tuple[dict[str, Work], list[Series]]:
    """Return what can be run of the other tools, and what is missing."""
    works: dict[str, Work] = {}
    missing: list[Series] = []
    for name, packages in (("pyinfra", ["pyinfra"]), ("Ansible", ["ansible-core", "mitogen"])):
        place = tools / name.lower()
        why = _install(packages, place)
        if why:
            missing.append(Series(name, why))
            continue
        inputs = home / f"{name.lower()}-{nodes.file.stem}"
        inputs.mkdir(exist_ok=True)
        make = _pyinfra if name == "pyinfra" else _ansible
        works |= make(nodes, place, inputs)
    return works, missing


def _pyinfra(nodes: Nodes, place: Path, inputs: Path) -> dict[str, Work]:
    login = {
        "ssh_user": "pi",
        "ssh_key": str(nodes.lab.key),
        "ssh_port": nodes.port,
        "ssh_known_hosts_file": str(nodes.known_hosts),
    }
    (inputs / "inventory.py").write_text(
        f"nodes = {[(address, login) for address in nodes.addresses]!r}\n"
    )
    deploy = _PYINFRA.format(packages=packages_of(light=nodes.light), files=FILES)
    deploy += "" if nodes.light else _PYINFRA_SERVICE
    (inputs / "deploy.py").write_text(deploy)
    names = (str(inputs / "inventory.py"), str(inputs / "deploy.py"))
    name = f"pyinfra {_version('pyinfra', place)}"
    command = (str(place / "bin/pyinfra"), "-y", *names)
    return {name: Work(command, changed=changed_by_pyinfra, meter=nodes.meter)}


def _ansible(nodes: Nodes, place: Path, inputs: Path) -> dict[str, Work]:
    ssh = f"-o UserKnownHostsFile={nodes.known_hosts} -o ControlMaster=auto -o ControlPersist=5s"
    common = f"ansible_user=pi ansible_port={nodes.port}"
    common += f" ansible_ssh_private_key_file={nodes.lab.key}"
    hosts = "".join(f"{address} {common}\n" for address in nodes.addresses)
    (inputs / "inventory.ini").write_text(hosts)
    copies = "\n".join(
        f"    - copy: {{dest: {path}, mode: '644', owner: root, content: {json.dumps(text)}}}"
        for path, text in FILES.items()
    )
    packages = " ".join(packages_of(light=nodes.light))
    playbook = _ANSIBLE.format(packages=packages, files=copies)
    (inputs / "playbook.yml").write_text(playbook + ("" if nodes.light else _ANSIBLE_SERVICE))
    plain = {
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": ssh,
        "ANSIBLE_HOME": str(inputs / "home"),
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_FORKS": str(max(10, len(nodes.addresses))),
    }
    found = next(place.glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy"), place)
    helped = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(found)}
    inventory, book = str(inputs / "inventory.ini"), str(inputs / "playbook.yml")
    command = (str(place / "bin/ansible-playbook"), "-i", inventory, book)
    name = f"Ansible {_version('ansible-core', place)}"
    plainly = Work(command, plain, changed=changed_by_ansible, meter=nodes.meter)
    return {
        f"{name}, pipelining": plainly,
        f"{name}, mitogen {_version('mitogen', place)}": replace(
            plainly, environment=plain | helped
        ),
    }


def changed_by_ansible(said: str) -> int:
    """Return how many tasks changed something, on all hosts, by the recap."""
    return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", said))


def changed_by_pyinfra(said: str) -> int:
    """Return how many operations changed something: the recap's column of successes."""
    recap = re.search(r"Grand total\W+\d+\s+(\d+|-)", said)
    if recap is None:
        raise RuntimeError("pyinfra ended without its recap")
    return int(recap[1].replace("-", "0"))


def _install(packages: list[str], place: Path) -> str:
    """Have packages in an environment of their own; return why that cannot be done."""
    if not (place / "whole").exists():
        run([sys.executable, "-m", "venv", str(place)])
        pip = [str(place / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
        done = subprocess.run(
            [*pip, "install", "--quiet", *packages], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return f"pip cannot install {' '.join(packages)}"
        (place / "whole").touch()
    return ""


def _version(package: str, place: Path) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return run([str(place / "bin/python"), "-c", code]).strip()
