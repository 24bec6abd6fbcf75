"""Building the web interface from its source: what happens where upstream's lock file is stale."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from picluster.apps.opentakserver.web import source_files
from picluster.steps.images.log import BuildLog

YARN = """\
#!/bin/sh
# A double of node with yarn: refuses `--immutable` with what is in `refusal`, and notes its words.
shift
echo "$*" >>calls
case " $* " in *" --immutable "*) [ ! -s refusal ] || { cat refusal; exit 1; };; esac
echo "➤ YN0000: · Done in 1s"
"""
STALE = "➤ YN0028: │ The lockfile would have been modified by this install, which is forbidden.\n"
AWAY = "➤ YN0001: │ RequestError: getaddrinfo ENOTFOUND registry.example\n"


def install(place: Path, refusal: str) -> tuple[int, list[str], str]:
    """Run install.sh; return its status, how yarn was called, and what was said."""
    (place / ".yarn/releases").mkdir(parents=True)
    (place / ".yarn/releases/yarn-4.12.0.cjs").touch()
    (place / "refusal").write_text(refusal)
    (place / "node").write_text(YARN)
    (place / "node").chmod(0o755)
    (place / "install.sh").write_text(source_files()["install.sh"])
    done = subprocess.run(
        ["sh", "install.sh"],
        cwd=place,
        env={**os.environ, "PATH": f"{place}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (place / "calls").read_text().splitlines(), done.stdout


def notes(said: str) -> list[str]:
    """Return what a build in which this is said tells the user, as BuildKit shows it."""
    log, found = BuildLog(), []
    for line in said.splitlines():
        log.feed(f"#9 12.34 {line}")
        found += [log.note] if log.note not in ("", *found) else []
    return found


def test_the_lock_file_is_kept_to_where_it_is_whole(tmp_path: Path) -> None:
    status, calls, said = install(tmp_path, "")
    assert (status, calls) == (0, ["install --immutable"])
    assert notes(said) == []


def test_a_stale_lock_file_is_left_and_the_user_is_told(tmp_path: Path) -> None:
    status, calls, said = install(tmp_path, STALE)
    assert (status, calls) == (0, ["install --immutable", "install --no-immutable"])
    assert "the lock file of this source is stale" in notes(said)[0]
    assert "YN0028" in said, "yarn's own words are not swallowed"


def test_another_refusal_is_not_answered_by_leaving_the_lock_file(tmp_path: Path) -> None:
    status, calls, said = install(tmp_path, AWAY)
    assert (status, calls) == (1, ["install --immutable"])
    assert "ENOTFOUND" in said
    assert notes(said) == []


@pytest.mark.parametrize("line", ["picluster: a", "#12 0.3 picluster: a"])
def test_a_note_is_known_by_its_beginning(line: str) -> None:
    log = BuildLog()
    log.feed(line)
    assert log.note == "a"
    log.feed("#13 [4/5] RUN echo picluster: b")
    assert log.note == "a"
