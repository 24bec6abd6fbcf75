"""Secrets: values that can be used but never shown.

A `Secret` prints as `***` wherever it is formatted by accident. Revealed values are also
registered here, so that text coming back from a node (command output, journal lines) can be
cleaned before it reaches a log, an exception or the screen.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST_REDACTED = 6  # below this, masking would blank out ordinary words

_PEM_EDGE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")

# What quoting, folding and wrapping put between the characters of a text.
_NOISE = re.compile(r"[ \t\r\n\\\"']+")
_COLOUR = r"\x1b\[[0-9;?]*[A-Za-z]"
_ESCAPE = (
    r"%(?:25)*(?P<url>[0-9A-Fa-f]{2})|\\+u(?P<json>[0-9A-Fa-f]{4})|\\+x(?P<c>[0-9A-Fa-f]{2})"
    r"|\\+0?(?P<octal>[0-7]{3})|&#x(?P<hex>[0-9A-Fa-f]{1,5});|&#(?P<decimal>[0-9]{1,6});"
    r"|=(?P<quoted>[0-9A-F]{2})|(?P<entity>&(?:amp|lt|gt|quot|apos);)|\\+[nrt]|=\r?\n"
)
_WRITTEN_OTHERWISE = re.compile(f"{_COLOUR}|{_ESCAPE}")
_TOKEN = re.compile(f"{_COLOUR}|{_ESCAPE}|.", re.DOTALL)
_SHORTEST_IN_DISGUISE = 8  # without its blanks an ordinary text holds short words by accident

_LAST = 0x110000

_lock = threading.Lock()
_known: tuple[tuple[str, ...], tuple[str, ...]] = (), ()
"""Every form that a secret is known by, the longest first; and the same without what quoting puts
between their characters."""


class Secret:
    """A string that only `reveal()` gives away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        remember(value)

    @classmethod
    def around(cls, text: str) -> Secret:
        """Return a text that is secret for what it contains: all of it is hidden where it is shown.

        What it contains has to be a `Secret` already. Only that is masked by `redact`, and not each
        line of the text, which may well be ordinary words.
        """
        wrapped = cls.__new__(cls)
        wrapped._value = text
        return wrapped

    def reveal(self) -> str:
        """Return the value itself; hand it to stdin or to a file, never to a message."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def remember(value: str) -> None:
    """Have `redact` mask this value, and each of its lines, from now on.

    They are known as they are, and in the forms that programs write them in: as part of a URL, of
    JSON, HTML, YAML or a shell's word, in base64 (at any place of what was encoded) and in hex. The
    lines around a PEM block are no secret: every certificate has them too.
    """
    global _known  # noqa: PLW0603 - replaced as a whole, so that readers need no lock
    parts = {value, *value.splitlines()}
    kept = {part.strip() for part in parts if not _PEM_EDGE.fullmatch(part.strip())}
    forms = {form for part in kept if len(part) >= _SHORTEST_REDACTED for form in _forms(part)}
    # An escaped byte is one of UTF-8, or a character of its own (YAML's `\\xF6`).
    characters = {_NOISE.sub("", part) for part in kept if max(part, default="") < "\u0100"}
    meant = {*map(_stripped, forms), *characters}
    bare = {each for each in meant if len(each) >= _SHORTEST_IN_DISGUISE}
    with _lock:
        before, bare_before = _known
        longest_first = sorted({*before, *forms}, key=len, reverse=True)
        _known = tuple(longest_first), tuple({*bare_before, *bare})


def redact(text: str) -> str:
    """Return `text` with every known secret replaced by `***`, in whatever disguise it is."""
    # Asking for each is far faster than one expression of them all, and lines seldom hold any.
    known, bare = _known
    found = [form for form in known if form in text]
    text = re.sub("|".join(map(re.escape, found)), MASK, text) if found else text
    stripped = _stripped(text)
    hidden = [form for form in bare if form in stripped]
    return _unmasked(text, hidden) if hidden else text


def clean(texts: Iterable[str]) -> bool:
    """Whether no known secret is in any of these texts; far faster than to redact each of them."""
    # Nothing that is written for something else has a NUL in it, so each ends where it does.
    together = "\0".join(texts)
    return redact(together) == together


def _stripped(text: str) -> str:
    """Return a text without escapes, quotes, blanks, line ends and colours; bytes as characters."""
    plain = text.encode("utf-8", "replace").decode("latin-1")
    if "\x1b" in plain or "%" in plain or "\\" in plain or "&" in plain or "=" in plain:
        plain = _WRITTEN_OTHERWISE.sub(_meant, plain)
    return _NOISE.sub("", plain)


def _unmasked(text: str, hidden: list[str]) -> str:
    """Mask what stands for these forms, by the places in the text of what it means there."""
    meant: list[str] = []
    places: list[tuple[int, int]] = []
    for token in _TOKEN.finditer(text):
        each = _stripped(token[0])
        meant += each
        places += [token.span()] * len(each)
    plain, spans = "".join(meant), []
    for form in hidden:
        at = plain.find(form)
        while at >= 0:
            spans.append((places[at][0], places[at + len(form) - 1][1]))
            at = plain.find(form, at + len(form))
    left, last = [], 0
    for begin, end in sorted(spans):
        if begin >= last:
            left += [text[last:begin], MASK]
        last = max(last, end)
    return "".join([*left, text[last:]])


def _meant(found: re.Match[str]) -> str:
    """Return what an escape stands for, its bytes as characters."""
    which, text = found.lastgroup, found[found.lastgroup or 0]
    if which is None:
        return ""
    if which == "entity":
        return html.unescape(text)
    base = {"octal": 8, "decimal": 10}.get(which, 16)
    code = int(text, base)
    if which in ("json", "hex", "decimal"):
        return chr(code).encode("utf-8", "replace").decode("latin-1") if code < _LAST else ""
    return chr(code % 256)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    in_json = {json.dumps(secret, ensure_ascii=each)[1:-1] for each in (True, False)}
    yield from in_json
    yield from (json.dumps(form)[1:-1] for form in in_json)
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (html.escape(secret), html.escape(secret, quote=False))
    yield from (shlex.quote(secret), secret.replace("'", "''"), secret.replace("'", "'\\''"))
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", secret)
    for between in ("", ":", " ", "-"):
        digits = secret.encode().hex(between) if between else secret.encode().hex()
        yield from (digits, digits.upper())
    yield from (secret.encode("utf-16-le").hex(), secret[::-1])
    yield from _in_base64(secret.encode())
    yield from _in_base64(secret.encode("utf-16-le"))
    yield from _in_base64(base64.b64encode(secret.encode()))


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what is always of it in the base64 of a longer text, by where it begins in that."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        first, last = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        for text in (encoded, encoded.replace("+", "-").replace("/", "_")):
            yield text[first:last]
            if not before:
                yield text
