"""A command's surroundings: a step that does something real, nodes and what is told of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.doubles.shell_nodes import ShellNodes
from tests.unit.engine.runs import text_of
from tests.unit.phases.sites import site_on

from picluster.engine.events import Event, TargetFailed
from picluster.engine.phase import Phase, Stage
from picluster.engine.probe import ShellProbe
from picluster.engine.step import Blocked, Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.model import Cluster
from picluster.site import Scope, Site

FILE = """\
name: home
nodes:
  - {name: pi1, address: 10.0.0.1, role: server}
  - {name: pi2, address: 10.0.0.2, role: server}
  - {name: pi3, address: 10.0.0.3, role: server}
  - {name: pi4, address: 10.0.0.4, role: agent}
"""


@dataclass(frozen=True)
class Touched:
    """A file is there."""

    name: str = "touched"
    title: str = "the file is there"
    refuses: str = ""

    def probe(self) -> ShellProbe[str]:
        return text_of("file")

    def decide(self, look: Look) -> Decision:
        if self.refuses:
            return Blocked(self.refuses)
        if look.read(text_of("file")):
            return Satisfied()
        return Change("touch", (Run('echo there >"$NODE_ROOT/file"'),))


def everywhere(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    names = [node.name for node in site.cluster.nodes]
    steps = {name: [Touched()] for name in names}
    yield Phase("all", "all are touched", (Stage("all", steps, independent=True),))


@dataclass
class Desk:
    """A command's surroundings: nodes that are directories, and the events of its runs."""

    nodes: ShellNodes
    cluster: Cluster
    path: Path
    events: list[Event] = field(default_factory=list)

    def site(self, command: str = "up", **scope: Collection[str]) -> Site:
        made = site_on(self.nodes, self.cluster, self.path, command)
        said = Scope(**{name: frozenset(nodes) for name, nodes in scope.items()})
        return replace(made, scope=said, emit=self.events.append)

    @property
    def touched(self) -> list[str]:
        return sorted(path.parent.name for path in self.nodes.base.glob("*/file"))

    @property
    def failed(self) -> list[tuple[str, str]]:
        return [(each.target, each.what) for each in self.events if isinstance(each, TargetFailed)]
