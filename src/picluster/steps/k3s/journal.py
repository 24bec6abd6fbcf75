"""Why K3s does not come up: known lines of its journal, translated into a cause and a fix. Pure."""

from __future__ import annotations

from picluster.causes import cause
from picluster.causes.cause import Cause
from picluster.causes.etcd import DATABASE
from picluster.causes.k3s import JOINING, SETTINGS
from picluster.causes.machine import MACHINE

_EVIDENCE_LINES = 15

JOURNAL = (*JOINING, *SETTINGS, *DATABASE, *MACHINE)
"""What K3s is known to write when it does not come up."""


def explain(journal: str) -> Cause | None:
    """Return the cause that K3s's journal points to, if any is known."""
    return cause.explain(journal, JOURNAL)


def tail(journal: str) -> str:
    """Return the last lines of the journal, as evidence."""
    return "\n".join(journal.splitlines()[-_EVIDENCE_LINES:])
