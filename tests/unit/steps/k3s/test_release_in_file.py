"""The cluster file comes to name the release that an upgrade goes to, and keeps all else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.steps.acting import HERE
from tests.unit.steps.looking import decide_from

from picluster.engine.step import Blocked, Change, Satisfied
from picluster.errors import ActionFailed
from picluster.steps.k3s.release_in_file import ReleaseInFile, WriteClusterFile

TEXT = "name: home  # ours\nk3s: {version: v1.36.4+k3s1}\n"
TO = "v1.37.1+k3s1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a cluster file that only its owner may read."""
    file = tmp_path / "cluster.yaml"
    file.write_text(TEXT)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("text", [TEXT.replace("v1.36.4+k3s1", TO), "name: home\n", ""])
def test_a_file_that_says_so_or_leaves_it_open_stays(file: Path, text: str) -> None:
    step = ReleaseInFile(file, TO)
    assert decide_from(step, text) == Satisfied()


@pytest.mark.parametrize("text", ["k3s: {version: v1", "\t- x", "k3s: *x\n", "[" * 5000, "a: \0"])
def test_a_file_that_was_broken_meanwhile_is_not_written_over(file: Path, text: str) -> None:
    decision = decide_from(ReleaseInFile(file, TO), text)
    assert isinstance(decision, Blocked)
    assert "has been changed meanwhile" in decision.reason


def test_another_release_is_written_and_it_is_said_how_to_go_on(file: Path) -> None:
    decision = decide_from(ReleaseInFile(file, TO), TEXT)
    assert decision == Change(
        f"write k3s.version {TO} into {file}; the former file is kept",
        (WriteClusterFile(file, TEXT.replace("v1.36.4+k3s1", TO)),),
        reason="the next `up` does what the file says; should the upgrade stop half way, "
        "`picluster upgrade` goes on",
    )


def test_the_file_stays_a_link_and_as_private_as_it_was(file: Path) -> None:
    real = file.rename(file.with_name("kept-elsewhere.yaml"))
    file.symlink_to(real)
    WriteClusterFile(file, "new").perform(HERE)
    assert file.is_symlink()
    modes = {each.name: each.stat().st_mode & 0o777 for each in file.parent.glob("kept-*")}
    former = real.with_name(f"{real.name}.before-picluster")
    assert modes == {real.name: 0o600, former.name: 0o600}
    assert (real.read_text(), former.read_text()) == ("new", TEXT)


def test_a_file_that_cannot_be_written_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("picluster.local_files.create", refuse)
    with pytest.raises(ActionFailed, match="cannot be written"):
        WriteClusterFile(file, "new").perform(HERE)
