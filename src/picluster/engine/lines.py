"""Lines of what nodes print: cut at `\\n` alone as they come, shown without control characters.

Unicode knows more line ends (U+0085, U+2028, U+2029), and so do Python's `splitlines` and its text
files: whoever asks them lets a node end our lines where it likes. Pure.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

_BREAKS = (0x2028, 0x2029)
# They turn the order of the characters after them around: what is read is not what is there.
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
# Halves of characters, which JSON may hold and no file and no terminal takes.
_HALVES = range(0xD800, 0xE000)
_NOT_SHOWN = [*range(0x20), *range(0x7F, 0xA0), *_BREAKS, *_BIDI, *_HALVES]
_CONTROL = dict.fromkeys(_NOT_SHOWN, "\ufffd") | {9: "\t", 10: "\n", 13: ""}


def visible(text: str) -> str:
    """Return the text without control characters: nothing in it steers whoever shows it."""
    return text.translate(_CONTROL)


_ESCAPED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def as_json(value: object, indent: int | None = None) -> str:
    """Return JSON that people can read, and that nothing in it steers, breaks or makes no UTF-8."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@dataclass(slots=True)
class LineCutter:
    """Cuts a stream into lines as it arrives, at a cost that is linear in its length.

    The start of a line is kept in the pieces in which it came: joined anew with each piece, a line
    without an end would cost the square of its length.
    """

    _pieces: list[bytes] = field(default_factory=list)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now, without their ends."""
        first, *others = data.split(b"\n")
        if not others:
            self._pieces.append(first)
            return []
        lines = [b"".join([*self._pieces, first]), *others[:-1]]
        self._pieces = [others[-1]]
        return lines

    def rest(self) -> bytes:
        """Return, and forget, what has not been ended by a line end."""
        rest, self._pieces = b"".join(self._pieces), []
        return rest
