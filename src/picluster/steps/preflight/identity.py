"""Are the nodes different machines: what cloned cards get wrong."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.facts.names import UNAME


@dataclass(frozen=True, slots=True)
class MachineIdentity:
    """What has to differ between machines; empty where there is none."""

    machine_id: str = ""
    host_key: str = ""
    initiator: str = ""


def _identity(seen: Observation) -> MachineIdentity:
    return MachineIdentity(*(seen.text(key, "") for key in ("machine_id", "host_key", "initiator")))


IDENTITY = ShellProbe("identity", shell(__package__, "identity"), _identity)


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """No other node has this one's machine id or SSH host key."""

    name: str = IDENTITY.name
    title: str = "its own machine id and host key"

    def probe(self) -> ShellProbe[MachineIdentity]:
        return IDENTITY

    def decide(self, look: Look) -> Decision:
        """Compare with every other node: one card written twice makes twins."""
        own = look.read(IDENTITY)
        for other, its in look.every(IDENTITY).items():
            if other == look.target:
                continue
            for mine, theirs, what, fix in (
                (own.machine_id, its.machine_id, *_MACHINE_ID),
                (own.host_key, its.host_key, *_HOST_KEY),
                (own.initiator, its.initiator, *_INITIATOR),
            ):
                if mine and mine == theirs:
                    return Blocked(f"{look.target} has the same {what} as {other}", fix)
        if not own.machine_id:
            return Blocked("it has no machine id", "`systemd-machine-id-setup` on it, and reboot")
        return Satisfied()


# What it is called, and how it becomes the machine's own again.
_MACHINE_ID = (
    "machine id",
    "on one of them: `rm /etc/machine-id && systemd-machine-id-setup`, and reboot",
)
_HOST_KEY = (
    "SSH host key",
    "on one of them: `rm /etc/ssh/ssh_host_* && ssh-keygen -A`, and restart ssh; then "
    "`picluster known-hosts forget` it",
)
_INITIATOR = (
    "iSCSI initiator name",
    "on one of them: `echo InitiatorName=$(iscsi-iname) >/etc/iscsi/initiatorname.iscsi`, "
    "and restart iscsid",
)


NAME = ShellProbe("host-name", f'{UNAME}echo "name=$host"', lambda seen: seen.text("name", ""))


@dataclass(frozen=True, slots=True)
class HostNames:
    """No two nodes have the same host name, unless `prepare` is about to change it."""

    will_be_set: bool
    name: str = NAME.name
    title: str = "its own host name"

    def probe(self) -> ShellProbe[str]:
        return NAME

    def decide(self, look: Look) -> Decision:
        """K3s joins by host name: twins would throw each other out of the cluster."""
        own = look.read(NAME)
        twins = [
            other
            for other, name in look.every(NAME).items()
            if other != look.target and name == own
        ]
        if not twins or self.will_be_set:
            return Satisfied(detail=own)
        return Blocked(
            f"{look.target} has the same host name, {own}, as {', '.join(twins)}",
            "set prepare.set_hostname: true, or rename one of them",
        )
