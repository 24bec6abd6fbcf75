"""The registry's own certificate authority, kept on this computer."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.secret import Secret
from picluster.steps.local import KeepHere


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its certificate as PEM, and its key."""

    certificate: str
    key: Secret

    @property
    def bundle(self) -> str:
        """Both as one text, as it is kept."""
        return f"{self.certificate}{self.key.reveal()}"


@dataclass(frozen=True, slots=True)
class Trust:
    """The authority of a cluster's registry. `remember` keeps a new one before a node gets it."""

    authority: Authority
    remember: tuple[KeepHere, ...] = ()
