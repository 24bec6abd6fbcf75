"""Plain values: whole numbers, yes or no, one of a few words, free text.

The loader hands over every scalar as text, so that each field reads it in its own way: `0600` is
a mode, `1.30` a version and `no` a country code wherever the field says so. Python callers may
pass numbers and booleans as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from picluster.model.refusal import nearest, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.config import JsonDict

_WORDS_FOR_TRUE = {"true", "yes", "on"}
_WORDS_FOR_FALSE = {"false", "no", "off"}
_MOST_DIGITS = 18
_WHOLE = re.compile(rf"-?(0|[1-9][0-9]{{0,{_MOST_DIGITS - 1}}})")


def whole(value: object) -> object:
    """Read a whole number in plain digits; for use before the check of its range."""
    if isinstance(value, bool):
        raise refuse("is not a whole number", "write it in digits, such as 22")
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            if value.isdecimal() and len(value) > _MOST_DIGITS:
                raise refuse("is too large", "write a smaller number")
            raise refuse("is not a whole number", "write it in digits without leading zeros")
        return int(value)
    return value


def _yes_or_no(value: object) -> object:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word in _WORDS_FOR_TRUE:
        return True
    if word in _WORDS_FOR_FALSE:
        return False
    raise refuse("is neither true nor false", "write true or false")


def single_line(value: str) -> str:
    """Return `value` if it is printable text on one line, which is all that any field may hold."""
    if not value.isprintable():
        raise refuse("has a line break or another control character", "write it on one line")
    return value


def one_of(words: Sequence[str], also: Mapping[str, str] | None = None) -> BeforeValidator:
    """Have a field read a closed list of words; `also` names what others call the same thing."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return str(value)
        meant = None
        if isinstance(value, str):
            meant = (also or {}).get(value.lower()) or nearest(value, words)
        choice = f"use one of: {', '.join(words)}"
        raise refuse("is not known here", f"did you mean {meant}? ({choice})" if meant else choice)

    return BeforeValidator(read)


def matching(pattern: str, what: str, fix: str) -> AfterValidator:
    """Have a field check that the whole text has the form of `pattern`."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise refuse(what, fix)
        return value

    return AfterValidator(check)


def release_of(what: str, example: str) -> AfterValidator:
    """Have a field check that it is one exact release, written as the `example` is."""
    number = "[0-9]{1,3}"
    return matching(
        rf"{'v' * example.startswith('v')}{number}\.{number}\.{number}",
        f"is not a release of {what}",
        f"write one exact release, such as {example}",
    )


UNQUOTED: JsonDict = {"type": ["string", "number", "boolean"]}
"""What an editor may see where text is wanted and the user wrote 5 or true without quotes."""

YesNo = Annotated[bool, BeforeValidator(_yes_or_no)]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(whole)]
Text = Annotated[str, AfterValidator(single_line)]

NodePort = Annotated[int, Field(ge=30000, le=32767), BeforeValidator(whole)]
"""A port that Kubernetes opens on every node; the range is its default."""


Digest = Annotated[str, matching(r"[0-9a-f]{64}", "is not a SHA-256", "write its 64 digits")]
