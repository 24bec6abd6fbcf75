"""Why K3s does not come up: known lines of its journal, translated into a cause and a fix. Pure."""

from __future__ import annotations

from picluster.causes import cause
from picluster.causes.cause import LAST_WORDS, Cause
from picluster.causes.etcd import DATABASE
from picluster.causes.k3s import JOINING, SETTINGS
from picluster.causes.machine import MACHINE
from picluster.engine.quote import quote

_EVIDENCE_LINES = 15
_MOST_LINES = 5000
_ENDINGS = 20

JOURNAL = (*JOINING, *SETTINGS, *DATABASE, *MACHINE)
"""What K3s is known to write when it does not come up."""


def reading(unit: str, seconds: int, lines: int) -> str:
    """Return shell that prints what a unit has said in the last seconds, by the node's own clock.

    These are the last so many lines, and of those before them what attempts ended with: a server
    says hundreds of lines whenever it starts.
    """
    read = f"journalctl -q --no-pager -o cat -n {_MOST_LINES} -u {unit} --since -{seconds}s"
    return f"""
said=$({read})
printf '%s\\n' "$said" | head -n -{lines} | grep -E -e {quote(LAST_WORDS)} | tail -n {_ENDINGS}
printf '%s\\n' "$said" | tail -n {lines}
"""


def explain(journal: str) -> Cause | None:
    """Return the cause that K3s's journal points to, if any is known."""
    return cause.explain(journal, JOURNAL)


def tail(journal: str) -> str:
    """Return the last lines of the journal, as evidence."""
    return "\n".join(journal.splitlines()[-_EVIDENCE_LINES:])
