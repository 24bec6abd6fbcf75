"""Data that outlives what made it: kept and named, or deleted because that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Change, Decision, Risk, Run, Satisfied, Script
from picluster.engine.survey import Look
from picluster.steps.sizes import told_size

_DELETE_SECONDS = 3600.0
_MEASURE_SECONDS = 30
OF_REGISTRY = ("docker/registry",)
"""What a registry keeps its images in (distribution's filesystem driver)."""
OF_LONGHORN = ("longhorn-disk.cfg", "replicas", "engine-binaries", "unix-domain-socket")
"""What Longhorn puts on a disk of its own, and what its manager and engines leave on a node."""


def _measure(path: str) -> Script:
    """Print the size of what a directory holds; an empty one holds nothing."""
    where = quote(path)
    return Script(
        f'[ -n "$(ls -A {where} 2>/dev/null)" ] || exit 0\n'
        f"echo there=yes\n"
        f"bytes=$(timeout {_MEASURE_SECONDS} du -sb {where} 2>/dev/null | cut -f1)\n"
        'echo "bytes=$bytes"'
    )


def _signs(path: str, own: Sequence[str]) -> str:
    """Return shell that tells whether one of what only its owner puts there is there."""
    tests = " || ".join(f"[ -e {quote(f'{path}/{each}')} ]" for each in own)
    bare = f'[ "$(ls -A {quote(path)})" = lost+found ]'  # a file system that nobody used yet
    return f"\nif {tests} || {bare}; then echo own=yes; fi"


def _size(look: Look) -> str:
    """Say how much there is; empty if there is nothing."""
    facts = look.own.facts
    if facts.get("there") != "yes":
        return ""
    return told_size(facts.get("bytes", "")) or "more than could be measured"


@dataclass(frozen=True, slots=True)
class DataKept:
    """A directory of data stays, and the user is told where it is and how large."""

    what: str
    path: str

    @property
    def name(self) -> str:
        """Identify it by its directory."""
        return f"data-{self.path}"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.path} is kept"

    def probe(self) -> Script:
        """Measure it."""
        return _measure(self.path)

    def decide(self, look: Look) -> Decision:
        """Say what is kept."""
        size = _size(look)
        kept = f"kept: {self.what} in {self.path} ({size})"
        return Satisfied(warning=f"{kept}; --data deletes them" if size else "")


@dataclass(frozen=True, slots=True)
class DataDeleted:
    """A directory of data is emptied: it may be a mount point, which stays.

    `own` are entries of which one is there if the directory is what it is taken for; one without
    any may hold anything, and is left alone. Empty: the directory is known by its path.
    """

    what: str
    path: str
    own: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Identify it by its directory."""
        return f"data-{self.path}"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.path} holds nothing"

    def probe(self) -> Script:
        """Measure it, and see whether it is what it is taken for."""
        measured = _measure(self.path)
        if not self.own:
            return measured
        return replace(measured, text=measured.text + _signs(self.path, self.own))

    def decide(self, look: Look) -> Decision:
        """Want it empty."""
        size = _size(look)
        if not size:
            return Satisfied()
        if self.own and look.own.facts.get("own") != "yes":
            return Blocked(
                f"{self.path} is not deleted: it holds files ({size}), and nothing says that they "
                f"are {self.what}",
                f"look at it and empty it by hand if they may go: there is no {self.own[0]} in "
                f"{self.path}; or run the reset without --data",
            )
        return Change(
            f"DELETE {self.what} in {self.path} ({size})",
            (Run(_empty(self.path), timeout=_DELETE_SECONDS),),
            reason="--data asks for it",
            risk=Risk.DATA_LOSS,
            retry_safe=True,
        )


def _empty(path: str) -> str:
    """Return shell that empties a directory, and removes it unless something is mounted there."""
    where = quote(path)
    return f"find {where} -mindepth 1 -delete\nmountpoint -q {where} || rmdir {where}\n"
