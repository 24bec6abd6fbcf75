"""`python -m benchmarks`: measure side by side, into docs/performance.*; see README.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import page, quick
from benchmarks.light import first, light
from benchmarks.measure import Series, Work, measure
from benchmarks.nodes import Nodes, booted, far_away, own_home
from benchmarks.rivals import FILES, by_hand, rivals
from picluster.lab import requirements
from picluster.lab.inside import run_inside
from picluster.paths import cache_home

_FRESH_ROUNDS = 2
_FEW = 3
_LIGHT = (10, 50, 100)
_MOST_FOR_ANSIBLE = 50
_LATENCIES = (0, 5, 60)


def startup(rounds: int) -> None:
    python = sys.executable
    works = {
        "`python -c 'import typer'`": Work((python, "-c", "import typer")),
        "`picluster --help`": Work((python, "-m", "picluster", "--help")),
        "`picluster version`": Work((python, "-m", "picluster", "version")),
    }
    page.record("Starting", measure("starting", works, rounds * 2))


def fresh(one: Nodes, three: Nodes) -> None:
    """`prepare` on bare nodes: apt, files, and the reboot that the memory cgroup takes."""
    works = {
        name: replace(nodes.picluster("phase", "prepare"), before=nodes.reflash)
        for name, nodes in (("1 node", one), ("3 nodes", three))
    }
    title = "`picluster phase prepare` on fresh nodes"
    page.record(title, measure(title, works, _FRESH_ROUNDS))


def same_work(nodes: Nodes) -> Work:
    return nodes.module("same_work", str(nodes.file), *(["light"] if nodes.light else []))


def small(nodes: Nodes, home: Path) -> dict[str, Work]:
    """The rivals' work by hand and by picluster's engine, and what a login alone costs."""
    keys = (str(nodes.lab.key), str(nodes.known_hosts), str(nodes.port))
    return {
        page.BY_HAND: by_hand(nodes, home),
        "floor: Fabric, `true` on each node": nodes.module("floor", *keys, *nodes.addresses),
        page.SAME_WORK: same_work(nodes),
    }


def commands(nodes: Nodes) -> dict[str, Work]:
    """What picluster does when there is nothing to do. `doctor` may warn (1): nodes are a lab's."""
    return {
        page.PREPARE: nodes.picluster("phase", "prepare"),
        page.UP: nodes.picluster("up"),
        "`picluster plan`": nodes.picluster("plan"),
        "`picluster status`": nodes.picluster("status", right=(0, 1)),
        "`picluster doctor`": nodes.picluster("doctor", right=(0, 1)),
    }


def nothing_to_do(nodes: Nodes, home: Path, tools: Path, title: str, rounds: int) -> None:
    """Everything is as it should be already: how long does it take to find that out?"""
    same_work(nodes).once()  # makes it so; what is measured finds nothing to do
    others, missing = rivals(nodes, tools, home)
    if nodes.port != 22:
        others = {name: replace(work, most=1) for name, work in others.items()}
    works = small(nodes, home) | commands(nodes) | others
    page.record(title, [*measure(title, works, rounds), *missing])


def drifted(nodes: Nodes, home: Path, tools: Path, rounds: int) -> None:
    """One file of one node is gone, each time."""
    ours, theirs = "/etc/sysctl.d/99-k3s.conf", next(iter(FILES))
    others, missing = rivals(nodes, tools, home)
    works = {page.BY_HAND: by_hand(nodes, home), page.SAME_WORK: same_work(nodes)} | others
    all_works = {
        name: replace(work, before=partial(_lose, nodes, theirs)) for name, work in works.items()
    }
    up = replace(nodes.picluster("up"), before=partial(_lose, nodes, ours))
    title = f"One file gone on one of {len(nodes.addresses)} nodes"
    page.record(title, [*measure(title, all_works | {page.UP: up}, rounds), *missing])


def _lose(nodes: Nodes, path: str) -> None:
    gone = run_inside(nodes.lab.nodes[0], f"rm {path}")
    if gone.returncode:
        raise RuntimeError(f"{path} cannot be removed: {gone.stderr}")


def three_nodes(home: Path, tools: Path, rounds: int) -> None:
    with booted(1, home) as one, booted(3, home) as three:
        fresh(one, three)
        three.picluster("up").once()
        nothing_to_do(three, home, tools, page.THREE, rounds)
        drifted(three, home, tools, min(rounds, _FEW))
        for milliseconds in _LATENCIES[1:]:
            title = f"{page.THREE}, {milliseconds} ms away"
            with far_away(three, milliseconds) as nodes:
                nothing_to_do(nodes, home, tools, title, min(rounds, _FEW))


def seven_nodes(home: Path, tools: Path, rounds: int) -> None:
    with booted(7, home) as seven:
        seven.picluster("up").once()
        nothing_to_do(seven, home, tools, page.SEVEN, rounds)


def light_nodes(home: Path, tools: Path, rounds: int) -> None:
    with light(max(_LIGHT), home) as all_nodes:
        for count in _LIGHT:
            nodes = first(all_nodes, count)
            same_work(nodes).once()
            others, missing = rivals(nodes, tools, home)
            works: dict[str, Work] = small(nodes, home)
            for name, work in others.items():
                if count > _MOST_FOR_ANSIBLE and name.startswith("Ansible"):
                    missing.append(Series(name, f"not run on {count} nodes: it takes minutes"))
                else:
                    works[name] = replace(work, most=1)
            title = f"{count} light nodes"
            found: list[Series] = measure(title, works, min(rounds, _FEW))
            page.record(title, [*found, *missing])


def main() -> None:
    sections = {"three": three_nodes, "seven": seven_nodes, "light": light_nodes}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is measured")
    names = ["starting", *sections, "quick", "page"]
    parser.add_argument("sections", nargs="*", help=f"{', '.join(names)}; all if none is named")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(names):
        parser.error(f"no section {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    if given.sections == ["page"]:
        return page.write(page.read())
    requirements.check()
    tools = cache_home() / "bench"
    print(f"load average before: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="picluster-bench-")))
        stack.enter_context(own_home(home))
        if given.sections == ["quick"]:
            sys.exit(quick.compare(home, small, commands))
        if not given.sections or "starting" in given.sections:
            startup(given.rounds)
        for name, section in sections.items():
            if not given.sections or name in given.sections:
                section(home, tools, given.rounds)
    return None


if __name__ == "__main__":
    main()
