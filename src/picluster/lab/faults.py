"""What can go wrong with a Raspberry Pi in a box, done to a lab node on purpose."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable

from picluster.errors import UsageError
from picluster.lab import identity, network
from picluster.lab.inside import send
from picluster.lab.layout import LabLayout, LabNode
from picluster.lab.slow_disk import relieve, slow_down
from picluster.lab.supervise import leader, power_off, power_on

_BALLAST = "ballast"
_LEFT_FREE = 1024 * 1024

Fault = Callable[[LabLayout, LabNode], None]


def cut(lab: LabLayout, node: LabNode) -> None:
    """Pull the network cable; the node goes on by itself."""
    network.cut(node)


def freeze(lab: LabLayout, node: LabNode) -> None:
    """Stop every process on it: connections stay open, and nothing answers."""
    send(node, signal.SIGSTOP)


def unplug(lab: LabLayout, node: LabNode) -> None:
    """Pull the power plug, without a shutdown."""
    relieve(node)
    power_off(node)


def fill_disk(lab: LabLayout, node: LabNode) -> None:
    """Fill the card until a megabyte is left."""
    _needs_power(node)
    free = shutil.disk_usage(node.disk).free
    with (node.disk / _BALLAST).open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, max(1, free - _LEFT_FREE))


def slow_link(lab: LabLayout, node: LabNode) -> None:
    """Make its network cable slow."""
    network.slow(node)


def slow_disk(lab: LabLayout, node: LabNode) -> None:
    """Make every write to its card take seconds."""
    _needs_power(node)
    slow_down(lab, node)


def reflash(lab: LabLayout, node: LabNode) -> None:
    """Put a freshly written card in: same name and address, all else is new and empty."""
    unplug(lab, node)
    identity.flash(lab, node)
    power_on(lab, node)


FAULTS: dict[str, Fault] = {
    "cut": cut,
    "freeze": freeze,
    "power-off": unplug,
    "fill-disk": fill_disk,
    "slow-link": slow_link,
    "slow-disk": slow_disk,
    "re-flash": reflash,
}
"""Every fault by the name the command line gives it."""


def break_node(lab: LabLayout, node: LabNode, fault: str) -> None:
    """Do the fault of that name to the node. Raises `UsageError` if there is no such fault."""
    if fault not in FAULTS:
        raise UsageError(f"there is no fault {fault!r}", fix=f"there are {', '.join(FAULTS)}")
    FAULTS[fault](lab, node)


def mend(lab: LabLayout, node: LabNode) -> None:
    """Undo every fault that can be undone: cable, speed, disk, processes and power."""
    network.reconnect(node)
    relieve(node)
    send(node, signal.SIGCONT)
    power_on(lab, node)
    (node.disk / _BALLAST).unlink(missing_ok=True)


def _needs_power(node: LabNode) -> None:
    if leader(node) is None:
        raise UsageError(f"{node.name} is off", fix=f"picluster lab mend {node.name}")
