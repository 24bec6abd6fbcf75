"""Which tests reach which line: measured once with coverage, kept until the tree changes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

_KEPT = Path(".mutants")


@dataclass(frozen=True, slots=True)
class Reach:
    """The tests of each line."""

    data: CoverageData
    root: Path

    def tests(self, module: Path, line: int) -> list[str]:
        """Return the pytest ids of the tests that run a line, those beside the module first.

        Code that runs when the module is imported belongs to no test: all of the module's count.
        """
        contexts = self.data.contexts_by_lineno(str((self.root / module).resolve()))
        found = {name for name in contexts.get(line, ()) if name}
        if not found:
            found = {name for names in contexts.values() for name in names if name}
        near = ".".join(("tests", "unit", *module.with_suffix("").parts[2:-1]))
        ordered = sorted(found, key=lambda name: (not name.startswith(near), name))
        return [each for name in ordered if (each := _node_id(self.root, name))]


def measure(root: Path, tests: Sequence[str]) -> Reach:
    """Run the unit tests under coverage, unless this very tree was measured before."""
    file = root / _KEPT / f"reach-{_digest(root)}"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        config = root / _KEPT / "coveragerc"
        config.write_text("[run]\nsource = src/picluster\ndynamic_context = test_function\n")
        command = [sys.executable, "-m", "coverage", "run", f"--rcfile={config}"]
        command += [f"--data-file={file}.part", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        print("measuring which test reaches which line (some minutes)", flush=True)
        done = subprocess.run([*command, *tests], cwd=root, check=False)
        if done.returncode != 0:
            raise SystemExit("the unit tests fail without any fault: mend them first")
        Path(f"{file}.part").rename(file)
    data = CoverageData(str(file))
    data.read()
    return Reach(data, root)


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    for path in _sources(root):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sources(root: Path) -> Iterable[Path]:
    return sorted([*root.glob("src/**/*.py"), *root.glob("tests/unit/**/*.py")])


def _node_id(root: Path, context: str) -> str:
    """Turn `tests.unit.test_x.TestY.test_z` into `tests/unit/test_x.py::TestY::test_z`."""
    parts = context.split(".")
    for end in range(len(parts) - 1, 0, -1):
        file = Path(*parts[:end]).with_suffix(".py")
        if (root / file).is_file():
            return "::".join([str(file), *parts[end:]])
    return ""
