"""A healthy node that runs nothing: it knows what a prepared Pi with K3s answers to each question.

A script that asks is answered from a table, by the snippets it is made of; one that changes is
noted, and from then on the node answers as one that was changed. So a command meets nodes that are
the same everywhere, and that a fault in it cannot harm.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from picluster.engine.probe import ShellProbe
from picluster.engine.script import compile_actions, compile_probes
from picluster.engine.step import Step
from picluster.secret import Secret
from picluster.steps.files import ManagedFile
from picluster.steps.host.hosts import HostsFile, with_block
from picluster.steps.host.packages import Packages
from picluster.steps.k3s.config import (
    ConfigFile,
    TokenFile,
    agent_options,
    render,
    server_options,
)
from picluster.steps.k3s.membership import Starts
from picluster.steps.k3s.registries import RegistriesFile

_MARKER = re.compile(r"picluster-[0-9a-f]{16}")
_PRIVATE = "600 root:root"
_MODULES = ("overlay", "br_netfilter", "nf_conntrack", "vxlan", "iscsi_tcp")


def packed(text: str) -> str:
    """Return a text as a node sends one."""
    return base64.b64encode(text.encode()).decode()


PREPARED = {
    "system": "user=0\ninit=systemd\napt=yes\narch=arm64\nkernel=aarch64\npretty=Debian 12",
    "memory": "kib=8000000",
    "disk": "free=90000000000 /",
    "identity": "machine_id=NODE\nhost_key=AAAANODE\ninitiator=iqn.NODE",
    "host-name": "name=NODE",
    "address": "address=ADDRESS\ndefault=10.0.0.254",
    "cgroup": "memory=yes",
    "cgroups": "version=2",
    "hostname": "now=NODE\nboot=NODE",
    "kernel-modules": "\n".join(f"there={name}" for name in _MODULES),
    "sysctls-in-force": "net.ipv4.ip_forward=1\nnet.bridge.bridge-nf-call-iptables=1\n"
    "net.bridge.bridge-nf-call-ip6tables=1",
    "inotify-limits": "fs.inotify.max_user_instances=8192\nfs.inotify.max_user_watches=1048576",
    "iscsid": "enabled=enabled\nactive=active",
    "time-sync": "unit=systemd-timesyncd enabled active yes\nsynchronised=yes",
    "memory-cgroup": f"memory=yes\nmode=755\nfile=/boot/cmdline.txt\ntext={packed('root=/dev/x')}",
    "vitals": "uptime=500\nload=0.5\nmemory=8000000\navailable=7000000\ndisk=100000\nfree=90000\n"
    "temperature=48000\nthrottled=0x0\nmodel=Raspberry Pi 5",
    "kernel": "release=6.12.0-rpi",
    "k3s-uninstalled": "address=ADDRESS\nsnapshots=0",
}
"""What probes print, by their names, on a machine that nothing has to be done on."""


@dataclass
class Notes:
    """What scripts were made of, by their markers: a good node understands no shell."""

    probes: dict[str, Sequence[str]] = field(default_factory=dict)
    actions: dict[str, Sequence[str]] = field(default_factory=dict)

    def compile_probes(self, snippets: Sequence[str], marker: str) -> str:
        """Stand in for the function of that name, and note what it is given."""
        self.probes[marker] = snippets
        return compile_probes(snippets, marker)

    def compile_actions(self, snippets: Sequence[str], marker: str) -> str:
        """Stand in for the function of that name, and note what it is given."""
        self.actions[marker] = snippets
        return compile_actions(snippets, marker)


@dataclass
class WellNode:
    """One node. `pending` is what probes print until something is changed on it, by their names.

    `names` are those of the probes, by their texts. `actions` are the snippets that would have
    changed it.
    """

    name: str
    address: str
    names: Mapping[str, str]
    known: Mapping[str, str]
    notes: Notes
    pending: Mapping[str, str] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)

    def answer(self, script: str) -> tuple[str, str, int]:
        """Return what the script prints on stdout and stderr, and how it ends."""
        marker = _MARKER.search(script)
        if marker is None:
            return self._plainly(script), "", 0
        changes = self.notes.actions.get(marker[0])
        snippets = self.notes.probes[marker[0]] if changes is None else changes
        self.actions += changes or ()
        out = err = ""
        for number, snippet in enumerate(snippets):
            frame = f"\n{marker[0]} {number} 0\n"
            out += ("" if changes else self._said(snippet)) + frame
            err += frame
        return out, err, 0

    def _said(self, snippet: str) -> str:
        name = self.names.get(snippet, "")
        if name == "clock":
            return f"now={time.time()}\nsynchronised=no\n"
        table = {**self.known, **({} if self.actions else self.pending)}
        said = table.get(name, "").replace("NODE", self.name).replace("ADDRESS", self.address)
        return f"{said}\n"

    def _plainly(self, script: str) -> str:
        if "flock" in script:
            return "held\n"
        if "systemctl show" in script:
            return "ActiveState=active\nSubState=running\n"
        return f"{self.name} ran {script}\n"


def names_of(steps: Iterable[Step]) -> dict[str, str]:
    """Return the names of the probes that are shell, by their texts."""
    probes = (step.probe() for step in steps)
    return {probe.text: probe.name for probe in probes if isinstance(probe, ShellProbe)}


def prepared(steps: Sequence[Step]) -> dict[str, str]:
    """Return what the probes of these steps print where nothing has to be done."""
    return PREPARED | {step.name: said for step in steps if (said := _as_wanted(step))}


def _as_wanted(step: Step) -> str:
    match step:
        case HostsFile(cluster=cluster, entries=entries):
            lines = [f"{address}\t{names}" for address, names in entries]
            return f"text={packed(with_block('', cluster, lines))}"
        case ManagedFile(content=content):
            return _file(content, "644 root:root")
        case RegistriesFile(content=content) | TokenFile(candidate=content):
            return _file(_plain(content), _PRIVATE)
        case ConfigFile(cluster=cluster, node=node):
            first = cluster.servers[0].name
            agents = agent_options(cluster, node, first)
            options = server_options(cluster, node, Starts()) if node.is_server else agents
            return _file(render(options), _PRIVATE)
        case Packages(packages=names):
            return "\n".join([*(f"have=installed {name}" for name in names), "age=5"])
    return ""


def _plain(content: str | Secret) -> str:
    return content.reveal() if isinstance(content, Secret) else content


def _file(content: str, access: str) -> str:
    digest = hashlib.sha256(content.encode()).hexdigest()
    return f"access={access}\nsha256={digest}\nours=yes\ncontent={packed(content)}"


def k3s(unit: str, version: str, *, ha: bool = False) -> str:
    """Return what the state of K3s prints where that unit runs; `ha` is one server of several."""
    server = f"datastore={'etcd' if ha else 'sqlite'}\nca=abc"
    data = server if unit == "k3s" else "datastore=none\njoined=yes"
    return (
        f"arch=arm64\nversion={version}\nstaged={version}\ninstaller=yes\nrecorder=yes\n"
        f"unit={unit}\nactive=active\nenabled=enabled\npassword=yes\non_disk=f00\nloaded=f00\n{data}"
    )
