"""The lab's cables: a bridge, and for each node a network namespace with one interface.

The subnet has an `unreachable` route of its own underneath, so that nothing sent to a node ever
leaves this computer, not even while the bridge is down. Nodes have no way out either: their default
route, which K3s wants, is a cable on which nobody answers for other addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from picluster.lab.commands import attempt, run
from picluster.lab.layout import LabLayout, LabNode

NODE_INTERFACE = "eth0"


def lay_cables(lab: LabLayout) -> None:
    """Make the guard route, and the bridge that cables end in; what is there stays."""
    run("ip", "route", "replace", "unreachable", lab.subnet, "metric", "9999")
    if not _is_interface(lab.bridge):
        run("ip", "link", "add", lab.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{lab.gateway}/24", "dev", lab.bridge)
    run("ip", "link", "set", lab.bridge, "up")


def plug_in(lab: LabLayout, node: LabNode) -> None:
    """Give a node that is off a network stack in which nothing was ever set, as a boot does.

    Routes, firewall rules and interfaces of its former life were in the namespace, which goes. The
    cable stays as it is: pulled out, if it is, and slow, if it was made so.
    """
    space = node.namespace
    with _aside(node) as spare:
        if Path("/run/netns", space).exists():
            attempt("ip", "-n", space, "link", "set", NODE_INTERFACE, "netns", spare)
            run("ip", "netns", "del", space)
        run("ip", "netns", "add", space)
        if _is_interface(node.interface):
            run("ip", "-n", spare, "link", "set", NODE_INTERFACE, "netns", space)
        else:
            _lay_cable(lab, node)
    run("ip", "-n", space, "link", "set", "lo", "up")
    run("ip", "-n", space, "addr", "add", f"{node.address}/24", "dev", NODE_INTERFACE)
    run("ip", "-n", space, "link", "set", NODE_INTERFACE, "up")
    run("ip", "-n", space, "route", "add", "default", "dev", NODE_INTERFACE)


@contextmanager
def _aside(node: LabNode) -> Iterator[str]:
    """Lend a namespace in which the node's end of the cable can wait."""
    spare = f"{node.namespace}-spare"
    attempt("ip", "netns", "del", spare)
    run("ip", "netns", "add", spare)
    try:
        yield spare
    finally:
        attempt("ip", "netns", "del", spare)


def _lay_cable(lab: LabLayout, node: LabNode) -> None:
    peer = ("peer", "name", NODE_INTERFACE, "netns", node.namespace)
    run("ip", "link", "add", node.interface, "type", "veth", *peer)
    run("ip", "link", "set", node.interface, "master", lab.bridge, "up")


def remove_cables(lab: LabLayout) -> None:
    """Remove what `lay_cables` and `plug_in` made; the guard route goes last."""
    for node in lab.nodes:
        attempt("ip", "link", "del", node.interface)
        attempt("ip", "netns", "del", node.namespace)
    attempt("ip", "link", "del", lab.bridge)
    attempt("ip", "route", "del", "unreachable", lab.subnet, "metric", "9999")


def cut(node: LabNode) -> None:
    """Pull the node's network cable."""
    run("ip", "link", "set", node.interface, "down")


def reconnect(node: LabNode) -> None:
    """Put the cable back, as fast as it was."""
    run("ip", "link", "set", node.interface, "up")
    attempt("tc", "qdisc", "del", "dev", node.interface, "root")


def slow(node: LabNode) -> None:
    """Make the cable slow: 1 Mbit/s, and late and lossy too where the kernel can do that."""
    change = ("tc", "qdisc", "replace", "dev", node.interface, "root")
    late = ("netem", "rate", "1mbit", "delay", "150ms", "loss", "1%")
    if attempt(*change, *late).returncode != 0:
        run(*change, "tbf", "rate", "1mbit", "burst", "8kb", "latency", "2s")


def _is_interface(name: str) -> bool:
    return Path("/sys/class/net", name).exists()
