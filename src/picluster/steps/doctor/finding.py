"""What a check says of a node: a light, what was seen, what it means and what to do."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from picluster.engine.step import Script
from picluster.engine.survey import Look


class Light(enum.StrEnum):
    """How a check came out, worst last but one: what does not apply is neither good nor bad."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome on one node.

    `evidence` is what was seen there; `meaning` what follows from it and `fix` what to do, both
    empty if all is well. `fixable` says that `doctor --fix` does it; `held` why it does not.
    """

    light: Light
    evidence: str = ""
    meaning: str = ""
    fix: str = ""
    fixable: bool = False
    held: str = ""


class Check(Protocol):
    """One trap: how to look for it, and how to judge what was seen."""

    @property
    def name(self) -> str:
        """Identify the check on a node, such as `page-size`."""

    @property
    def title(self) -> str:
        """State what is true where all is well: `memory pages of 4 KiB`."""

    def probe(self) -> Script:
        """Return a look that neither changes nor wakes anything."""

    def judge(self, look: Look) -> Finding:
        """Judge what was seen. Pure."""


ONLY_BY_HAND = "it takes your hands or your decision"
NEEDS_A_REBOOT = "it takes a reboot, which is not done behind your back"
NEEDS_A_RESTART = "it restarts a part of the cluster, which is not done behind your back"


def ok(evidence: str = "") -> Finding:
    """All is well."""
    return Finding(Light.OK, evidence)


def not_applicable(why: str) -> Finding:
    """There is nothing to judge here; `why` says what lacks."""
    return Finding(Light.NOT_APPLICABLE, why)


def warning(evidence: str, meaning: str, fix: str, held: str = ONLY_BY_HAND) -> Finding:
    """It works, and may not for long."""
    return Finding(Light.WARNING, evidence, meaning, fix, held=held)


def problem(evidence: str, meaning: str, fix: str, held: str = ONLY_BY_HAND) -> Finding:
    """It does not work, or is about to break."""
    return Finding(Light.PROBLEM, evidence, meaning, fix, held=held)


def values(look: Look, key: str) -> Sequence[str]:
    """Return what the check's own probe printed as `key=...`, line by line."""
    return [line.removeprefix(f"{key}=") for line in look.own.lines if line.startswith(f"{key}=")]
