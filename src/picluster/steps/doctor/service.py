"""What is installed: whether K3s runs, and if not why; its certificates; what keeps apt busy."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.causes.cause import last_words
from picluster.engine.probe import Observation, ShellProbe, unpacked_bytes
from picluster.engine.shell import shell
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.facts.clock import CLOCK, ClockAhead
from picluster.facts.units import UNITS
from picluster.steps.doctor.finding import (
    NEEDS_A_RESTART,
    Check,
    Finding,
    not_applicable,
    ok,
    problem,
    warning,
)
from picluster.steps.evidence import scrubbed
from picluster.steps.k3s import journal
from picluster.steps.k3s.paths import DATA_DIR

_LINES = 200
_SECONDS = 86400
_MANY_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class Service:
    """K3s as systemd has it; `unit` is empty where it is not installed.

    `journal` is the end of it, scrubbed; it is asked only of a service that is not well.
    """

    unit: str
    state: str
    substate: str
    restarts: int
    journal: str


def _service(seen: Observation) -> Service:
    return Service(
        seen.text("unit", ""),
        seen.text("state", "?"),
        seen.text("substate", "?"),
        seen.number("restarts", 0),
        scrubbed(seen.content("journal") or ""),
    )


_SERVICE = ShellProbe(
    "k3s",
    UNITS + shell(__package__, "k3s", JOURNAL=journal.reading("$name", _SECONDS, _LINES)),
    _service,
)


def _judge_service(look: Look) -> Finding:
    """K3s runs and stays up; if it does not, its journal is translated into a cause and a fix."""
    seen = look.read(_SERVICE)
    if not seen.unit:
        return not_applicable("K3s is not installed here yet")
    times = f", restarted {seen.restarts} times" if seen.restarts else ""
    told = f"{seen.unit} is {seen.state} ({seen.substate}){times}"
    if seen.state == "active" and seen.restarts < _MANY_RESTARTS:
        return ok(told)
    cause = journal.explain(seen.journal)
    lines = [line for line in seen.journal.splitlines() if line.strip()]
    last = last_words(seen.journal) or (lines[-1] if lines else "")
    evidence = f"{told}; it last said: {last[:200]}" if last else told
    why = cause.why if cause else "its journal names no cause that is known"
    shows = f"`picluster exec --node NODE -- journalctl -u {seen.unit} -n 200` shows its journal"
    fix = cause.fix if cause else shows
    if seen.state == "active" or (seen.state == "activating" and not seen.restarts):
        return warning(evidence, why if cause else "it is starting, or starts anew", fix)
    if seen.state == "inactive":
        return problem(evidence, "it was stopped, or never started", "picluster up")
    return problem(evidence, why, fix)


K3S = Check("k3s", "K3s runs", _SERVICE, _judge_service)


def is_installed(look: Look) -> bool:
    """Whether the node that is looked at has K3s."""
    seen = look.find(_SERVICE)
    return seen is not None and bool(seen.unit)


# https://docs.k3s.io/cli/certificate: valid for a year, renewed by a start within the last months.
_DAY = 86400
_SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class Validity:
    """When certificates expire, with their files' names, in seconds since 1970; when it was asked.

    That is by this computer's clock.
    """

    ends: tuple[tuple[float, str], ...] = ()
    asked: float = 0.0


def _validity(seen: Observation) -> Validity:
    pairs = (line.partition(" ") for line in seen.every("certificate"))
    ends = ((_end(encoded, path), path.rpartition("/")[2]) for path, _, encoded in pairs)
    return Validity(tuple(ends), seen.answered)


def _end(encoded: str, path: str) -> float:
    from cryptography import x509  # noqa: PLC0415 - only a doctor needs it

    try:
        certificate = x509.load_der_x509_certificate(unpacked_bytes(encoded, path))
        return certificate.not_valid_after_utc.timestamp()
    except ValueError:
        raise Unreadable(f"{path} holds no certificate") from None


_VALIDITY = ShellProbe(
    "certificates", shell(__package__, "certificates", DATA_DIR=DATA_DIR), _validity
)


def _judge_certificates(look: Look) -> Finding:
    """The one that ends first decides, by the node's own clock."""
    validity, clock = look.read(_VALIDITY), look.find(CLOCK)
    if not validity.ends:
        return not_applicable("no certificates here that could be read")
    end, name = min(validity.ends)
    now = validity.asked + (clock.middle if isinstance(clock, ClockAhead) else 0)
    days = int((end - now) // _DAY)
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
    return ok(f"{len(validity.ends)} of them; the first expires in {days} days")


CERTIFICATES = Check(
    "certificates", "certificates of K3s are valid", _VALIDITY, _judge_certificates
)


# unattended-upgrades itself is always there, and does its work through these.
_INSTALLING = ShellProbe(
    "apt-idle",
    "for process in /proc/[0-9]*; do\n"
    '  { read -r name <"$process/comm"; } 2>/dev/null || continue\n'
    '  case $name in apt|apt-get|dpkg|aptitude) echo "busy=$name" ;; esac\n'
    "done; true",
    lambda seen: seen.every("busy"),
)


def _judge_apt(look: Look) -> Finding:
    """Only tell: picluster waits for it."""
    programs = look.read(_INSTALLING)
    if not programs:
        return ok()
    return warning(
        f"{', '.join(sorted(set(programs)))} is at work",
        "packages can be installed when it is done; `picluster up` waits for it",
        "wait a few minutes, and look again",
    )


APT_IDLE = Check("apt-idle", "nobody else installs packages", _INSTALLING, _judge_apt)

CHECKS = (APT_IDLE, K3S, CERTIFICATES)
