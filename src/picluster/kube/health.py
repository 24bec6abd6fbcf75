"""What a server says about itself at `/readyz`."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.kube.api import Api
from picluster.kube.errors import ApiRefused, ApiUnavailable

PATH = "/readyz"
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Readyz:
    """What one server's `/readyz` says. `answers` is False if no HTTP answer came at all."""

    ok: bool
    answers: bool = True
    failing: tuple[str, ...] = ()
    detail: str = ""


def readyz(api: Api) -> Readyz:
    """Ask whether the API is ready, in one short request. A bad answer is a reading, no error."""
    try:
        api.call("GET", PATH, timeout=SECONDS, retry=False)
    except ApiRefused as refused:
        failing = failing_checks(refused.message)
        return Readyz(ok=False, failing=failing, detail=f"HTTP {refused.status}")
    except ApiUnavailable as away:
        return Readyz(ok=False, answers=False, detail=away.why)
    return Readyz(ok=True)


def failing_checks(text: str) -> tuple[str, ...]:
    """Return the names of the checks that a `/readyz` text marks as failed."""
    return tuple(line[3:].split(" ")[0] for line in text.splitlines() if line.startswith("[-]"))
