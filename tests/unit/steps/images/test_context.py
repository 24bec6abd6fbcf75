"""The files of a context: what identifies them, and what is sent."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from picluster.errors import UsageError
from picluster.steps.images.context import Context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A Dockerfile, a file, a program, a link, and something that is ignored."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("content")
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "link").symlink_to("data/file")
    (tmp_path / ".dockerignore").write_text("secret\n.git\n")
    (tmp_path / "secret").write_text("hush")
    return Context(tmp_path, "Dockerfile")


def test_what_is_ignored_is_neither_counted_nor_sent(context: Context, tmp_path: Path) -> None:
    before = context.digest()
    (context.directory / "secret").write_text("other")
    assert context.digest() == before
    packed = tmp_path.parent / "packed.tar.gz"
    context.archive(packed)
    with tarfile.open(packed) as tar:
        assert "secret" not in tar.getnames()
        assert {"Dockerfile", "data/file", "link"} <= set(tar.getnames())
        assert {entry.mtime for entry in tar.getmembers()} == {0}


def test_a_dockerignore_in_another_encoding_is_read_as_far_as_it_goes(
    context: Context, tmp_path: Path
) -> None:
    before = context.digest()
    (tmp_path / ".dockerignore").write_bytes("größe\nnotes.txt\n".encode("latin-1"))
    (tmp_path / "notes.txt").write_text("of no matter")
    first = context.digest()
    (tmp_path / "notes.txt").write_text("of none at all")
    assert context.digest() == first != before


def test_what_is_sent_tells_programs_and_links_and_no_more(
    context: Context, tmp_path: Path
) -> None:
    (context.directory / "run.sh").chmod(0o711)
    (context.directory / "data/file").chmod(0o600)
    (context.directory / ".dockerignore").write_text("#run.sh\n\nsecret\n.git\n")
    os.mkfifo(context.directory / "pipe")
    packed = tmp_path.parent / "packed.tar.gz"
    context.archive(packed)
    with tarfile.open(packed) as tar:
        sent = {each.name: (each.mode, each.linkname, each.uid) for each in tar.getmembers()}
    assert sent == {
        "Dockerfile": (0o644, "", 0),
        "data": (0o755, "", 0),
        "data/file": (0o644, "", 0),
        "link": (0o755, "data/file", 0),
        "run.sh": (0o755, "", 0),
    }


def touch(directory: Path) -> None:
    (directory / "run.sh").touch()


@pytest.mark.parametrize(
    "edit",
    [
        lambda directory: (directory / "data/file").write_text("other"),
        lambda directory: (directory / "run.sh").chmod(0o755),
        lambda directory: (directory / "new").write_text(""),
        lambda directory: (directory / "link").rename(directory / "renamed"),
        lambda directory: (
            (directory / "link").unlink(),
            (directory / "link").symlink_to("run.sh"),
        ),
        lambda directory: (directory / "data/file").rename(directory / "data/renamed"),
    ],
)
def test_a_change_that_matters_is_another_digest(
    context: Context, edit: Callable[[Path], object]
) -> None:
    before = context.digest()
    edit(context.directory)
    assert context.digest() != before


def test_a_pipe_is_not_waited_for_and_counts_no_more_than_it_is_sent(context: Context) -> None:
    before = context.digest()
    os.mkfifo(context.directory / "pipe")
    assert context.digest() == before


def test_a_touched_file_is_the_same(context: Context) -> None:
    before = context.digest()
    touch(context.directory)
    assert context.digest() == before


def test_a_missing_dockerfile_is_said_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Context(tmp_path, "docker/Dockerfile").text()
    assert "docker/Dockerfile" in caught.value.where
    assert caught.value.why == "No such file or directory"
    assert "images.build" in caught.value.fix
