"""What a node shows while its K3s is waited for, and what of that ends the wait."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from picluster.causes.cause import Cause, last_words, up_to_last_words
from picluster.engine.pool import Sessions
from picluster.engine.probe import Observation
from picluster.engine.waiting import Done, Lasting, Verdict, Waiting
from picluster.errors import PiclusterError, Unavailable
from picluster.secret import redact
from picluster.steps.k3s import journal
from picluster.steps.k3s.unit import UnitState, look_at, read_unit

_COMMAND_SECONDS = 20.0
_JOURNAL_SECONDS = 10.0
"""How often the journal is read: on an SD card that is not cheap."""

_ATTEMPTS_BELOW, _LATELY_BELOW = "-- all attempts --\n", "-- the last seconds --\n"

_ENOUGH_ATTEMPTS, _ENOUGH_ALIKE = 3, 2
"""After how many failed attempts it is enough, where nobody knows what the journal says: of those
that ended with the same words, after fewer."""

_KNOWN_PATIENCE_SECONDS = 15.0
"""How long a known cause may be seen: long enough for it to be told twice."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a node whose K3s is to come up.

    `missing` is what it lacks, empty if nothing. `restarts` counts the attempts that ended since
    the wait began. `attempts` is what the journal has said since then, `lately` what it said in the
    last seconds.
    """

    node: str
    name: str
    unit: UnitState
    missing: str = ""
    restarts: int = 0
    attempts: str = ""
    lately: str = ""


def judge(sight: Sight) -> Verdict:
    """Want nothing to be missing, and see what keeps it. Pure."""
    if not sight.missing:
        return Done()
    again = f", started {sight.restarts + 1} times so far" if sight.restarts else ""
    return Waiting(f"{sight.name} on {sight.node}: {sight.missing}{again}", troubles(sight))


def troubles(sight: Sight) -> list[Lasting]:
    """Return what is known to keep K3s from coming up, by its journal and its attempts. Pure."""
    found = []
    if sight.restarts or sight.unit.active == "failed":
        times = "once" if sight.restarts <= 1 else f"{sight.restarts} times"
        ended = f"{sight.name} ended {times} without being up"
        cause = journal.explain(sight.attempts)
        found.append(_known(sight, cause, f" ({ended})") if cause else _unknown(sight, ended))
    cause = journal.explain(sight.lately)
    return [*found, _known(sight, cause)] if cause else found


def _known(sight: Sight, cause: Cause, more: str = "") -> Lasting:
    patience = math.inf if cause.passing else _KNOWN_PATIENCE_SECONDS
    return Lasting(cause.why, cause.why + more, cause.fix.replace("NODE", sight.node), patience)


def _unknown(sight: Sight, ended: str) -> Lasting:
    words = last_words(sight.attempts)
    fix = f"look at `journalctl -u {sight.name}` on the node; what it said last is below"
    alike = bool(words) and sight.attempts.count(words) > 1
    enough = sight.restarts >= (_ENOUGH_ALIKE if alike else _ENOUGH_ATTEMPTS)
    why = f"{ended}; the last it said: {words or 'nothing'}"
    return Lasting("it ends", why, fix, 0 if enough else math.inf)


@dataclass(slots=True)
class Watch:
    """Looks at a node again and again, and remembers what its journal has said since.

    `missing` says what is lacking, by the unit and by whatever else it asks.
    """

    node: str
    name: str
    sessions: Sessions
    clock: Callable[[], float]
    missing: Callable[[UnitState], str]
    _began: float = 0.0
    _read: float = 0.0
    _first: UnitState | None = None
    _restarts: int = 0
    _attempts: str = ""
    _lately: str = ""

    def look(self) -> Sight:
        """Look once. Raises a `NodeError` where the node cannot be asked."""
        if self._first is None:
            self._began = self._read = self.clock()
        out = self._shell(look_at(self.name) + self._journal_if_due())
        shown, told, said = out.partition(_ATTEMPTS_BELOW)
        unit = read_unit(Observation(out=shown))
        if told:
            self._read = self.clock()
            self._attempts, _, self._lately = said.partition(_LATELY_BELOW)
        self._restarts = unit.restarts
        self._first = self._first or unit
        return Sight(
            self.node,
            self.name,
            unit,
            missing=self._ask(unit),
            restarts=max(0, unit.restarts - self._first.restarts),
            attempts=self._attempts,
            lately=self._lately,
        )

    def evidence(self) -> str:
        """Return the end of what the journal said since the wait began, up to the last failure."""
        return journal.tail(
            up_to_last_words(self._shell(journal.reading(self.name, self.waited, lines=400)))
        )

    @property
    def waited(self) -> int:
        """How many whole seconds have passed since the first look, and a little more."""
        return int(self.clock() - self._began) + 1

    def _journal_if_due(self) -> str:
        """Return shell that prints the journal, if an attempt has ended or it is time again."""
        if self._first is None:
            return ""
        due = str(self.clock() - self._read >= _JOURNAL_SECONDS).lower()
        restarts = f"$(systemctl show -p NRestarts --value {self.name})"
        return f"""
if {due} || [ "{restarts}" != {self._restarts} ]; then
  echo "{_ATTEMPTS_BELOW.strip()}"
  {journal.reading(self.name, self.waited, lines=400)}
  echo "{_LATELY_BELOW.strip()}"
  {journal.reading(self.name, int(_JOURNAL_SECONDS) + 1, lines=200)}
fi
"""

    def _ask(self, unit: UnitState) -> str:
        try:
            return self.missing(unit)
        except Unavailable as away:
            return away.state
        except PiclusterError as refused:  # K3s grants rights only a while after it answers
            return f"the API does not answer as it should: {refused.why or refused.what}"

    def _shell(self, text: str) -> str:
        done = self.sessions.read(self.node, text, timeout=_COMMAND_SECONDS)
        return redact(done.text)
