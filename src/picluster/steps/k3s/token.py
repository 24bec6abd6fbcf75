"""The token that a new cluster is started with: the user's, the one kept here, or a new one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from picluster.secret import Secret
from picluster.steps.local import KeepHere

_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """A candidate for the cluster's token. `pinned` says that the user chose it.

    `remember` keeps a made-up token on this computer before any node gets it.
    """

    secret: Secret
    pinned: bool
    remember: tuple[KeepHere, ...] = ()


def choose_token(pinned: Secret | None, saved: Path) -> Token:
    """Return the user's token if there is one, else the one saved here, else a new random one.

    K3s itself takes no notice of blanks around a token in a file.
    """
    if pinned is not None:
        return Token(Secret(pinned.reveal().strip()), True)
    kept = saved.read_text().strip() if saved.exists() else ""
    secret = Secret(kept or secrets.token_hex(_RANDOM_BYTES))
    text = Secret.around(f"{secret.reveal()}\n")
    return Token(secret, False, (KeepHere(saved, text, "keeping the token here"),))
