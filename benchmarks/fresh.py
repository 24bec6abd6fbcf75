"""From bare nodes to Ready: a hand-written script and picluster, K3s of its real size.

With links of 10 MB/s this computer sends no faster than that, and no node receives faster; with
others it is the processors that everything waits for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.doubles.k3s.build import build

from benchmarks import page
from benchmarks.measure import Work, measure
from benchmarks.nodes import Nodes, booted
from picluster.lab import serve
from picluster.lab.commands import run
from picluster.lab.layout import LabLayout
from picluster.model.k3s import DEFAULT_VERSION

BARE_UP = "Bare `up`"
_K3S_BYTES = 70_000_000
_NODES = 5
_MOST = 3
_SCRIPT = Path(__file__).with_name("bare.sh")
_SLOW = ("root", "tbf", "rate", "80mbit", "burst", "256kb", "latency", "300ms")


def fresh(home: Path, tools: Path, rounds: int) -> None:
    """Measure it on three servers and two agents, with slow links and as fast as this computer."""
    artifacts = home / "heavy"
    build(artifacts, [DEFAULT_VERSION], _K3S_BYTES)
    with booted(_NODES, home, artifacts) as nodes:
        for slow in (True, False):
            links = "links of 10 MB/s" if slow else "links as fast as this computer"
            title = f"{BARE_UP} of {_NODES} nodes, {links}"
            with _links(nodes.lab, slow=slow):
                found = measure(title, _works(nodes, artifacts), min(rounds, _MOST))
            page.record(title, found, _NODES)


def _works(nodes: Nodes, artifacts: Path) -> dict[str, Work]:
    release = artifacts / DEFAULT_VERSION
    (release / "install.sh").write_bytes((artifacts / "install.sh").read_bytes())
    page_ = f"{serve.url(nodes.lab.gateway)}/{DEFAULT_VERSION}"
    words = [f"{node.name}={node.address}" for node in nodes.lab.nodes]
    agents = [f"{node.name}={node.address}" for node in nodes.lab.nodes if node.role == "agent"]
    servers = [word for word in words if word not in agents]

    def by_hand(way: str) -> Work:
        given = (way, str(nodes.lab.key), str(nodes.known_hosts), str(release))
        return Work(("sh", str(_SCRIPT), *given, *servers, "--", *agents))

    works = {
        "by hand, K3s from node to node": by_hand("chain"),
        page.UP: nodes.picluster("up"),
        "by hand, K3s sent to each": by_hand("each"),
        "by hand, each downloads K3s": by_hand(page_),
    }
    return {name: replace(work, before=nodes.reflash) for name, work in works.items()}


@contextmanager
def _links(lab: LabLayout, *, slow: bool) -> Iterator[None]:
    """Let this computer send, and each node receive, no faster; a cable outlives a card."""
    ends = [lab.bridge, *(node.interface for node in lab.nodes)] if slow else []
    for end in ends:
        run("tc", "qdisc", "replace", "dev", end, *_SLOW)
    try:
        yield
    finally:
        for end in ends:
            run("tc", "qdisc", "del", "dev", end, "root")
