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
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST_REDACTED = 6  # below this, masking would blank out ordinary words

_PEM_EDGE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")

_lock = threading.Lock()
_known: tuple[str, ...] = ()
"""Every form that a secret is known by, the longest first."""


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
    with _lock:
        _known = tuple(sorted({*_known, *forms}, key=len, reverse=True))


def redact(text: str) -> str:
    """Return `text` with every known secret replaced by `***`."""
    # Asking for each is far faster than one expression of them all, and lines seldom hold any.
    found = [form for form in _known if form in text]
    return re.sub("|".join(map(re.escape, found)), MASK, text) if found else text


def _forms(secret: str) -> Iterator[str]:
    yield secret
    in_json = {json.dumps(secret, ensure_ascii=each)[1:-1] for each in (True, False)}
    yield from in_json
    yield from (json.dumps(form)[1:-1] for form in in_json)
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (html.escape(secret), html.escape(secret, quote=False))
    yield from (shlex.quote(secret), secret.replace("'", "''"), secret.replace("'", "'\\''"))
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", secret)
    yield from (secret.encode().hex(), secret.encode().hex().upper())
    yield from _in_base64(secret.encode())


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield what is always of it in the base64 of a longer text, by where it begins in that."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        first, last = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        for text in (encoded, encoded.replace("+", "-").replace("/", "_")):
            yield text[first:last]
            if not before:
                yield text
