"""What a bad node does, each as a function of the call that it gets."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.doubles.ssh_node import Call, well

_FRAME = re.compile(r"\n(picluster-[0-9a-f]{16}) ([0-9]+) ([0-9]+)\n")
_BLOCK = b"spam and more spam\n" * 800


def endless(call: Call) -> None:
    """Print for ever."""
    call.begin()
    while True:
        call.say(_BLOCK)


def endless_line(call: Call) -> None:
    """Print for ever, and never end the line, on standard error."""
    call.begin()
    while True:
        call.moan(b"spam" * 4000)


def endless_greeting(call: Call) -> None:
    """Never come to the script: the login's shell prints for ever."""
    while True:
        call.say(_BLOCK)


def silent(call: Call) -> None:
    """Say nothing at all."""
    call.hang()


def half_then_silent(call: Call) -> None:
    """Stop in the middle of the answer."""
    call.begin()
    call.say(_half(call) + "\npicluster-0123")
    call.hang()


def half(call: Call) -> None:
    """End in the middle of the answer, as well as if it were whole."""
    call.answer(_half(call))


def dropped(call: Call) -> None:
    """Lose the connection in the middle of the answer."""
    call.begin()
    call.say(_half(call))
    call.drop()


def _half(call: Call) -> str:
    return call.out[: len(call.out) // 2]


def other_frames(change: Callable[[str, str, str], str]) -> Callable[[Call], None]:
    """Send ends of parts as a function makes them, of marker, number and status."""

    def play(call: Call) -> None:
        changed = _FRAME.sub(lambda found: f"\n{change(*found.groups())}\n", call.out)
        call.answer(changed, call.err)

    return play


def other_words(change: Callable[[str], str | bytes]) -> Callable[[Call], None]:
    """Send right ends, and what is between them changed."""

    def play(call: Call) -> None:
        out, last = b"", 0
        for frame in _FRAME.finditer(call.out):
            out += _bytes(change(call.out[last : frame.start()])) + frame[0].encode()
            last = frame.end()
        call.answer(out + _bytes(change(call.out[last:])), call.err)

    return play


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def greeting(call: Call) -> None:
    """Greet, as a `.bashrc` with echo does, on both streams; then do well."""
    call.say("Welcome to pi3\nhave=installed x\nheld\n")
    call.moan("warning: setlocale: LC_ALL\n")
    well(call)


def full_disk(call: Call) -> None:
    """Answer questions, and fail at every change."""
    if not call.changes:
        well(call)
        return
    marker = re.search(r"picluster-[0-9a-f]{16}", call.script)
    assert marker is not None
    said = "mktemp: failed to create file: No space left on device\n"
    call.answer(f"\n{marker[0]} 0 1\n", f"{said}\n{marker[0]} 0 1\n")


def sudo_says(words: str, status: int = 1) -> Callable[[Call], None]:
    """Have sudo say this, and not let the script begin."""

    def play(call: Call) -> None:
        call.moan(words)
        call.end(status)

    return play


def sudo_that_asks(words: str) -> Callable[[Call], None]:
    """Have sudo want a password, in these words, unless it was told one."""

    def play(call: Call) -> None:
        if " sudo -S " in call.command:
            well(call)
        else:
            sudo_says(words)(call)

    return play
