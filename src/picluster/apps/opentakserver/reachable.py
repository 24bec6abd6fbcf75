"""OpenTAKServer answers, through the doors that browsers and devices use.

The doors are those of nginx, each asked with one whole request. The streams of CoT are not: their
handlers take whoever connects for a device, and a device that goes without a word, or without a
certificate, leaves a traceback in the application's log (eud_handler/EudHandler.py,
`close_connection`, and EudHandlerSSL.py, `setup`; releases 1.6 to 1.7). Whether they listen is what
makes their containers ready (`manifests`), so the pod's readiness tells.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from picluster.engine.place import Place
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Inferred, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.model.network import bracketed
from picluster.model.opentakserver import OpenTakServer

REACHABLE = "opentakserver-answers"

_SECONDS = 60.0
_CURL = "curl -sk -m 10"
_STATUS = "-o /dev/null -w '%{http_code}'"
_NOTHING = ("", "000")


@dataclass(frozen=True, slots=True)
class Doors:
    """What each door answered: HTTP statuses, and the body of a Socket.IO handshake.

    `tls` has the statuses of the doors that devices with certificates use, by name.
    """

    health: str
    page: str
    handshake: str
    tls: dict[str, str]


def doors(ots: OpenTakServer, address: str) -> ShellProbe[Doors]:
    """Ask all doors of a node at once: health, the page, a browser's handshake, and those with TLS.

    A node asks itself, at its own address, through the NodePorts. `/` of the doors with TLS is
    answered by nginx alone.
    """
    url = url_of(ots, address)
    asked = {
        "health": f"{_STATUS} {quote(f'{url}/api/health')}",
        "page": f"{_STATUS} {quote(f'{url}/')}",
        "handshake": f"-H {quote(f'Origin: {url}')} "
        f"{quote(f'{url}/socket.io/?EIO=4&transport=polling')} | tr -d '\\n'",
    }
    for name, port in with_tls(ots).items():
        asked[name] = f"{_STATUS} {quote(f'https://{bracketed(address)}:{port}/')}"
    lines = [f'echo "{name}=$({_CURL} {how})" &' for name, how in asked.items()]
    return ShellProbe(REACHABLE, "\n".join([*lines, "wait", "true"]), _read)


def _read(seen: Observation) -> Doors:
    known = ("health", "page", "handshake")
    health, page, handshake = (seen.text(name, "") for name in known)
    return Doors(health, page, handshake, {n: seen.text(n) for n in seen.keys if n not in known})


def url_of(ots: OpenTakServer, address: str) -> str:
    """Return where browsers find it at a node's address."""
    return f"http://{bracketed(address)}:{ots.ports.web}"


def with_tls(ots: OpenTakServer) -> dict[str, int]:
    """Return the ports on which nginx serves devices with certificates, by what they are for."""
    ports = {"marti": ots.ports.marti, "enrolment": ots.ports.enrolment}
    return {name: port for name, port in ports.items() if port is not None}


def shortcomings(ots: OpenTakServer, seen: Doors) -> list[str]:
    """Return what does not answer as it should; pure."""
    found = []
    if seen.health != "200":
        found.append(f"/api/health answers {_status(seen.health)}")
    if seen.page != "200":
        found.append(f"the web interface answers {_status(seen.page)}")
    found += _handshake(ots, seen.handshake)
    for name, port in with_tls(ots).items():
        if seen.tls.get(name, "") in _NOTHING:
            found.append(f"nobody answers on port {port} ({name})")
    return found


def _status(text: str) -> str:
    return "nothing" if text in _NOTHING else text


def _handshake(ots: OpenTakServer, body: str) -> list[str]:
    """Check the first packet of engine.io: a digit and the settings as JSON."""
    try:
        opened = json.loads(body[body.index("{") :])
        times = opened["pingTimeout"], opened["pingInterval"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = f": {body[:80]}" if body else ""
        return [f"Socket.IO refuses a browser's handshake{said}"]
    wanted = ots.socketio.ping_timeout * 1000, ots.socketio.ping_interval * 1000
    if times != wanted:
        return [f"Socket.IO pings by {times[0]}/{times[1]} ms, not {wanted[0]}/{wanted[1]}"]
    return []


@dataclass(frozen=True, slots=True)
class AwaitDoors:
    """Wait, at most `timeout` seconds, until every door of a node answers."""

    ots: OpenTakServer
    address: str
    timeout: float

    @property
    def title(self) -> str:
        return "waiting until OpenTAKServer answers"

    def perform(self, place: Place) -> None:
        """Ask until all is well. Raises `WaitFailed`."""
        probe = doors(self.ots, self.address)

        def look() -> list[str]:
            done = place.sessions.read(place.target, probe.text, timeout=_SECONDS)
            return shortcomings(self.ots, probe.parse(Observation(done.status, done.text)))

        space = self.ots.namespace
        wait_until(
            "OpenTAKServer does not answer",
            look,
            _all_answer,
            timeout=self.timeout,
            progress=place.progress,
            where=f"{place.target} ({url_of(self.ots, self.address)})",
            fix=f"look at its pods: `kubectl -n {space} get pods`, "
            f"`kubectl -n {space} logs deploy/opentakserver -c server`",
        )


def _all_answer(missing: list[str]) -> Verdict:
    return Waiting("; ".join(missing)) if missing else Done()


@dataclass(frozen=True, slots=True)
class AnswersAfterChange(Inferred):
    """OpenTAKServer answers again once it was changed; `after` are the steps that start it anew.

    While nothing changes, its pods' readiness is enough, which other steps have read from the API:
    no door is asked. `timeout` is in seconds.
    """

    ots: OpenTakServer
    address: str
    timeout: float
    after: tuple[str, ...]
    name: str = REACHABLE
    title: str = "OpenTAKServer answers on its ports"

    def decide(self, look: Look) -> Decision:
        if not look.changing_anywhere(*self.after):
            return Satisfied()
        return awaited(self.ots, self.address, self.timeout, "it is about to start anew")


@dataclass(frozen=True, slots=True)
class Answers:
    """OpenTAKServer answers; every door is asked. `timeout` is in seconds."""

    ots: OpenTakServer
    address: str
    timeout: float
    name: str = REACHABLE
    title: str = "OpenTAKServer answers on its ports"

    def probe(self) -> ShellProbe[Doors]:
        return doors(self.ots, self.address)

    def decide(self, look: Look) -> Decision:
        missing = shortcomings(self.ots, look.read(self.probe()))
        if not missing:
            return Satisfied()
        return awaited(self.ots, self.address, self.timeout, "; ".join(missing))


def awaited(ots: OpenTakServer, address: str, timeout: float, reason: str) -> Change:
    """Return the change that waits for the doors."""
    return Change(
        "wait until OpenTAKServer answers on its ports",
        (AwaitDoors(ots, address, timeout),),
        reason=reason,
    )
