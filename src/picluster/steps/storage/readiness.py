"""A node can carry Longhorn: iSCSI, NFS, multipath, mount propagation, room for data.

The prepare phase sees to most of it; this is the look just before Longhorn is installed, by effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from picluster.engine.place import Place
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.errors import ActionFailed
from picluster.facts.units import UNITS

_LEAST_BYTES = 2 * 10**9
_SCARCE_BYTES = 10 * 10**9


@dataclass(frozen=True, slots=True)
class Means:
    """What a node has of what Longhorn's pods need of it; `free` are bytes at the data path.

    `multipathd_kept_away` is only asked where multipathd runs. `mounted`: the data path is a mount
    of its own. `shared`: mounts of / are shared with pods.
    """

    iscsid: bool
    iscsi_module: bool
    nfs: bool
    multipathd: bool
    multipathd_kept_away: bool
    shared: bool
    free: int
    mounted: bool
    in_container: bool


def _means(seen: Observation) -> Means:
    return Means(
        iscsid=seen.text("iscsid", "") == "active",
        iscsi_module=seen.flag("iscsi_tcp"),
        nfs=seen.flag("nfs"),
        multipathd=seen.text("multipathd", "") == "active",
        multipathd_kept_away=seen.flag("blacklist"),
        shared="shared" in seen.text("propagation", "shared"),
        free=seen.number("free"),
        mounted=seen.flag("mounted"),
        in_container=seen.text("container", "none") not in ("", "none"),
    )


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Give up on a node that cannot carry Longhorn, saying what lacks and what to do of each."""

    node: str
    lacking: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        return f"looking whether {self.node} can carry Longhorn"

    def perform(self, place: Place) -> None:
        """Raise `ActionFailed`: what was not mended by now will not be."""
        raise ActionFailed(
            "it cannot carry Longhorn",
            where=self.node,
            why="; ".join(lack for lack, _ in self.lacking),
            fix="; ".join(dict.fromkeys(fix for _, fix in self.lacking)),
        )


@dataclass(frozen=True, slots=True)
class FitForLonghorn:
    """The node has what Longhorn's pods need of it; `mounts` if its data has a disk of its own."""

    node: str
    path: str
    mounts: bool = False
    name: str = "fit-for-longhorn"

    @property
    def title(self) -> str:
        return f"{self.node} can carry Longhorn"

    def probe(self) -> ShellProbe[Means]:
        text = UNITS + shell(__package__, "fit_for_longhorn", DATA=self.path)
        return ShellProbe(self.name, text, _means)

    def decide(self, look: Look) -> Decision:
        """Want what Longhorn cannot do without, and warn of what it can.

        What lacks is the prepare phase's to mend: a plan of both may show that it will.
        """
        means = look.read(self.probe())
        lacking = tuple(self._lacking(means))
        if not lacking:
            return Satisfied(warning="; ".join(self._doubts(means)))
        return Change(
            f"make sure that {self.node} can carry Longhorn",
            (GiveUp(self.node, lacking),),
            reason="; ".join(lack for lack, _ in lacking),
        )

    def _lacking(self, means: Means) -> Iterator[tuple[str, str]]:
        inside = means.in_container
        if not means.iscsid and not inside:
            yield "iscsid does not run", "picluster phase prepare"
        if not means.iscsi_module and not inside:
            yield "the kernel has no iscsi_tcp", "picluster phase prepare, or another kernel"
        if means.multipathd and not means.multipathd_kept_away:
            yield "multipathd would grab its devices", "picluster phase prepare"
        if not means.shared and not inside:
            fix = "mount --make-rshared /, and find out what made / private"
            yield "mounts of / are not shared with pods", fix
        if means.free < _LEAST_BYTES:
            room = f"{means.free / 1e9:.1f} GB are free for {self.path}"
            yield room, "free some, or give the node a disk (`disks:`)"

    def _doubts(self, means: Means) -> Iterator[str]:
        if means.free < _SCARCE_BYTES:
            yield f"{self.node} has only {means.free / 1e9:.1f} GB for {self.path}"
        if not means.nfs:
            yield f"{self.node} has no NFS client, so volumes cannot be shared by several pods"
        if means.in_container:
            yield f"{self.node} is a container: Longhorn's volumes do not work there"
        if self.mounts and not means.mounted:
            yield f"{self.path} on {self.node} is not a disk of its own yet"
