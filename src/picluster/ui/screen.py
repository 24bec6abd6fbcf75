"""Text for people: as it is into pipes and files; folded and coloured on a terminal."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from typing import TextIO

_HANGING = 2
_RED, _GREEN, _YELLOW, _BLUE = 31, 32, 33, 34
_MARKS = {"✓": _GREEN, "!": _YELLOW, "✗": _RED, "~": _BLUE, "+": _GREEN, "-": _RED}
# A mark before a sentence, or the first letter of a line of a difference.
_MARK = re.compile(r"^(\s*)([✓!✗~](?= )|[+-](?=\S))", re.MULTILINE)
_NOTE = re.compile(r"^(NOTE: .*(?:\n  .*)*)", re.MULTILINE)


def show(text: str, stream: TextIO) -> None:
    """Write a text, which ends with its own line end."""
    if stream.isatty():
        text = fold(text, shutil.get_terminal_size().columns)
        text = coloured(text) if may_draw(stream) else text
    stream.write(text)
    stream.flush()


def may_draw(stream: TextIO) -> bool:
    """Whether the stream is a terminal, and nobody asked for plain text."""
    quiet = os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not quiet


def fold(text: str, width: int) -> str:
    """Return the text with each line that is too long for the width continued below, indented.

    A word is never cut, even one that is longer than the width: paths have to stay copyable.
    """
    return "\n".join(_folded(line, width) for line in text.split("\n"))


def coloured(text: str) -> str:
    """Return the text with its marks in the colours that everybody knows, and notes set off."""
    text = _MARK.sub(lambda found: found[1] + _in(_MARKS[found[2]], found[2]), text)
    return _NOTE.sub(lambda found: _in(_YELLOW, found[1]), text)


def _in(colour: int, text: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"


def _folded(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = len(line) - len(line.lstrip()) + _HANGING
    folded = textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * min(indent, width // 2),
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        expand_tabs=False,
    )
    return "\n".join(folded)
