"""Services that nodes need besides K3s: iSCSI, quiet multipathing, the right time."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Change, Decision, Run, Satisfied, Script, WriteFile
from picluster.engine.survey import Look
from picluster.steps.host.clock import SYNCHRONISED
from picluster.steps.host.packages import PACKAGES, STAND_INS

MULTIPATH_FILE = "/etc/multipath/conf.d/longhorn.conf"
TIMESYNCD = "systemd-timesyncd"
# Debian's chrony calls its unit chrony, and others call it chronyd.
_TIME_UNITS = ("chrony", "chronyd", *(STAND_INS[TIMESYNCD][1:]), TIMESYNCD)

# https://longhorn.io/kb/troubleshooting-volume-with-multipath/ hides every sd device, and so USB
# disks too; these are the names that Longhorn's own devices go by.
_MULTIPATH = """\
# Written by picluster.
blacklist {
    device {
        vendor "IET"
        product "VIRTUAL-DISK"
    }
}
"""


@dataclass(frozen=True, slots=True)
class IscsiDaemon:
    """iscsid is enabled and runs, for Longhorn's volumes."""

    name: str = "iscsid"

    @property
    def title(self) -> str:
        """State what is true."""
        return "iscsid runs"

    def probe(self) -> Script:
        """Ask systemd."""
        return Script(
            'echo "enabled=$(systemctl is-enabled iscsid 2>/dev/null)"\n'
            'echo "active=$(systemctl is-active iscsid)"\n'
            "systemctl show -p Result -p ConditionResult iscsid 2>/dev/null"
        )

    def decide(self, look: Look) -> Decision:
        """Want it enabled and running; one that fails by itself is Longhorn's trouble, not K3s'."""
        facts = look.own.facts
        enabled, active = facts.get("enabled") == "enabled", facts.get("active") == "active"
        if enabled and active:
            return Satisfied()
        if enabled and facts.get("ConditionResult") == "no":
            return Satisfied(warning="iscsid does not run in a container: no Longhorn volumes here")
        if enabled and facts.get("active") == "failed":
            return Satisfied(
                warning=f"iscsid fails ({facts.get('Result')}), so Longhorn will not work; "
                "see `journalctl -u iscsid` on the node"
            )
        return Change(
            "enable and start iscsid",
            # A kernel without iSCSI lets it fail, which the next look tells as a warning.
            (Run("systemctl enable --quiet iscsid\nsystemctl start iscsid || true"),),
            reason="open-iscsi is being installed"
            if look.changing(PACKAGES)
            else "it is not enabled"
            if not enabled
            else "it is stopped",
            retry_safe=True,
        )


@dataclass(frozen=True, slots=True)
class MultipathLeavesLonghornAlone:
    """multipathd, where it is installed, does not grab Longhorn's devices."""

    name: str = "multipath"

    @property
    def title(self) -> str:
        """State what is true."""
        return "multipathd leaves Longhorn's devices alone"

    def probe(self) -> Script:
        """See whether it is installed, and what it is told."""
        return Script(
            "command -v multipathd >/dev/null || exit 0\n"
            "echo installed=yes\n"
            f'[ ! -e {MULTIPATH_FILE} ] || echo "file=$(sha256sum <{MULTIPATH_FILE})"\n'
            f"echo \"wanted=$(printf '%s' '{_MULTIPATH}' | sha256sum)\""
        )

    def decide(self, look: Look) -> Decision:
        """Want our file there, if multipathd is."""
        facts = look.own.facts
        if facts.get("installed") != "yes" or facts.get("file") == facts.get("wanted"):
            return Satisfied()
        return Change(
            f"write {MULTIPATH_FILE}",
            (
                WriteFile(MULTIPATH_FILE, _MULTIPATH),
                Run("systemctl try-reload-or-restart multipathd || true"),
            ),
            reason="multipathd would take Longhorn's devices",
            retry_safe=True,
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
        """State what is true."""
        return "the clock is set from the network"

    def probe(self) -> Script:
        """See which daemons are installed and run, and whether the clock is synchronised."""
        return Script(
            f"for unit in {' '.join(_TIME_UNITS)}; do\n"
            "  enabled=$(systemctl is-enabled $unit 2>/dev/null)\n"
            "  case $enabled in ''|not-found|masked*) continue ;; esac\n"
            "  state=$(systemctl is-active $unit)\n"
            "  condition=$(systemctl show -p ConditionResult $unit | cut -d= -f2)\n"
            '  echo "unit=$unit $enabled $state $condition"\n'
            f"done\n{SYNCHRONISED}"
        )

    def decide(self, look: Look) -> Decision:
        """Want one daemon running; one that systemd skips in a container cannot."""
        facts = look.own.facts
        units = [line.split("=", 1)[1].split(" ") for line in look.own.lines if line[:5] == "unit="]
        running = [unit[0] for unit in units if unit[2:3] == ["active"]]
        if running:
            unsynchronised = facts.get("synchronised") == "no"
            warning = "the clock is not synchronised yet: no time server was reached"
            return Satisfied(detail=running[0], warning=warning if unsynchronised else "")
        if any(unit[1:2] == ["enabled"] and unit[3:4] == ["no"] for unit in units):
            return Satisfied(
                warning="the clock is this node's host's: time synchronisation does not run in "
                "a container"
            )
        chosen = units[0][0] if units else self.daemon
        return Change(
            f"turn time synchronisation on ({chosen})",
            (Run(f"systemctl enable --quiet {chosen}\nsystemctl start {chosen}"),),
            reason="its daemon does not run" if units else "no time daemon is installed",
            retry_safe=True,
        )
