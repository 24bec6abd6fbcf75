"""`python -m benchmarks`: measure everything side by side, and print tables; see README.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.measure import Series, run, table, timed
from benchmarks.nodes import Nodes, booted, own_home
from benchmarks.rivals import rivals
from picluster.lab import requirements


def startup(rounds: int) -> str:
    commands = {
        "`python -c 'import typer'`": [sys.executable, "-c", "import typer"],
        "`picluster --help`": [sys.executable, "-m", "picluster", "--help"],
        "`picluster version`": [sys.executable, "-m", "picluster", "version"],
    }
    all_series = {name: Series(name) for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            timed(all_series[name], partial(_silently, command))
    return table("Starting", list(all_series.values()))


def fresh(one: Nodes, three: Nodes, rounds: int) -> str:
    """`prepare` on bare nodes: apt, files, and the reboot that the memory cgroup takes."""
    all_series = [Series("1 node"), Series("3 nodes")]
    for round_ in range(rounds):
        for series, nodes in zip(all_series, (one, three), strict=True):
            if round_:
                nodes.reflash()
            timed(series, partial(nodes.picluster, "phase", "prepare"))
    return table("`picluster phase prepare` on fresh nodes", all_series)


def nothing_to_do(nodes: Nodes, home: Path, rounds: int) -> str:
    """Everything is as it should be already: how long does it take to find that out?"""
    nodes.picluster("up")
    floor = [sys.executable, "-m", "benchmarks.floor", str(nodes.lab.key), str(nodes.known_hosts)]
    floor += nodes.addresses
    same = [sys.executable, "-m", "benchmarks.same_work", str(nodes.file)]
    works: dict[str, Callable[[], str]] = {
        "floor: Fabric, `true` on each node": partial(_said_by, floor),
        "picluster's engine, the rivals' work": partial(_said_by, same),
        "`picluster phase prepare`": partial(nodes.picluster, "phase", "prepare"),
        "`picluster up`": partial(nodes.picluster, "up"),
    }
    _said_by(same)  # makes it so; what is measured finds nothing to do
    missing = []
    for rival in rivals(nodes, home):
        if rival.why_missing:
            missing.append(Series(rival.name, [rival.why_missing]))
        else:
            rival.work()
            works[rival.name] = rival.work
    all_series = {name: Series(name) for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            timed(all_series[name], work)
    return table("Nothing to do on 3 nodes", [*all_series.values(), *missing])


def _said_by(command: Sequence[str]) -> str:
    """Run a command, and return what it says of itself."""
    return run(command).stdout.strip()


def _silently(command: Sequence[str]) -> str:
    run(command)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is measured")
    rounds = parser.parse_args().rounds
    requirements.check()
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"nodes on the same machine; load average before: {os.getloadavg()[0]:.1f}\n"
    )
    print(startup(rounds * 2), flush=True)
    with tempfile.TemporaryDirectory(prefix="picluster-bench-") as place:
        home = Path(place)
        with own_home(home), booted(1, home) as one, booted(3, home) as three:
            print(fresh(one, three, max(2, rounds // 2)), flush=True)
            print(nothing_to_do(three, home, rounds), flush=True)


if __name__ == "__main__":
    main()
