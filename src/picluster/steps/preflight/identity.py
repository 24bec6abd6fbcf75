"""Are the nodes different machines: what cloned cards get wrong."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Blocked, Decision, Satisfied, Script
from picluster.engine.survey import Look


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
