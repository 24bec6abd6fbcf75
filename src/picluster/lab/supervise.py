"""A node's power: one process per node boots it, and boots it again when it reboots.

`python -m picluster.lab.supervise LAB NODE` is that process. Killing the node's first process is
pulling the plug; a power-off inside the node ends the supervisor, and the node stays off.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from picluster.errors import StepFailed
from picluster.lab import background, control_groups, firmware, identity, network
from picluster.lab.layout import LabLayout, LabNode, read_lab
from picluster.lab.waiting import becomes

_REBOOT_STATUS = 133
_START_SECONDS = 60.0


# ------------------------------------------------------------------ the supervisor's own process


def supervise(lab: LabLayout, node: LabNode) -> None:
    """Keep the node running until it powers itself off or this process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        network.plug_in(lab, node)
        identity.mount(lab, node)
        try:
            status = _boot(node)
        finally:
            identity.unmount(node)
        if status != _REBOOT_STATUS:
            break
        _append(node, "--- reboot ---\n")
    node.power.unlink(missing_ok=True)


def _boot(node: LabNode) -> int:
    environment = os.environ | {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"}
    if not control_groups.is_unified():
        environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "0"
    groups = control_groups.make(node)
    with node.console.open("ab") as console:
        machine = subprocess.Popen(
            _command(node, groups),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=environment,
            preexec_fn=control_groups.joining(groups),  # noqa: PLW1509 - one thread here
        )
    first = 0
    try:
        first = _wait_for_leader(machine)
        firmware.start(node, first)
        background.record(
            node.power,
            supervisor=background.identify(os.getpid()),
            leader=background.identify(first),
        )
        return machine.wait()
    finally:
        if machine.poll() is None:
            _kill(first or machine.pid)
            machine.wait()
        control_groups.remove(node)


def _command(node: LabNode, groups: list[Path]) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        f"--directory={node.root}",
        f"--machine={node.name}",
        "--boot",
        "--keep-unit",
        "--register=no",
        "--capability=all",
        "--system-call-filter=add_key keyctl bpf @mount",
        *control_groups.options(groups),
        "--bind=/dev/kmsg",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        f"--network-namespace-path=/run/netns/{node.namespace}",
        *identity.binds(node),
        *control_groups.words(),
    ]


def _wait_for_leader(machine: subprocess.Popen[bytes]) -> int:
    """Return the process that is the node's first, as soon as it has become init."""
    becomes(lambda: bool(_leader_of(machine)) or machine.poll() is not None, _START_SECONDS)
    first = _leader_of(machine) if machine.poll() is None else None
    if first is None:
        raise StepFailed(
            "the node did not start",
            why=f"nspawn ended with {machine.poll()}",
            fix="its console log says more; `picluster lab down`, then `picluster lab up`",
        )
    return first


def _leader_of(machine: subprocess.Popen[bytes]) -> int | None:
    children = Path(f"/proc/{machine.pid}/task/{machine.pid}/children")
    try:
        found = [int(child) for child in children.read_text().split()]
    except OSError:  # it has ended
        return None
    return next((child for child in found if _program(child) == "systemd"), None)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _append(node: LabNode, text: str) -> None:
    with node.console.open("a") as console:
        console.write(text)


# ------------------------------------------------------------------ what others ask of it


def power_on(lab: LabLayout, node: LabNode) -> None:
    """Start the node if it is off; it boots in the background."""
    if leader(node) is None:
        node.power.unlink(missing_ok=True)
        background.start("picluster.lab.supervise", lab.name, node.name, log=node.console)


def power_off(node: LabNode) -> None:
    """Pull the plug: everything on the node ends at once, and it stays off.

    Raises `StepFailed` if it does not go off.
    """
    supervisor = background.recorded(node.power, "supervisor")
    if supervisor is not None and not background.end(supervisor):
        raise StepFailed(
            f"{node.name} cannot be switched off",
            where=str(node.console),
            fix="`picluster lab down` removes all of the lab; its console log says more",
        )
    node.power.unlink(missing_ok=True)


def leader(node: LabNode) -> int | None:
    """Return the node's first process, as this computer numbers it; None while it is off."""
    return background.recorded(node.power, "leader")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    _lab = read_lab(sys.argv[1])
    supervise(_lab, _lab.node(sys.argv[2]))
