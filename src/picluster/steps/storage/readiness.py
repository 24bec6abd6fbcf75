"""A node can carry Longhorn: iSCSI, NFS, multipath, mount propagation, room for data.

The prepare phase sees to most of it; this is the look just before Longhorn is installed, by effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from picluster.engine.quote import quote
from picluster.engine.step import Call, Change, Decision, Progress, Satisfied, Script
from picluster.engine.survey import Look
from picluster.errors import ActionFailed

_LEAST_BYTES = 2 * 10**9
_SCARCE_BYTES = 10 * 10**9


@dataclass(frozen=True, slots=True)
class FitForLonghorn:
    """The node has what Longhorn's pods need of it; `mounts` if its data has a disk of its own."""

    node: str
    path: str
    mounts: bool = False
    name: str = "fit-for-longhorn"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.node} can carry Longhorn"

    def probe(self) -> Script:
        """Look at what Longhorn's own check of a node looks at, and at the room."""
        path = quote(self.path)
        return Script(
            'echo "iscsid=$(systemctl is-active iscsid)"\n'
            'echo "container=$(systemd-detect-virt -c 2>/dev/null)"\n'
            "{ [ -d /sys/module/iscsi_tcp ] || modprobe -n -q iscsi_tcp; } && echo iscsi_tcp=yes\n"
            "command -v mount.nfs4 >/dev/null && echo nfs=yes\n"
            'echo "multipathd=$(systemctl is-active multipathd)"\n'
            "grep -rqs 'longhorn\\|devnode' /etc/multipath.conf /etc/multipath/conf.d "
            "&& echo blacklist=yes\n"
            'echo "propagation=$(findmnt -n -o PROPAGATION /)"\n'
            f"at={path}\n"
            'while [ ! -d "$at" ]; do at=$(dirname "$at"); done\n'
            'echo "free=$(df -B1 --output=avail "$at" | tail -n 1 | tr -d \' \')"\n'
            f"mountpoint -q {path} && echo mounted=yes\ntrue"
        )

    def decide(self, look: Look) -> Decision:
        """Want what Longhorn cannot do without, and warn of what it can.

        What lacks is the prepare phase's to mend: a plan of both may show that it will.
        """
        lacking = dict(self._lacking(look.own.facts))
        if not lacking:
            return Satisfied(warning="; ".join(self._doubts(look.own.facts)))
        return Change(
            f"make sure that {self.node} can carry Longhorn",
            (
                Call(
                    f"looking whether {self.node} can carry Longhorn", partial(self._fail, lacking)
                ),
            ),
            reason="; ".join(lacking),
        )

    def _fail(self, lacking: dict[str, str], _: Progress) -> None:
        raise ActionFailed(
            "it cannot carry Longhorn, of which nothing was installed",
            where=self.node,
            why="; ".join(lacking),
            fix="; ".join(lacking.values()),
        )

    def _lacking(self, facts: dict[str, str]) -> Iterator[tuple[str, str]]:
        inside = facts.get("container", "none") not in ("", "none")
        if facts.get("iscsid") != "active" and not inside:
            yield "iscsid does not run", "picluster phase prepare"
        if "iscsi_tcp" not in facts and not inside:
            yield "the kernel has no iscsi_tcp", "picluster phase prepare, or another kernel"
        if facts.get("multipathd") == "active" and "blacklist" not in facts:
            yield "multipathd would grab its devices", "picluster phase prepare"
        if "shared" not in facts.get("propagation", "shared") and not inside:
            fix = "mount --make-rshared /, and find out what made / private"
            yield "mounts of / are not shared with pods", fix
        free = facts.get("free", "")
        if free.isdigit() and int(free) < _LEAST_BYTES:
            room = f"{int(free) / 1e9:.1f} GB are free for {self.path}"
            yield room, "free some, or give the node a disk (`disks:`)"

    def _doubts(self, facts: dict[str, str]) -> Iterator[str]:
        free = facts.get("free", "")
        if free.isdigit() and _LEAST_BYTES <= int(free) < _SCARCE_BYTES:
            yield f"{self.node} has only {int(free) / 1e9:.1f} GB for {self.path}"
        if "nfs" not in facts:
            yield f"{self.node} has no NFS client, so volumes cannot be shared by several pods"
        if facts.get("container", "none") not in ("", "none"):
            yield f"{self.node} is a container: Longhorn's volumes do not work there"
        if self.mounts and "mounted" not in facts:
            yield f"{self.path} on {self.node} is not a disk of its own yet"
