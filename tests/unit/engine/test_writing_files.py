"""A file is written on a node whole or not at all, even if the power goes meanwhile."""

from __future__ import annotations

from pathlib import Path

from tests.doubles.tool_doubles import run_with

from picluster.engine.script import write_file_snippet
from picluster.engine.step import WriteFile


def written(tmp_path: Path, file: WriteFile, **doubles: str) -> list[str]:
    """Write a file with doubles of what touches the disk; return the order in which they ran."""
    calls = tmp_path / "calls"
    noted = {
        name: f'echo {name} >>{calls}; exec /bin/{name} "$@"' for name in ("sync", "mv", "chmod")
    }
    done = run_with(tmp_path / "tools", write_file_snippet(file), **noted, chown="", **doubles)
    assert done.returncode == 0, done.stderr
    return calls.read_text().split()


def test_the_content_is_on_the_disk_with_its_mode_before_it_takes_its_place(
    tmp_path: Path,
) -> None:
    target = tmp_path / "etc" / "config.yaml"
    order = written(tmp_path, WriteFile(str(target), "a: 1\n", 0o600))
    assert order == ["chmod", "sync", "mv"]
    assert target.read_text() == "a: 1\n"
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_was_there_is_kept_once_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    target = tmp_path / "hosts"
    target.write_text("the first")
    for content in ("the second", "the third"):
        written(tmp_path, WriteFile(str(target), content, backup=True))
    assert target.read_text() == "the third"
    assert (tmp_path / "hosts.picluster-backup").read_text() == "the first"
    left = {path.name for path in tmp_path.iterdir()} - {"calls", "tools"}
    assert left == {"hosts", "hosts.picluster-backup"}
