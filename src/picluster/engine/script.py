"""Many shell snippets as one script, and one stream of output as many results. Pure.

Every snippet runs inside `eval`, so that a syntax error in one cannot touch the others. After each,
a line with a random marker, the snippet's number and its status goes to both streams; that is where
the output is cut.

A probe that may end or change the shell that it runs in, by an `exit` or a `cd`, gets one of its
own. The others share one, in which a process is saved for each, and what one has found out is there
for the next (`facts/shell/units.sh`).
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from picluster.engine.lines import LineCutter
from picluster.engine.quote import quote
from picluster.engine.shell import shell, without_shared
from picluster.engine.step import Observation, Run, WriteFile
from picluster.errors import Unreadable
from picluster.secret import Secret

_FRAME = re.compile(r"([0-9]{1,6}) ([0-9]{1,3})")
_QUOTED = 120
_CHANGES_ITS_SHELL = re.compile(
    r"\b(exit|exec|cd|trap|umask|export|unset|readonly|ulimit|set -[A-Za-z]+|set \+[a-z]+)\b"
    r"|(^|[;&|({]\s*)\. |\b(PATH|HOME|LC_ALL)=",
    re.MULTILINE,
)
"""It may find more than there is: a word of a program's counts too, and costs one process."""


def new_marker() -> str:
    """Return a word that no output contains by accident (64 random bits)."""
    return f"picluster-{secrets.token_hex(8)}"


def compile_probes(snippets: Sequence[str], marker: str) -> str:
    """Return a script that runs every snippet, whatever became of the ones before.

    Each is the body of a function: `return` ends it.
    """
    # An error within a special builtin would end the shell, and `command` makes `eval` none
    # (POSIX, XCU 2.8.1 and `command`).
    ask = '_ask() { unset IFS; command eval "$1"; }\n'
    said: set[str] = set()
    asked = (_asked(number, snippet, said) for number, snippet in enumerate(snippets))
    return _frame_function(marker) + ask + "".join(asked)


def _asked(number: int, snippet: str, said: set[str]) -> str:
    """Return what asks one of them; `said` is what the shell that they share has been told."""
    text, told = without_shared(snippet, said)
    ask = f"_ask {quote(text)}"
    apart = _CHANGES_ITS_SHELL.search(text)
    if not apart:
        said.update(told)
    return f"{f'( {ask} )' if apart else ask} </dev/null; _frame {number} $?\n"


def compile_actions(snippets: Sequence[str], marker: str) -> str:
    """Return a script that runs the snippets with `set -e`, up to the first that fails."""
    return _frame_function(marker) + "".join(
        f"( set -e; eval {quote(snippet)} ) </dev/null; _status=$?; _frame {number} $_status\n"
        "[ $_status -eq 0 ] || exit 0\n"
        for number, snippet in enumerate(snippets)
    )


def _frame_function(marker: str) -> str:
    line = f'printf \'\\n%s %s %s\\n\' {marker} "$1" "$2"'
    return f"_frame() {{ {line}; {line} >&2; }}\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """A snippet is over."""

    number: int
    status: int


@dataclass(slots=True)
class FrameReader:
    """Cuts one stream, fed as it arrives, into the lines of each snippet and their ends."""

    marker: str
    number: int = 0
    _cutter: LineCutter = field(default_factory=LineCutter)
    _held_blank: bool = False

    def feed(self, data: bytes) -> Iterator[str | Ended]:
        """Yield each completed line, and an `Ended` where a snippet is over.

        Raises `Unreadable` where a frame is not as it was written.
        """
        for raw in self._cutter.feed(data):
            yield from self._line(raw.decode("utf-8", "replace"))

    def _line(self, line: str) -> Iterator[str | Ended]:
        # The frame begins with a line end of its own, in case the snippet printed none: the blank
        # line before a frame belongs to the frame.
        if line.startswith(self.marker + " "):
            self._held_blank = False
            ended = _read_frame(line.removeprefix(self.marker + " "), self.number)
            self.number = ended.number + 1
            yield ended
            return
        if self._held_blank:
            yield ""
        self._held_blank = line == ""
        if not self._held_blank:
            yield line


def _read_frame(said: str, number: int) -> Ended:
    """Read what follows the marker at the end of part `number`; parts end in their order."""
    frame = _FRAME.fullmatch(said)
    if frame is None or int(frame[1]) != number:
        raise Unreadable(f"the end of part {number + 1} of a script reads {said[:_QUOTED]!r}")
    return Ended(int(frame[1]), int(frame[2]))


@dataclass(slots=True)
class _Collected:
    status: int | None = None
    lines: list[str] = field(default_factory=list)


def split_output(out: bytes, err: bytes, marker: str, count: int) -> list[Observation]:
    """Return what each of `count` snippets printed and how it ended.

    Raises `Unreadable` when it stops before the last one ended: the script was cut short.
    """
    stdout, stderr = _collect(out, marker), _collect(err, marker)
    observations = []
    for number in range(count):
        seen = stdout.get(number)
        if seen is None or seen.status is None:
            raise Unreadable(f"it ends within part {number + 1} of {count}")
        printed_err = "\n".join(stderr.get(number, _Collected()).lines)
        observations.append(Observation(seen.status, "\n".join(seen.lines), printed_err))
    return observations


def _collect(stream: bytes, marker: str) -> dict[int, _Collected]:
    reader = FrameReader(marker)
    collected: dict[int, _Collected] = {}
    for item in reader.feed(stream):
        if isinstance(item, Ended):
            collected.setdefault(item.number, _Collected()).status = item.status
        else:
            collected.setdefault(reader.number, _Collected()).lines.append(item)
    return collected


def snippet_of(action: Run | WriteFile) -> str:
    """Return the shell text that performs the action."""
    return action.script if isinstance(action, Run) else write_file_snippet(action)


def write_file_snippet(file: WriteFile) -> str:
    """Return shell text that puts the file in place atomically, through a temporary beside it.

    The content is synced before the rename: without that, a power cut soon after can leave an
    empty file where a new name was created.
    """
    content = file.content.reveal() if isinstance(file.content, Secret) else file.content
    encoded = base64.encodebytes(content.encode()).decode()
    path, directory = quote(file.path), quote(str(PurePosixPath(file.path).parent))
    keep = (
        f"[ ! -e {path} ] || [ -e {path}.picluster-backup ] || cp -p {path} {path}.picluster-backup"
    )
    return "\n".join(
        [
            f"mkdir -p {directory}",
            f"tmp=$(mktemp {directory}/.picluster.XXXXXX)",
            "trap 'rm -f \"$tmp\"' EXIT",
            f"base64 -d >\"$tmp\" <<'PICLUSTER_EOF'\n{encoded}PICLUSTER_EOF",
            f'chown {quote(file.owner)} "$tmp"',
            f'chmod {file.mode:04o} "$tmp"',
            'sync "$tmp"',
            keep if file.backup else ":",
            f'mv -f "$tmp" {path}',
        ]
    )


def part_of(path: str, sha256: str) -> str:
    """Return where the content of that digest is while it arrives."""
    return str(PurePosixPath(path).with_name(f".picluster.{sha256[:16]}"))


def receiving_script(source: str, path: str, sha256: str, mode: int, owner: str) -> str:
    """Return a script that puts what `source` prints in place once it is verified.

    Raises `ValueError` for a digest that is none: whoever sends has to know what is right.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"{sha256!r} is not a SHA-256")
    script = shell(
        __package__,
        "receive",
        TARGET=path,
        DIRECTORY=PurePosixPath(path).parent,
        PART=part_of(path, sha256),
        SHA256=sha256,
        OWNER=owner,
        MODE=f"{mode:04o}",
    )
    return f"arriving() {{\n{source}\n}}\n{script}"
