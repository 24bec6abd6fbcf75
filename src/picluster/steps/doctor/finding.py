"""What a check says of a node: a light, what was seen, what it means and what to do."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from picluster.engine.probe import ShellProbe
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


@dataclass(frozen=True, slots=True)
class Check:
    """One trap: how to look for it, and how to judge what was seen.

    `name` identifies it on a node, such as `page-size`; `title` states what is true where all is
    well: `memory pages of 4 KiB`. The probe neither changes nor wakes anything. `judge` is pure.
    """

    name: str
    title: str
    probe: ShellProbe[Any]
    judge: Callable[[Look], Finding]


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
