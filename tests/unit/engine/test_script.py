"""Framing: many snippets travel as one script, and none can disturb another's result."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.forks import forks_of

from picluster.engine.quote import quote
from picluster.engine.script import (
    Ended,
    FrameReader,
    compile_actions,
    compile_probes,
    new_marker,
    split_output,
    write_file_snippet,
)
from picluster.engine.shell import shared
from picluster.engine.step import Observation, WriteFile
from picluster.errors import Unreadable
from picluster.secret import Secret

SHELLS = [shell for shell in ("dash", "bash") if Path(f"/bin/{shell}").exists()]


def run_shell(script: str, shell: str = "sh") -> tuple[bytes, bytes]:
    done = subprocess.run([shell, "-c", script], capture_output=True, check=False, timeout=20)
    return done.stdout, done.stderr


def look(*snippets: str, shell: str = "sh") -> list[Observation]:
    marker = new_marker()
    out, err = run_shell(compile_probes(snippets, marker), shell)
    return split_output(out, err, marker, len(snippets))


@pytest.mark.parametrize("shell", SHELLS)
def test_each_snippet_keeps_its_own_output_and_status(shell: str) -> None:
    seen = look("echo one", "echo two; echo oops >&2; exit 3", "true", shell=shell)
    assert seen == [
        Observation(0, "one"),
        Observation(3, "two", "oops"),
        Observation(0, ""),
    ]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "disturbance",
    [
        "exit 7",
        "true && exit 7",
        "cd /; umask 777",
        "if then fi (",
        "unset PATH",
        "PATH=/nowhere",
        "cat",
        "exec false",
        "kill -9 $$x",
        "IFS=o",
        "set -e; false",
        "return 3",
        ". /nowhere",
        "echo $((1 +))",
        "set -- x; shift; eval 'exit 1'",
        "trap 'exit 3' EXIT",
    ],
)
def test_a_misbehaving_snippet_leaves_the_next_one_alone(disturbance: str, shell: str) -> None:
    *_, last = look(disturbance, "pwd; umask; echo $PATH", shell=shell)
    *_, alone = look("pwd; umask; echo $PATH", shell=shell)
    assert last == alone, f"{disturbance!r} changed what the next snippet saw"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_snippet_may_return_what_it_ends_with(shell: str) -> None:
    seen = look("echo one; return 3; echo two", "(exit 4) || return; echo two", shell=shell)
    assert seen == [Observation(3, "one"), Observation(4)]


def test_snippets_that_only_look_share_a_shell() -> None:
    assert forks_of(compile_probes(["echo one"] * 9, new_marker())) == 0
    assert forks_of(compile_probes(["echo one", "exit 0"] * 9, new_marker())) == 9


def test_what_snippets_share_is_said_once() -> None:
    lib = shared("picluster.facts", "uname")
    seen = look(f"echo a\n{lib}echo $host", f"echo a\n{lib}echo $host", f"exit 3\n{lib}", lib)
    assert [each.out for each in seen] == [f"a\n{os.uname().nodename}"] * 2 + ["", ""]
    assert compile_probes([f"{lib}echo $host"] * 9, new_marker()).count("uname -nr") == 1
    assert compile_probes([f"{lib}exit 0", f"{lib}:", lib], new_marker()).count("uname -nr") == 2


@pytest.mark.parametrize("text", ["no line end", "one\n", "\n\nblank lines\n\n", "", "\n"])
def test_output_comes_back_as_it_was_printed(text: str) -> None:
    (seen,) = look(f"printf %s {quote(text)}")
    assert seen.out == text.removesuffix("\n")


def test_a_cut_stream_is_not_taken_for_a_result() -> None:
    marker = new_marker()
    out, err = run_shell(compile_probes(["echo one", "echo two"], marker))
    with pytest.raises(Unreadable, match="part 2 of 2"):
        split_output(out[: out.index(b"two")], err, marker, 2)


def test_actions_stop_at_the_first_that_fails(tmp_path: Path) -> None:
    marker, touched = new_marker(), tmp_path / "touched"
    out, _ = run_shell(compile_actions(["true", "false; true", f"touch {touched}"], marker))
    ends = [item for item in FrameReader(marker).feed(out) if isinstance(item, Ended)]
    assert ends == [Ended(0, 0), Ended(1, 1)]
    assert not touched.exists(), "an action ran after a failed one"


@given(chunks=st.lists(st.integers(min_value=1, max_value=40), min_size=1))
@settings(max_examples=50, deadline=None)
def test_where_the_stream_is_cut_into_packets_does_not_matter(chunks: list[int]) -> None:
    marker = "picluster-0123456789abcdef"
    stream = f"a\n\nb\n\n{marker} 0 0\n\n{marker} 1 4\nlast\n\n{marker} 2 0\n".encode()
    whole = list(FrameReader(marker).feed(stream))
    reader, items, position = FrameReader(marker), [], 0
    for size in [*chunks, len(stream)]:
        items += list(reader.feed(stream[position : position + size]))
        position += size
    assert items == whole


@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
)
@settings(max_examples=60, deadline=None)
def test_any_value_is_one_harmless_word_for_the_shell(text: str) -> None:
    out, err = run_shell(f"printf %s {quote(text)}")
    assert out == text.encode()
    assert err == b""


def test_a_nul_is_refused_rather_than_cut() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")


class TestWritingAFile:
    owner = f"{os.getuid()}:{os.getgid()}"

    def write(self, file: WriteFile) -> None:
        out, err = run_shell(f"set -e; {write_file_snippet(file)}")
        assert (out, err) == (b"", b"")

    def test_it_has_content_mode_and_nothing_is_left_beside_it(self, tmp_path: Path) -> None:
        path = tmp_path / "new dir" / "file 'quoted'"
        self.write(WriteFile(str(path), "line\n$HOME `x`\nno end", 0o640, self.owner))
        assert path.read_text() == "line\n$HOME `x`\nno end"
        assert path.stat().st_mode & 0o777 == 0o640
        assert list(path.parent.iterdir()) == [path]

    def test_the_first_backup_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("the user's")
        for content in ("first", "second"):
            self.write(WriteFile(str(path), content, 0o644, self.owner, backup=True))
        assert path.read_text() == "second"
        assert (tmp_path / "file.picluster-backup").read_text() == "the user's"

    def test_a_failure_leaves_the_old_file_and_no_temporary(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("old")
        snippet = write_file_snippet(WriteFile(str(path), "new", 0o644, "no-such-user:nobody"))
        _, err = run_shell(f"set -e; {snippet}")
        assert b"invalid user" in err
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_secret_is_written_and_in_no_argument(self, tmp_path: Path) -> None:
        path = tmp_path / "token"
        file = WriteFile(str(path), Secret("hunter2-hunter2"), 0o600, self.owner)
        assert "hunter2" not in repr(file)
        self.write(file)
        assert path.read_text() == "hunter2-hunter2"


FRAMES_OF_NO_SCRIPT = ["²", "0", "0 0 0", "--5 0", "0 0\r", "0 -1", "0 " + "9" * 5000, "1 0", "٣ 0"]


@pytest.mark.parametrize("said", FRAMES_OF_NO_SCRIPT, ids=lambda said: ascii(said[:8]))
def test_a_frame_that_is_none_is_unreadable_and_nothing_worse(said: str) -> None:
    with pytest.raises(Unreadable, match="the end of part 1"):
        split_output(f"hello\nmark {said}\n".encode(), b"", "mark", 1)


@given(st.binary(max_size=60))
def test_whatever_a_node_prints_there_is_one_way_in_which_it_is_refused(noise: bytes) -> None:
    with contextlib.suppress(Unreadable):
        list(FrameReader("mark").feed(b"mark " + noise + b"\n" + noise + b"\n"))


def test_half_a_frame_or_one_of_another_script_ends_nothing() -> None:
    items = list(FrameReader("mark").feed(b"picluster-00 0 0\nmar\nmark 0"))
    assert items == ["picluster-00 0 0", "mar"]
