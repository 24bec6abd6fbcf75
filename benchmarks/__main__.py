"""`python -m benchmarks`: measure side by side, into docs/performance.*; see README.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from benchmarks import page, quick
from benchmarks.fresh import fresh as fresh_nodes
from benchmarks.light import first, light
from benchmarks.measure import Series, Work, changed, measure
from benchmarks.nodes import Nodes, booted, far_away, own_home
from benchmarks.rivals import by_hand, rivals
from benchmarks.wanted import FILES
from picluster.errors import PiclusterError
from picluster.lab import requirements
from picluster.lab.inside import run_inside
from picluster.paths import cache_home

Section: TypeAlias = Callable[[Path, Path, int], None]

_FRESH_ROUNDS = 2
_FEW = 3
_LIGHT = (10, 50, 100)
_MOST_FOR_ANSIBLE = 50
_LATENCIES = (0, 5, 60)
_IMPORTED = ("picluster", "fabric", "paramiko", "pydantic", "typer", "rich", "jinja2", "yaml")


def startup(rounds: int) -> None:
    python = sys.executable
    works = {
        "`python -c 'import typer'`": Work((python, "-c", "import typer")),
        "`picluster --help`": Work((python, "-m", "picluster", "--help")),
        "`picluster version`": Work((python, "-m", "picluster", "version")),
    }
    page.record("Starting", measure("starting", works, rounds * 2))


def fresh_prepare(home: Path, _tools: Path, rounds: int) -> None:
    """`prepare` on bare nodes: apt, files, and the reboot that the memory cgroup takes."""
    with booted(1, home) as one, booted(3, home) as three:
        works = {
            name: replace(nodes.picluster("phase", "prepare"), before=nodes.reflash)
            for name, nodes in (("1 node", one), ("3 nodes", three))
        }
        title = "`picluster phase prepare` on fresh nodes"
        page.record(title, measure(title, works, min(rounds, _FRESH_ROUNDS)))


def same_work(nodes: Nodes) -> Work:
    kind = "light" if nodes.light else "whole"
    return replace(nodes.module("same_work", *nodes.login, kind, *nodes.addresses), changed=changed)


def imports(nodes: Nodes) -> Work:
    """Return the importing of what an `up` imports, and of nothing else."""
    told = "import atexit, runpy, sys; atexit.register(lambda: print(*sys.modules)); "
    run_it = "sys.argv[0] = 'picluster'; runpy.run_module('picluster', run_name='__main__')"
    command = (sys.executable, "-c", told + run_it, "up", "--json", "--file", str(nodes.file))
    loaded = Work(command).once().splitlines()[-1].split()
    ours = (name for name in loaded if name.partition(".")[0] in _IMPORTED)
    return Work((sys.executable, "-c", f"import {', '.join(ours)}"))


def small(nodes: Nodes, home: Path) -> dict[str, Work]:
    """The rivals' work by hand and by picluster's engine, and what a login alone costs."""
    return {
        page.BY_HAND: by_hand(nodes, home),
        page.FLOOR: nodes.module("floor", *nodes.login, *nodes.addresses),
        page.SAME_WORK: same_work(nodes),
    }


def commands(nodes: Nodes) -> dict[str, Work]:
    """What picluster does when there is nothing to do. `doctor` may warn (1): nodes are a lab's."""
    return {
        page.PREPARE: replace(nodes.picluster("phase", "prepare"), changed=changed),
        page.UP: replace(nodes.picluster("up"), changed=changed),
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
    works = small(nodes, home) | commands(nodes) | others | {page.IMPORTS: imports(nodes)}
    page.record(title, [*measure(title, works, rounds), *missing], len(nodes.addresses))


def drifted(nodes: Nodes, home: Path, tools: Path, rounds: int) -> None:
    """One file of one node is gone, each time."""
    ours, theirs = "/etc/sysctl.d/99-k3s.conf", next(iter(FILES))
    others, missing = rivals(nodes, tools, home)
    works = {page.BY_HAND: by_hand(nodes, home), page.SAME_WORK: same_work(nodes)} | others
    all_works = {
        name: replace(work, before=partial(_lose, nodes, theirs), changes=1)
        for name, work in works.items()
    }
    up = replace(commands(nodes)[page.UP], before=partial(_lose, nodes, ours), changes=1)
    title = f"One file gone on one of {len(nodes.addresses)} nodes"
    found = measure(title, all_works | {page.UP: up}, rounds)
    page.record(title, [*found, *missing], len(nodes.addresses))


def _lose(nodes: Nodes, path: str) -> None:
    gone = run_inside(nodes.lab.nodes[0], f"rm {path}")
    if gone.returncode:
        raise RuntimeError(f"{path} cannot be removed: {gone.stderr}")


def three_nodes(home: Path, tools: Path, rounds: int) -> None:
    with booted(3, home) as three:
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
            page.record(title, [*found, *missing], count)


def main() -> None:
    sections: dict[str, Section] = {
        "prepare": fresh_prepare,
        "fresh": fresh_nodes,
        "three": three_nodes,
        "seven": seven_nodes,
        "light": light_nodes,
    }
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
        wanted = [name for name in sections if not given.sections or name in given.sections]
        failed = [
            name for name in wanted if not _done(name, sections[name], home, tools, given.rounds)
        ]
    return sys.exit(1) if failed else None


def _done(name: str, section: Section, home: Path, tools: Path, rounds: int) -> bool:
    """Measure a section. One that fails leaves what was measured of it, and the others go on."""
    began = time.monotonic()
    try:
        section(home, tools, rounds)
    except (RuntimeError, PiclusterError) as error:
        print(f"{name} failed: {error}", file=sys.stderr)
        return False
    print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr)
    return True


if __name__ == "__main__":
    main()
