"""The token that a new cluster is started with: the user's, the one kept here, or a new one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.step import Call
from picluster.local_files import Kept
from picluster.secret import Secret

_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """A candidate for the cluster's token. `pinned` says that the user chose it.

    `remember` keeps a made-up token on this computer before any node gets it, so that a run cut
    off in between does not make a second one.
    """

    secret: Secret
    pinned: bool
    remember: Call


def choose_token(pinned: Secret | None, saved: Path) -> Token:
    """Return the user's token if there is one, else the one saved here, else a new random one."""
    if pinned is not None:
        return Token(pinned, True, Call("using the given token", lambda _: None))
    kept = Kept(saved)
    secret = Secret(kept.read().strip() or secrets.token_hex(_RANDOM_BYTES))
    return Token(
        secret,
        False,
        Call("keeping the token here", lambda _: kept.keep(secret.reveal() + "\n")),
    )
