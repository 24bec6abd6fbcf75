"""`python -m tests.mutants`: try faults, print who survives, fail if too many do."""

from __future__ import annotations

import argparse
import fnmatch
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutants.fault import Fault, Outcome
from tests.mutants.named import NAMED
from tests.mutants.operators import Mutation, mutations
from tests.mutants.reach import Reach, measure
from tests.mutants.trial import cold, load_heavy, tried
from tests.mutants.warm import tried_warm

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
    "src/picluster/site.py",
)
"""What decides; the rest talks, draws or reads files."""

_MOST_SECONDS = 30.0
"""Of the tests that reach a line, those are run that take so long together: the nearest first."""


def main() -> int:
    """Parse the command line, try the faults, print the survivors; return the exit code."""
    args = _arguments()
    reach = measure(ROOT, args.jobs)
    began, lived, invalid = time.monotonic(), list[Fault](), list[Fault]()
    chosen = list(_named(reach)) if args.named else _sampled(reach, args)
    for number, (fault, outcome) in enumerate(_tried(chosen, args.jobs), 1):
        if outcome is Outcome.INVALID:
            invalid.append(fault)
        elif outcome is Outcome.SURVIVED:
            lived.append(fault)
            print(f"SURVIVED  {fault}", flush=True)
        if number % 50 == 0:
            print(f"... {number} of {len(chosen)}, {len(lived)} survived", flush=True)
    valid = [fault for fault in chosen if fault not in invalid]
    _summary(valid, lived, time.monotonic() - began)
    named = [fault for fault in lived if fault.what in NAMED]
    ordinary = [fault for fault in valid if fault.what not in NAMED]
    dead = 100 - 100 * (len(lived) - len(named)) / max(1, len(ordinary))
    print(f"{dead:.0f} of 100 of those without a name, {len(invalid)} could not be imported")
    return 1 if named or dead < args.at_least else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--named", action="store_true", help="only the faults that have a name")
    parser.add_argument(
        "--module", action="append", metavar="GLOB[:LINE]", help="only there; may be repeated"
    )
    parser.add_argument("--sample", type=int, default=300, metavar="N", help="how many; 0 is all")
    parser.add_argument("--seed", type=int, default=1, help="which ones, when not all")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--at-least", type=float, default=85.0, help="percent that have to die")
    return parser.parse_args()


def _tried(faults: Sequence[Fault], jobs: int) -> Iterator[tuple[Fault, Outcome]]:
    """Try faults the fast way, and those again for which it says nothing."""
    load_heavy()
    left = list[Fault]()
    files = sorted({test.split("::")[0] for fault in faults for test in fault.tests})
    for fault, outcome in tried_warm(faults, ROOT, files, jobs):
        if outcome is Outcome.COLD:
            left.append(fault)
        else:
            yield fault, outcome
    yield from tried(left, cold(ROOT), jobs)


def _named(reach: Reach) -> Iterator[Fault]:
    """Return the named faults. Raises `SystemExit` for one whose place is gone."""
    for name, (file, before, after) in NAMED.items():
        module = Path("src/picluster") / file
        source = (ROOT / module).read_text()
        if source.count(before) != 1:
            raise SystemExit(f"{name}: {module} has not exactly one place that reads\n{before}")
        first = source[: source.index(before)].count("\n") + 1
        last = first + before.count("\n")
        few = _few(reach, reach.tests(module, first, last))
        at_import = reach.at_import(module, first, last)
        yield Fault(module, first, name, source.replace(before, after), *few, at_import)


def _sampled(reach: Reach, args: argparse.Namespace) -> list[Fault]:
    found = [
        (module, mutation)
        for module in _modules()
        for mutation in mutations((ROOT / module).read_text())
        if _wanted(f"{module}:{mutation.line}", args.module or ["*"])
    ]
    if args.sample and args.sample < len(found):
        found = random.Random(args.seed).sample(found, args.sample)
    return [_ordinary(reach, module, each) for module, each in found]


def _ordinary(reach: Reach, module: Path, it: Mutation) -> Fault:
    tests = reach.tests(module, *it.lines, it.name, it.readers)
    at_import = reach.at_import(module, *it.lines)
    return Fault(module, it.line, it.what, it.source, *_few(reach, tests), at_import)


def _modules() -> list[Path]:
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "src").rglob("*.py"))
    return [
        module
        for module in files
        if any(fnmatch.fnmatch(str(module), pattern) for pattern in DECIDING)
    ]


def _wanted(place: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatch(place, f"*{pattern}" if ":" in pattern else f"*{pattern}:*")
        for pattern in patterns
    )


def _few(reach: Reach, tests: Sequence[str]) -> tuple[tuple[str, ...], float]:
    """Return the first of the tests, as many as fit into the time, and how long they take."""
    few, seconds = list[str](), 0.0
    for test in tests:
        few.append(test)
        seconds += reach.seconds.get(test, 0.0)
        if seconds > _MOST_SECONDS:
            break
    return tuple(few), seconds


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
