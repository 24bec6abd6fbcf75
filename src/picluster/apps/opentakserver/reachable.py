"""OpenTAKServer answers, through the doors that browsers and radios use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from picluster.engine.pool import Sessions
from picluster.engine.quote import quote
from picluster.engine.step import Call, Change, Decision, Progress, Satisfied, Script
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.model.network import bracketed
from picluster.model.opentakserver import OpenTakServer

REACHABLE = "opentakserver-answers"

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answers:
    """Health, a Socket.IO handshake as a browser makes it, and the ports of the streams.

    Asked on `node`, at its own `address`, through the NodePorts. `after` are steps whose changes
    start the server anew; `timeout` is in seconds.
    """

    ots: OpenTakServer
    node: str
    address: str
    sessions: Sessions
    timeout: float
    after: tuple[str, ...] = ()
    name: str = REACHABLE
    title: str = "OpenTAKServer answers on its ports"

    def probe(self) -> Script:
        """Ask each door."""
        return Script(self._script())

    def decide(self, look: Look) -> Decision:
        """Want every door to answer as it should."""
        missing = shortcomings(self.ots, look.own.facts)
        if not missing and not look.changing_anywhere(*self.after):
            return Satisfied()
        return Change(
            "wait until OpenTAKServer answers on its ports",
            (Call("waiting until OpenTAKServer answers", self._wait),),
            reason="; ".join(missing) or "it is about to start anew",
            retry_safe=True,
        )

    @property
    def url(self) -> str:
        """Where browsers find it, on this node."""
        return f"http://{bracketed(self.address)}:{self.ots.ports.web}"

    def _script(self) -> str:
        url, host = quote(self.url), quote(bracketed(self.address))
        lines = [
            f"echo \"health=$(curl -s -m 10 -o /dev/null -w '%{{http_code}}' {url}/api/health)\"",
            f"echo \"page=$(curl -s -m 10 -o /dev/null -w '%{{http_code}}' {url}/)\"",
            f'echo "socketio=$(curl -s -m 10 -H {quote(f"Origin: {self.url}")} '
            f"{quote(f'{self.url}/socket.io/?EIO=4&transport=polling')} | tr -d '\\n')\"",
        ]
        for name, port in streams(self.ots).items():
            # The time of the connection is above zero only if there was one.
            ask = "curl -s --connect-timeout 3 -m 4 -o /dev/null -w '%{time_connect}'"
            lines.append(f'echo "{name}=$({ask} telnet://{host}:{port} </dev/null)"')
        return "\n".join([*lines, "true"])

    def _wait(self, progress: Progress) -> None:
        def look() -> list[str]:
            done = self.sessions.get(self.node).run(self._script(), timeout=_SECONDS)
            lines = done.out.decode("utf-8", "replace").splitlines()
            facts = dict(line.split("=", 1) for line in lines if "=" in line)
            return shortcomings(self.ots, facts)

        wait_until(
            "OpenTAKServer does not answer",
            look,
            _all_answer,
            timeout=self.timeout,
            progress=progress,
            where=f"{self.node} ({self.url})",
            fix=f"look at its pods: `kubectl -n {self.ots.namespace} get pods`, "
            f"`kubectl -n {self.ots.namespace} logs deploy/opentakserver -c server`",
        )


def streams(ots: OpenTakServer) -> dict[str, int]:
    """Return the TCP ports that devices use, by what they are for."""
    ports = {"tcp": ots.ports.tcp, "ssl": ots.ports.ssl}
    if ots.ports.marti is not None:
        ports["marti"] = ots.ports.marti
    if ots.ports.enrolment is not None:
        ports["enrolment"] = ots.ports.enrolment
    return ports


def shortcomings(ots: OpenTakServer, facts: Mapping[str, str]) -> list[str]:
    """Return what does not answer as it should; pure."""
    found = []
    if facts.get("health") != "200":
        found.append(f"/api/health answers {_status(facts.get('health'))}")
    if facts.get("page") != "200":
        found.append(f"the web interface answers {_status(facts.get('page'))}")
    found += _handshake(ots, facts.get("socketio", ""))
    for name, port in streams(ots).items():
        if not _connected(facts.get(name, "")):
            found.append(f"nobody listens on port {port} ({name})")
    return found


def _status(text: str | None) -> str:
    return "nothing" if text in (None, "", "000") else f"{text}"


def _handshake(ots: OpenTakServer, body: str) -> list[str]:
    """Check the first packet of engine.io: a digit and the settings as JSON."""
    try:
        opened = json.loads(body[body.index("{") :])
        times = opened["pingTimeout"], opened["pingInterval"]
    except (ValueError, KeyError, TypeError):
        said = f": {body[:80]}" if body else ""
        return [f"Socket.IO refuses a browser's handshake{said}"]
    wanted = ots.socketio.ping_timeout * 1000, ots.socketio.ping_interval * 1000
    if times != wanted:
        return [f"Socket.IO pings by {times[0]}/{times[1]} ms, not {wanted[0]}/{wanted[1]}"]
    return []


def _connected(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


def _all_answer(missing: list[str]) -> Verdict:
    return Waiting("; ".join(missing)) if missing else Done()
