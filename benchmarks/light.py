"""Light nodes: an sshd in a network namespace each, on one shared tree, without systemd.

A hundred of them fit where a dozen lab nodes do: they are for what a login, a script and an answer
cost, times the number of nodes.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.nodes import Nodes
from picluster.lab import identity, network
from picluster.lab.base_tree import SUITE, base_tree
from picluster.lab.cluster_file import render
from picluster.lab.commands import attempt, run
from picluster.lab.layout import LabLayout, LabNode, plan_lab, trees_directory
from picluster.paths import kept_of

_SSHD = """\
HostKey /etc/ssh/{name}
PidFile none
AuthorizedKeysFile /etc/ssh/light.pub
StrictModes no
UsePAM yes
MaxStartups 10:30:100
"""
_PATIENCE_SECONDS = 30.0


@contextmanager
def light(count: int, home: Path) -> Iterator[Nodes]:
    """Have that many light nodes; they are gone afterwards."""
    base = base_tree(trees_directory(), SUITE, lambda line: None)
    lab = plan_lab("light", count, 1, base)
    tree = home / "light"
    lab.directory.mkdir(parents=True)
    servers: list[subprocess.Popen[bytes]] = []
    network.lay_cables(lab)
    try:
        _mount(lab, tree)
        identity.make_login_key(lab)
        (tree / "etc/ssh/light.pub").write_bytes(lab.key.with_suffix(".pub").read_bytes())
        pins = [_flash(tree, node) for node in lab.nodes]
        kept = kept_of(lab.name).known_hosts
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text("".join(pins))
        for node in lab.nodes:
            network.plug_in(lab, node)
            servers.append(_sshd(tree, node))
        _wait(lab)
        yield first(Nodes(lab, home / "light.yaml"), count)
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()
        network.remove_cables(lab)
        for path in ("proc", "dev/pts", "dev", "", ""):
            attempt("umount", "-l", str(tree / path))


def first(nodes: Nodes, count: int) -> Nodes:
    """Return the first of the nodes, as a cluster of their own."""
    lab = replace(nodes.lab, nodes=nodes.lab.nodes[:count])
    file = nodes.file.with_name(f"light{count}.yaml")
    file.write_text(render(lab, ""))
    return Nodes(lab, file, light=True)


def _mount(lab: LabLayout, tree: Path) -> None:
    """Mount the tree that all share, with whatever is written there in memory."""
    tree.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", str(tree))
    for name in ("upper", "work", "root"):
        (tree / name).mkdir()
    layers = f"lowerdir={lab.base},upperdir={tree / 'upper'},workdir={tree / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", layers, str(tree))
    run("mount", "-t", "proc", "proc", str(tree / "proc"))
    for name in ("dev", "dev/pts"):  # mitogen's sudo wants a terminal
        run("mount", "--bind", f"/{name}", str(tree / name))
    (tree / "run/sshd").mkdir(parents=True, exist_ok=True)


def _flash(tree: Path, node: LabNode) -> str:
    """Give the node a host key and sshd's settings; return its line for known_hosts."""
    key = tree / "etc/ssh" / node.name
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    (tree / "etc/ssh" / f"{node.name}.conf").write_text(_SSHD.format(name=node.name))
    return f"{node.address} {' '.join(key.with_suffix('.pub').read_text().split()[:2])}\n"


def _sshd(tree: Path, node: LabNode) -> subprocess.Popen[bytes]:
    sshd = ["/usr/sbin/sshd", "-D", "-f", f"/etc/ssh/{node.name}.conf"]
    inside = ["ip", "netns", "exec", node.namespace, "chroot", str(tree)]
    return subprocess.Popen([*inside, *sshd], stderr=subprocess.DEVNULL)


def _wait(lab: LabLayout) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    for node in lab.nodes:
        while True:
            try:
                socket.create_connection((node.address, 22), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
