"""The registry's container: made anew only when its definition changes, and its data kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from picluster.engine.probe import Answer, Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Run, Satisfied, Script
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Lasting, Verdict, Wait, Waiting
from picluster.steps.registry import paths
from picluster.steps.registry.certificates import CERTIFICATE
from picluster.steps.registry.credentials import USERS

CONTAINER = "registry-container"

_INSIDE = "/etc/picluster"
_DATA = "/var/lib/registry"
_REALM = "picluster"
_FORMAT = 1
"""Raise it when the arguments change for a definition that stays the same."""
LABEL = "picluster.definition"
"""The container's label that holds the digest of its definition."""
_INPUTS_LABEL = "picluster.inputs"
_ANSWERS = ("200", "401")
_ANSWER_SECONDS = 60.0
_RUN_SECONDS = 300.0
_CRASHES = 3


@dataclass(frozen=True, slots=True)
class Definition:
    """All that makes one container another: image, port and volume on the node, TLS, users."""

    image: str
    port: int
    volume: str
    tls: bool
    users: bool

    @property
    def digest(self) -> str:
        """Identify it; the container carries this as a label."""
        text = json.dumps({**asdict(self), "format": _FORMAT}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def url(self) -> str:
        """Where its own node reaches it."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def inputs(self) -> str:
        """Shell that prints a digest of the files that it reads at start."""
        files = [paths.SERVER_PEM] * self.tls + [paths.HTPASSWD] * self.users
        return f"cat {' '.join(files)} </dev/null 2>/dev/null | sha256sum | cut -d' ' -f1"

    @property
    def environment(self) -> dict[str, str]:
        """The registry's settings; it reads them as the lines of its configuration file."""
        settings = {
            "REGISTRY_HTTP_ADDR": f":{paths.CONTAINER_PORT}",
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        }
        if self.tls:
            pem = f"{_INSIDE}/{paths.SERVER_PEM.rsplit('/', 1)[-1]}"
            settings |= {"REGISTRY_HTTP_TLS_CERTIFICATE": pem, "REGISTRY_HTTP_TLS_KEY": pem}
        if self.users:
            settings |= {
                "REGISTRY_AUTH": "htpasswd",
                "REGISTRY_AUTH_HTPASSWD_REALM": _REALM,
                "REGISTRY_AUTH_HTPASSWD_PATH": f"{_INSIDE}/{paths.HTPASSWD.rsplit('/', 1)[-1]}",
            }
        return settings

    def run(self, name: str, options: str = "", **more: str) -> str:
        """Return shell that starts a container of it.

        `options` are further options of `docker run`, as shell; `more` are further settings.
        """
        words = ["--publish", f"{self.port}:{paths.CONTAINER_PORT}"]
        words += ["--volume", f"{self.volume}:{_DATA}"]
        if self.tls or self.users:
            words += ["--volume", f"{paths.SECRETS_DIR}:{_INSIDE}:ro"]
        for key, value in {**self.environment, **more}.items():
            words += ["--env", f"{key}={value}"]
        words.append(self.image)
        return f"docker run --detach --name {name} {options} {' '.join(map(quote, words))}"

    @property
    def code(self) -> str:
        """Shell that prints the HTTP status with which it answers; 000 if it does not."""
        return f"curl -sk -m 5 -o /dev/null -w '%{{http_code}}' {quote(f'{self.url}/v2/')}"

    @property
    def wait(self) -> Wait[Answering]:
        """The wait until it answers."""
        return Wait(
            "waiting until the registry answers",
            f"the registry does not answer at {self.url}",
            ShellProbe("answering", self._look, read_answering),
            answers,
            timeout=_ANSWER_SECONDS,
            fix=f"see what it said last: `docker logs {paths.CONTAINER}` on the node",
            evidence=f"docker logs --tail 15 {paths.CONTAINER} 2>&1",
        )

    @property
    def _look(self) -> str:
        state = "status={{.State.Status}}\nrestarts={{.RestartCount}}\nexit={{.State.ExitCode}}"
        return (
            f'echo "code=$({self.code})"\n'
            f"docker container inspect -f {quote(state)} {paths.CONTAINER} 2>/dev/null || true"
        )


@dataclass(frozen=True, slots=True)
class Answering:
    """How the registry answers, and how its container fares: Docker starts it again and again."""

    code: str
    status: str = ""
    restarts: int = 0
    exit_code: int = 0


def read_answering(seen: Observation) -> Answering:
    """Read what the look printed."""
    answer = Answer(seen)
    return Answering(
        answer.text("code", ""),
        answer.text("status", ""),
        answer.number("restarts", 0),
        answer.number("exit", 0),
    )


def answers(seen: Answering) -> Verdict:
    """Want an answer, be it that a login is missing; see whether the container ends. Pure."""
    if seen.code in _ANSWERS:
        return Done()
    said = f"answers with HTTP {seen.code}" if seen.code.strip("0") else "does not answer yet"
    state = f"the registry {said}; its container is {seen.status or 'not there'}"
    if seen.restarts < _CRASHES:
        return Waiting(state)
    why = f"its container ended {seen.restarts} times, the last time with {seen.exit_code}"
    return Waiting(state, [Lasting("it ends", why, patience=0)])


@dataclass(frozen=True, slots=True)
class RegistryContainer:
    """The container of this definition runs, restarts by itself, and answers."""

    definition: Definition
    name: str = CONTAINER

    @property
    def title(self) -> str:
        """State what is true."""
        return f"the registry runs on port {self.definition.port}"

    def probe(self) -> Script:
        """Ask Docker what the container is, and the registry whether it answers."""
        inspect = "\n".join(
            [
                "id={{.Id}}",
                f'definition={{{{index .Config.Labels "{LABEL}"}}}}',
                f'inputs={{{{index .Config.Labels "{_INPUTS_LABEL}"}}}}',
                "running={{.State.Running}}",
                "restart={{.HostConfig.RestartPolicy.Name}}",
            ]
        )
        return Script(
            f"docker container inspect -f {quote(inspect)} {paths.CONTAINER} 2>/dev/null\n"
            f'echo "inputs_now=$({self.definition.inputs})"\n'
            f'echo "answers=$({self.definition.code} 2>/dev/null)"'
        )

    def decide(self, look: Look) -> Decision:
        """Want it running and answering; made anew only if it is not the one that is wanted."""
        facts = look.own.facts
        replaced = self._why_replaced(look, facts)
        if replaced:
            again = bool(facts.get("id"))
            return self._change(
                f"{'make the container anew' if again else 'start the registry'} on port "
                f"{self.definition.port}{', keeping its data' if again else ''}",
                self._create,
                replaced,
            )
        if facts.get("running") != "true":
            return self._change("start the registry", start_script(), "it stopped")
        if facts.get("answers") not in _ANSWERS:
            restart = f"docker restart -t 10 {paths.CONTAINER}"
            return self._change("restart the registry", restart, "it does not answer")
        return Satisfied(detail=self.definition.url)

    def _why_replaced(self, look: Look, facts: dict[str, str]) -> str:
        if not facts.get("id"):
            return "there is none"
        if facts.get("definition") != self.definition.digest or facts.get("restart") != "always":
            return "it was made from another definition"
        if facts.get("inputs") != facts.get("inputs_now") or look.changing(CERTIFICATE, USERS):
            return "its certificate or its users changed"
        return ""

    def _change(self, summary: str, script: str, reason: str) -> Change:
        return Change(
            summary,
            (Run(script, timeout=_RUN_SECONDS), self.definition.wait),
            reason=reason,
            retry_safe=True,
        )

    @property
    def _create(self) -> str:
        wanted = self.definition
        labels = f'--label {LABEL}={wanted.digest} --label {_INPUTS_LABEL}="$inputs"'
        return f"""
docker stop -t 10 {paths.CONTAINER} >/dev/null 2>&1 || true
docker rm -f {paths.CONTAINER} {paths.COLLECTOR} >/dev/null 2>&1 || true
mkdir -p {quote(wanted.volume)}
inputs=$({wanted.inputs})
{wanted.run(paths.CONTAINER, f"{labels} --restart=always")}
"""


def start_script() -> str:
    """Return shell that starts the container again; a collection cut off may hold its port."""
    return f"""docker rm -f {paths.COLLECTOR} >/dev/null 2>&1 || true
docker start {paths.CONTAINER} >/dev/null"""
