"""Services that nodes need besides K3s: iSCSI, the right time."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.facts.units import ISCSID, TIME_KEEPING, TimeKeeping, Unit
from picluster.steps.host.packages import PACKAGES

TIMESYNCD = "systemd-timesyncd"


@dataclass(frozen=True, slots=True)
class IscsiDaemon:
    """iscsid is enabled and runs, for Longhorn's volumes."""

    name: str = ISCSID.name

    @property
    def title(self) -> str:
        return "iscsid runs"

    def probe(self) -> ShellProbe[Unit]:
        return ISCSID

    def decide(self, look: Look) -> Decision:
        """Want it enabled and running; one that fails by itself is Longhorn's trouble, not K3s'."""
        unit = look.read(ISCSID)
        if unit.enabled and unit.runs:
            return Satisfied()
        if unit.enabled and unit.skipped:
            return Satisfied(warning="iscsid does not run in a container: no Longhorn volumes here")
        if unit.enabled and unit.active == "failed":
            return Satisfied(
                warning=f"iscsid fails ({unit.result}), so Longhorn will not work; "
                "see `journalctl -u iscsid` on the node"
            )
        return Change(
            "enable and start iscsid",
            # A kernel without iSCSI lets it fail, which the next look tells as a warning.
            (Run("systemctl enable --quiet iscsid\nsystemctl start iscsid || true"),),
            reason="open-iscsi is still to be installed"
            if look.changing(PACKAGES)
            else "it is not enabled"
            if not unit.enabled
            else "it is stopped",
        )


@dataclass(frozen=True, slots=True)
class TimeSync:
    """The clock is set from the network: certificates fail on a Pi that wakes up in the past.

    Whichever daemon is installed does it; `daemon` is the unit of the one that is to be installed
    where there is none.
    """

    daemon: str = TIMESYNCD
    name: str = "time-sync"

    @property
    def title(self) -> str:
        return "the clock is set from the network"

    def probe(self) -> ShellProbe[TimeKeeping]:
        return TIME_KEEPING

    def decide(self, look: Look) -> Decision:
        """Want one daemon running; one that systemd skips in a container cannot."""
        clock = look.read(TIME_KEEPING)
        running = [daemon.name for daemon in clock.daemons if daemon.runs]
        if running:
            warning = "the clock is not synchronised yet: no time server was reached"
            return Satisfied(detail=running[0], warning="" if clock.synchronised else warning)
        if any(daemon.enabled and daemon.skipped for daemon in clock.daemons):
            return Satisfied(
                warning="the clock is this node's host's: time synchronisation does not run in "
                "a container"
            )
        chosen = clock.daemons[0].name if clock.daemons else self.daemon
        return Change(
            f"turn time synchronisation on ({chosen})",
            (Run(f"systemctl enable --quiet {quote(chosen)}\nsystemctl start {quote(chosen)}"),),
            reason="its daemon does not run" if clock.daemons else "no time daemon is installed",
        )
