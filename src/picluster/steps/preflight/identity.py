"""Are the nodes different machines, with clocks that agree: what cloned cards get wrong."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Blocked, Decision, Satisfied, Script
from picluster.engine.survey import UNSEEN, Look
from picluster.facts.clock import SYNCHRONISED

# Nodes are asked together, but a busy one answers later, and of many some have to wait their turn.
# So a small difference says nothing about a node whose clock is synchronised.
_WARN_SKEW_SECONDS = 2.0
_MOST_SKEW_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """No other node has this one's machine id or SSH host key."""

    name: str = "identity"
    title: str = "its own machine id and host key"

    def probe(self) -> Script:
        """Print what has to differ between machines."""
        return Script(
            'echo "machine_id=$(cat /etc/machine-id 2>/dev/null)"\n'
            "for key in /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_rsa_key.pub; do\n"
            '  [ ! -r $key ] || { echo "host_key=$(cut -d" " -f2 $key)"; break; }\n'
            "done\n"
            "sed -n 's/^InitiatorName=/initiator=/p' /etc/iscsi/initiatorname.iscsi 2>/dev/null"
        )

    def decide(self, look: Look) -> Decision:
        """Compare with every other node: one card written twice makes twins."""
        own = look.own.facts
        for other, seen in look.across(self.name).items():
            if other == look.target:
                continue
            for key, what, fix in _TWINS:
                value = own.get(key)
                if value and value == seen.facts.get(key):
                    return Blocked(f"{look.target} has the same {what} as {other}", fix)
        if not own.get("machine_id"):
            return Blocked("it has no machine id", "`systemd-machine-id-setup` on it, and reboot")
        return Satisfied()


_TWINS = (
    (
        "machine_id",
        "machine id",
        "on one of them: `rm /etc/machine-id && systemd-machine-id-setup`, and reboot",
    ),
    (
        "host_key",
        "SSH host key",
        "on one of them: `rm /etc/ssh/ssh_host_* && ssh-keygen -A`, and restart ssh; then "
        "`picluster known-hosts forget` it",
    ),
    (
        "initiator",
        "iSCSI initiator name",
        "on one of them: `echo InitiatorName=$(iscsi-iname) >/etc/iscsi/initiatorname.iscsi`, "
        "and restart iscsid",
    ),
)


@dataclass(frozen=True, slots=True)
class HostNames:
    """No two nodes have the same host name, unless `prepare` is about to change it."""

    will_be_set: bool
    name: str = "host-name"
    title: str = "its own host name"

    def probe(self) -> Script:
        """Print the host name."""
        return Script('echo "name=$(cat /proc/sys/kernel/hostname)"')

    def decide(self, look: Look) -> Decision:
        """K3s joins by host name: twins would throw each other out of the cluster."""
        own = look.own.facts.get("name", "")
        twins = [
            other
            for other, seen in look.across(self.name).items()
            if other != look.target and seen.facts.get("name") == own
        ]
        if not twins or self.will_be_set:
            return Satisfied(detail=own)
        return Blocked(
            f"{look.target} has the same host name, {own}, as {', '.join(twins)}",
            "set prepare.set_hostname: true, or rename one of them",
        )


@dataclass(frozen=True, slots=True)
class Clock:
    """The node's clock agrees with the others': certificates of the future are refused."""

    name: str = "clock"
    title: str = "a clock that agrees"

    def probe(self) -> Script:
        """Print the time, in seconds, and whether it comes from the network."""
        return Script(f'echo "now=$(date +%s.%N)"\n{SYNCHRONISED}')

    def decide(self, look: Look) -> Decision:
        """Compare with the median of all nodes."""
        seen = look.across(self.name)
        times = {node: _seconds(sight.facts.get("now", "")) for node, sight in seen.items()}
        known = sorted(time for time in times.values() if time)
        own = times.get(look.target, 0.0)
        if not own or look.own == UNSEEN:
            return Satisfied(warning="its clock could not be read")
        skew = own - known[len(known) // 2]
        if abs(skew) > _MOST_SKEW_SECONDS:
            return Blocked(
                f"its clock is {_apart(skew)}",
                "`timedatectl` on it says whether time synchronisation works; set it once with "
                "`date -s`",
            )
        if abs(skew) > _WARN_SKEW_SECONDS and look.own.facts.get("synchronised") != "yes":
            return Satisfied(warning=f"its clock is {_apart(skew)}")
        return Satisfied()


def _apart(skew: float) -> str:
    return f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the other nodes'"


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
