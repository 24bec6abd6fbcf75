"""How a field says no: what is wrong with the value, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic_core import PydanticCustomError

REFUSED = "refused"  # the pydantic error type of every refusal made here
REFUSED_UNSEEN = "refused_unseen"  # as above, and the value must not be shown: it may be a secret


def refuse(what: str, fix: str, *, unseen: bool = False) -> PydanticCustomError:
    """Return the error to raise for a bad value.

    `what` is read after the value ("'Pi_3' *is not a node name*"), `fix` is an order to the user.
    With `unseen` the value is kept out of every message.
    """
    kind = REFUSED_UNSEEN if unseen else REFUSED
    return PydanticCustomError(kind, "{what}", {"what": what, "fix": fix})


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was most likely meant to be, if any is close."""
    by_folded = {_fold(name): name for name in known}
    close = difflib.get_close_matches(_fold(word[:80]), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def _fold(word: str) -> str:
    return word.replace("-", "").replace("_", "").lower()
