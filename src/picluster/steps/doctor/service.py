"""What is installed: whether K3s runs, and if not why; its certificates; what keeps apt busy."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.causes.cause import last_words
from picluster.engine.probe import unpacked, whole
from picluster.engine.step import Script
from picluster.engine.survey import Look
from picluster.steps.doctor.finding import (
    NEEDS_A_RESTART,
    Finding,
    not_applicable,
    ok,
    problem,
    values,
    warning,
)
from picluster.steps.evidence import scrubbed
from picluster.steps.k3s import journal
from picluster.steps.k3s.paths import DATA_DIR

K3S = "k3s"
_LINES = 200
_SECONDS = 86400
_MANY_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class K3sService:
    """K3s runs and stays up; if it does not, its journal says why."""

    name: str = K3S
    title: str = "K3s runs"

    def probe(self) -> Script:
        """Ask systemd, and read the end of the journal."""
        return Script(
            "for unit in k3s k3s-agent; do\n"
            '  [ "$(systemctl show -p LoadState --value $unit)" = loaded ] || continue\n'
            '  echo "unit=$unit"\n'
            "  systemctl show -p ActiveState -p SubState -p NRestarts -p Result $unit\n"
            f'  echo "journal=$({{ {journal.reading("$unit", _SECONDS, _LINES)}}} '
            '| tail -c 120000 | base64 -w0)"\n'
            "  break\n"
            "done"
        )

    def judge(self, look: Look) -> Finding:
        """Translate what the journal says into a cause and a fix."""
        facts = look.own.facts
        unit = facts.get("unit")
        if unit is None:
            return not_applicable("K3s is not installed here yet")
        state, restarts = (
            facts.get("ActiveState", "?"),
            whole(facts.get("NRestarts") or "0", "NRestarts"),
        )
        text = scrubbed(unpacked(facts.get("journal", ""), "journal"))
        cause = journal.explain(text)
        times = f", restarted {restarts} times" if restarts else ""
        seen = f"{unit} is {state} ({facts.get('SubState', '?')}){times}"
        if state == "active" and restarts < _MANY_RESTARTS:
            return ok(seen)
        lines = [line for line in text.splitlines() if line.strip()]
        last = last_words(text) or (lines[-1] if lines else "")
        evidence = f"{seen}; it last said: {last[:200]}" if last else seen
        why = cause.why if cause else "its journal names no cause that is known"
        shows = f"`picluster exec --node NODE -- journalctl -u {unit} -n 200` shows its journal"
        fix = cause.fix if cause else shows
        fix = fix.replace("NODE", look.target)
        if state == "active" or (state == "activating" and not restarts):
            return warning(evidence, why if cause else "it is starting, or starts anew", fix)
        if state == "inactive":
            return problem(evidence, "it was stopped, or never started", "picluster up")
        return problem(evidence, why, fix)


def is_installed(look: Look) -> bool:
    """Whether the node that is looked at has K3s."""
    return "unit" in look.at(look.target, K3S).facts


# https://docs.k3s.io/cli/certificate: valid for a year, renewed by a start within the last months.
_DAY = 86400
_SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificates of K3s are valid, and will be for a while."""

    name: str = "certificates"
    title: str = "certificates of K3s are valid"

    def probe(self) -> Script:
        """Read when each expires."""
        return Script(
            "command -v openssl >/dev/null || exit 0\n"
            'echo "now=$(date +%s)"\n'
            f"for file in {DATA_DIR}/server/tls/*.crt {DATA_DIR}/server/tls/etcd/*.crt "
            f"{DATA_DIR}/agent/*.crt; do\n"
            '  [ -r "$file" ] || continue\n'
            '  end=$(openssl x509 -enddate -noout -in "$file" 2>/dev/null) || continue\n'
            '  echo "until=$(date -d "${end#*=}" +%s) ${file##*/}"\n'
            "done"
        )

    def judge(self, look: Look) -> Finding:
        """The one that ends first decides."""
        now = look.own.facts.get("now", "")
        pairs = [row.partition(" ") for row in values(look, "until")]
        ends = [(whole(end, "until"), name) for end, _, name in pairs if end]
        if not ends or not now:
            return not_applicable("no certificates here that could be read")
        end, name = min(ends)
        days = (end - whole(now, "now")) // _DAY
        fix = "picluster restart (K3s renews them when it starts)"
        if days < 0:
            return problem(
                f"{name} expired {-days} days ago",
                "nodes and clients are turned away (or this node's clock is wrong)",
                fix,
                NEEDS_A_RESTART,
            )
        if days < _SOON_DAYS:
            soon = f"{name} expires in {days} days"
            return warning(soon, "it is renewed only by a start", fix, NEEDS_A_RESTART)
        return ok(f"{len(ends)} of them; the first expires in {days} days")


@dataclass(frozen=True, slots=True)
class AptIdle:
    """No other program is installing packages."""

    name: str = "apt-idle"
    title: str = "nobody else installs packages"

    def probe(self) -> Script:
        """Look in /proc for programs that do it.

        That of unattended-upgrades is always there, and does its work through these.
        """
        return Script(
            "for process in /proc/[0-9]*; do\n"
            '  read -r name <"$process/comm" 2>/dev/null || continue\n'
            "  case $name in apt|apt-get|dpkg|aptitude) "
            'echo "busy=$name" ;; esac\n'
            "done 2>/dev/null; true"
        )

    def judge(self, look: Look) -> Finding:
        """Only tell: picluster waits for it."""
        busy = sorted(set(values(look, "busy")))
        if not busy:
            return ok()
        return warning(
            f"{', '.join(busy)} is at work",
            "packages can be installed when it is done; `picluster up` waits for it",
            "wait a few minutes, and look again",
        )
