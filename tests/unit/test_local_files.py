"""Files on this computer: whole, private from the first moment, and written by many at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.racing import THREADS, race
from tests.unit.steps.acting import HERE

from picluster import local_files
from picluster.local_files import create, replacing, write_keeping, write_private
from picluster.secret import Secret
from picluster.steps.local import KeepHere

ROUNDS = 20


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Nothing but the mode that is asked for keeps others out."""
    before = os.umask(0)
    yield
    os.umask(before)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_many_threads_may_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "token"
    texts = [f"token {number}\n" * 500 for number in range(THREADS)]
    for _ in range(ROUNDS):
        race(lambda number: write_private(path, texts[number]))
        assert path.read_text() in texts, "the file is a mixture"
    assert names_in(path.parent) == ["token"]


def test_what_many_threads_keep_is_there_for_each_when_it_goes_on(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        keep = KeepHere(tmp_path / f"token-{number}", Secret("the token\n"), "keeping it")

        def kept(_: int, keep: KeepHere = keep) -> str:
            keep.perform(HERE)
            return keep.path.read_text()

        assert set(race(kept)) == {"the token\n"}
    assert len(names_in(tmp_path)) == ROUNDS


def test_a_private_file_is_private_from_its_first_moment(tmp_path: Path, no_umask: None) -> None:
    path = tmp_path / "new" / "token"
    path.parent.mkdir(mode=0o700)
    with replacing(path) as file:
        (part,) = path.parent.iterdir()
        assert part.stat().st_mode & 0o777 == 0o600
        file.write(b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
    write_private(tmp_path / "made" / "token", "secret")
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_could_read_is_replaced_by_a_private_one(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_kept_of_a_replaced_file_is_never_wider_open(
    tmp_path: Path, no_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    path.chmod(0o600)
    modes: list[int] = []

    def watched(path: Path, mode: int = local_files.PRIVATE) -> object:
        file = create(path, mode)
        modes.append(path.stat().st_mode & 0o777)
        return file

    monkeypatch.setattr(local_files, "create", watched)
    kept = write_keeping(path, "new", mode=0o600)
    assert kept is not None
    assert (kept.read_text(), path.read_text()) == ("old", "new")
    assert modes == [0o600, 0o600]


def test_a_link_that_lies_in_wait_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    path = tmp_path / "report.html"
    path.write_text("old")
    (tmp_path / "report.html.before-picluster").symlink_to(precious)
    kept = write_keeping(path, "new")
    assert kept == tmp_path / "report.html.before-picluster-2"
    nowhere = tmp_path / "nowhere"
    (tmp_path / "link").symlink_to(nowhere)
    with pytest.raises(FileExistsError):
        create(tmp_path / "link")
    monkeypatch.setattr("secrets.token_hex", lambda size: "guessed")
    (tmp_path / ".token.guessed.part").symlink_to(precious)
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "token", "secret")
    assert (tmp_path / ".token.guessed.part").is_symlink(), "it was not ours to remove"
    assert precious.read_text() == "precious"
    assert not nowhere.exists()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as file:
            file.write(b"half of the ne")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["config"]
