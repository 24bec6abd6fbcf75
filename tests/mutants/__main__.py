"""`python -m tests.mutants`: try faults, print who survives, fail if too many do."""

from __future__ import annotations

import argparse
import fnmatch
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.named import NAMED
from tests.mutants.operators import mutations
from tests.mutants.reach import Reach, measure
from tests.mutants.trial import Fault, survivors

ROOT = Path(__file__).parents[2]
DECIDING = (
    "src/picluster/engine/*",
    "src/picluster/kube/quorum.py",
    "src/picluster/kube/drain.py",
    "src/picluster/kube/nodes.py",
    "src/picluster/kube/rollout.py",
    "src/picluster/ssh/host_keys.py",
    "src/picluster/steps/*",
    "src/picluster/phases/*",
    "src/picluster/operations/*",
    "src/picluster/queries/*",
    "src/picluster/commands.py",
)
"""What decides; the rest talks, draws or reads files."""

_MOST_TESTS = 150


def main() -> int:
    """Parse the command line, try the faults, print the survivors; return the exit code."""
    args = _arguments()
    reach = measure(ROOT, ["tests/unit"])
    chosen = [*_named(reach), *([] if args.named else _sampled(reach, args))]
    began, lived = time.monotonic(), list[Fault]()
    for number, (fault, survived) in enumerate(survivors(chosen, ROOT, args.jobs), 1):
        if survived:
            lived.append(fault)
            print(f"SURVIVED  {fault}", flush=True)
        if number % 50 == 0:
            print(f"... {number} of {len(chosen)}, {len(lived)} survived", flush=True)
    _summary(chosen, lived, time.monotonic() - began)
    dead = 100 - 100 * len(lived) / max(1, len(chosen))
    named = [fault for fault in lived if fault.what in NAMED]
    return 1 if named or dead < args.at_least else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--named", action="store_true", help="only the faults that have a name")
    parser.add_argument("--module", default="*", metavar="GLOB", help="only files like this")
    parser.add_argument("--sample", type=int, default=300, metavar="N", help="how many; 0 is all")
    parser.add_argument("--seed", type=int, default=1, help="which ones, when not all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--at-least", type=float, default=85.0, help="percent that have to die")
    return parser.parse_args()


def _named(reach: Reach) -> Iterator[Fault]:
    """Return the named faults. Raises `SystemExit` for one whose place is gone."""
    for name, (file, before, after) in NAMED.items():
        module = Path("src/picluster") / file
        source = (ROOT / module).read_text()
        if source.count(before) != 1:
            raise SystemExit(f"{name}: {module} has not exactly one place that reads\n{before}")
        line = source[: source.index(before)].count("\n") + 1
        lines = range(line, line + before.count("\n") + 1)
        tests = [test for each in lines for test in reach.tests(module, each)]
        yield Fault(module, line, name, source.replace(before, after), _bounded(tests))


def _sampled(reach: Reach, args: argparse.Namespace) -> list[Fault]:
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "src").rglob("*.py"))
    found = [
        (module, mutation)
        for module in files
        if any(fnmatch.fnmatch(str(module), pattern) for pattern in DECIDING)
        and fnmatch.fnmatch(str(module), args.module)
        for mutation in mutations((ROOT / module).read_text())
    ]
    if args.sample and args.sample < len(found):
        found = random.Random(args.seed).sample(found, args.sample)
    return [
        Fault(
            module,
            mutation.line,
            mutation.what,
            mutation.source,
            _bounded(reach.tests(module, mutation.line)),
        )
        for module, mutation in found
    ]


def _bounded(tests: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tests))[:_MOST_TESTS]


def _summary(chosen: list[Fault], lived: list[Fault], seconds: float) -> None:
    all_of = Counter(str(fault.module.parent) for fault in chosen)
    lived_of = Counter(str(fault.module.parent) for fault in lived)
    for place in sorted(all_of):
        dead = all_of[place] - lived_of[place]
        print(f"{place}: {dead} of {all_of[place]} noticed")
    total = len(chosen) - len(lived)
    print(f"{total} of {len(chosen)} faults noticed, in {seconds:.0f} s")


if __name__ == "__main__":
    raise SystemExit(main())
