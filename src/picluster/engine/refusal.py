"""How it is said that steps refuse: for good, or for want of a node that is missing."""

from __future__ import annotations

from collections.abc import Sequence

from picluster.engine.plan import Judged, missing_for
from picluster.engine.run import RunState
from picluster.engine.step import Blocked
from picluster.errors import NodeNeeded, PiclusterError, PreflightRefused


def refuse_if_blocked(blocked: Sequence[Judged], run: RunState) -> None:
    """Raise one refusal that lists every step that refuses, but for want of a missing node."""
    for_good = [item for item in blocked if not missing_for(item)]
    if for_good:
        raise refusal(for_good, run)


def refusal(blocked: Sequence[Judged], run: RunState) -> PiclusterError:
    """Return why these steps refuse, and what the run has changed before."""
    reasons = [
        (f"{item.target}: {item.decision.reason}", item.decision.fix)
        for item in blocked
        if isinstance(item.decision, Blocked)
    ]
    kind = NodeNeeded if all(missing_for(item) for item in blocked) else PreflightRefused
    return kind(
        f"{run.record()}: " + "; ".join(dict.fromkeys(reason for reason, _ in reasons)),
        fix="; ".join(dict.fromkeys(fix for _, fix in reasons if fix)),
    )
