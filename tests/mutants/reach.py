"""Which tests reach which line: measured once, then only what is new of the tests.

Kept in `.mutants/`, with the sources as they were: where lines have moved since, the reach moves
with them; a changed line has that of the lines which stood there.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

AT_IMPORT = ""
PLACE = "PICLUSTER_REACH"
"""The variable that names the directory which `tests.mutants.recording` writes to."""

_Lines = dict[str, dict[str, int]]
"""By test and module, the lines that it runs, a bit each."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The tests of each line."""

    lines: _Lines
    seconds: dict[str, float]
    root: Path = Path()

    def tests(
        self, module: Path, first: int, last: int, name: str = "", readers: int = 0
    ) -> list[str]:
        """Return the ids of the tests that run one of the lines: those beside the module first.

        Then the quick ones. Code that only runs at import has the tests of all of its module, first
        those that run one of the `readers`, a bit each, and those of its room whose file has the
        `name` in it; where no line runs later, as of mere data, those of its room.
        """
        wanted = ((1 << (last + 1)) - 1) & ~((1 << first) - 1)
        parts = module.with_suffix("").parts[2:]
        near = [f"tests/unit/{'/'.join(parts[:end])}" for end in range(len(parts), 0, -1)]
        found = (
            self._running(module, wanted)
            or self._running(module, -1)
            or [test for test in self.lines if test.startswith(tuple(near))]
        )
        files = {test.split("::")[0] for test in self.lines if test.startswith(tuple(near))}
        naming = tuple(f"{file}::" for file in files if name and self._has(file, name))
        named = [test for test in self.lines if naming and test.startswith(naming)]
        reading = {*self._running(module, readers), *named}

        def order(test: str) -> tuple[bool, int, float]:
            far = next((far for far, room in enumerate(near) if test.startswith(room)), len(near))
            return test not in reading, far, self.seconds.get(test, 0.0)

        return sorted({*found, *named}, key=order)

    def _has(self, file: str, name: str) -> bool:
        text = (self.root / file).read_text() if (self.root / file).exists() else ""
        return re.search(rf"\b{re.escape(name)}\b", text) is not None

    def at_import(self, module: Path, first: int, last: int) -> bool:
        """Whether one of the lines also runs when modules are imported or tests collected."""
        mask = self.lines.get(AT_IMPORT, {}).get(str(module), 0)
        return any(mask >> line & 1 for line in range(first, last + 1))

    def _running(self, module: Path, wanted: int) -> list[str]:
        name = str(module)
        return [
            test
            for test, of in self.lines.items()
            if test != AT_IMPORT and of.get(name, 0) & wanted
        ]


def measure(root: Path, jobs: int) -> Reach:
    """Run the unit tests that changed since the last time, and return what all of them reach."""
    kept = root / ".mutants" / "reach.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    sources = {str(path.relative_to(root)): path.read_text() for path in _all(root, "src")}
    files = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _all(root, "tests/unit")
    }
    before = known.get("files", {})
    new = [name for name, digest in files.items() if before.get(name) != digest]
    lines = moved(known.get("lines", {}), known.get("sources", {}), sources)
    lines = {test: of for test, of in lines.items() if _still(test, files, new)}
    seconds = {test: took for test, took in known.get("seconds", {}).items() if test in lines}
    fresh = [name for name in new if _reaches_picluster(name)]
    if fresh:
        for broken in _run(root, fresh, jobs, lines, seconds):
            files.pop(broken.split("::", maxsplit=1)[0], None)  # measured again next time
    kept.parent.mkdir(exist_ok=True)
    written = {test: {file: hex(mask) for file, mask in of.items()} for test, of in lines.items()}
    kept.write_text(
        json.dumps({"sources": sources, "files": files, "lines": written, "seconds": seconds})
    )
    return Reach(lines, seconds, root)


def _all(root: Path, below: str) -> list[Path]:
    return sorted((root / below).rglob("*.py"))


def _reaches_picluster(file: str) -> bool:
    """Whether a file holds tests of picluster; those of the stand-in are slow and reach none."""
    return Path(file).name.startswith("test_") and not file.startswith("tests/unit/doubles/")


def _still(test: str, files: dict[str, str], new: list[str]) -> bool:
    file = test.split("::", maxsplit=1)[0]
    return test == AT_IMPORT or (file in files and file not in new)


def _run(
    root: Path, files: list[str], jobs: int, lines: _Lines, seconds: dict[str, float]
) -> list[str]:
    """Add what the tests of some files reach; return those that fail, which reach nothing."""
    print(f"measuring what {len(files)} files of tests reach", flush=True)
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "tests.mutants.recording", *(["-n", str(jobs)] if jobs > 1 else [])]
        paths = os.pathsep.join(map(str, (root / "src", root)))
        environment = {**os.environ, PLACE: place, "PYTHONPATH": paths}
        done = subprocess.run([*command, *files], cwd=root, check=False, env=environment)
        if done.returncode not in (0, 1):
            raise SystemExit("the unit tests cannot be run: mend them first")
        for part in Path(place).glob("*.json"):
            found = json.loads(part.read_text())
            failed += found["failed"]
            seconds |= found["seconds"]
            for test, of in found["lines"].items():
                into = lines.setdefault(test, {})
                for file, mask in of.items():
                    into[file] = into.get(file, 0) | int(mask, 16)
    for test in failed:
        print(f"fails without any fault, and so shows none: {test}")
        lines.pop(test, None)
    return failed


def moved(lines: dict[str, dict[str, str]], old: dict[str, str], new: dict[str, str]) -> _Lines:
    """Return the reach in terms of the sources as they are now."""
    plans = {
        name: _opcodes(text, new[name])
        for name, text in old.items()
        if name in new and new[name] != text
    }
    return {
        test: {
            name: _shifted(int(mask, 16), plans.get(name))
            for name, mask in of.items()
            if name in new
        }
        for test, of in lines.items()
    }


_Block = tuple[int, int, int, int]


def _opcodes(old: str, new: str) -> list[tuple[bool, _Block]]:
    matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
    return [(tag == "equal", block) for tag, *block in matcher.get_opcodes()]  # type: ignore[misc]


def _shifted(mask: int, plan: list[tuple[bool, _Block]] | None) -> int:
    if plan is None:
        return mask
    moved = 0
    for same, (old, old_end, new, new_end) in plan:
        bits = mask >> (old + 1) & ((1 << (old_end - old)) - 1)
        if not same:
            before = mask >> old & 1 and mask >> (old_end + 1) & 1  # put between lines that ran
            bits = (1 << (new_end - new)) - 1 if bits or before else 0
        moved |= bits << (new + 1)
    return moved
