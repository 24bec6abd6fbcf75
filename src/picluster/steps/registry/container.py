"""The registry's container: made anew only when its definition changes, and its data kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.shell import shell
from picluster.engine.step import Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Lasting, Verdict, Wait, Waiting
from picluster.model import Registry
from picluster.steps.data_directories import REGISTRY_MARK
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

    @classmethod
    def of(cls, wanted: Registry) -> Definition:
        """Return what it is to be by the cluster file."""
        users = wanted.username is not None
        return cls(wanted.image, wanted.port, wanted.volume, wanted.tls, users)

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
        """Shell that sets `inputs` to a digest of the files that it reads at start."""
        files = [paths.SERVER_PEM] * self.tls + [paths.HTPASSWD] * self.users
        if not files:
            return f"inputs={hashlib.sha256().hexdigest()}"
        # Of one file without `cat`: each program is a process, at every look.
        digest = (
            f"sha256sum <{files[0]}" if len(files) == 1 else f"cat {' '.join(files)} | sha256sum"
        )
        return f"{{ inputs=$({digest}); }} 2>/dev/null; inputs=${{inputs%% *}}"

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
    status: str
    restarts: int
    exit_code: int


def read_answering(seen: Observation) -> Answering:
    """Read what the look printed."""
    return Answering(
        seen.text("code", ""),
        seen.text("status", ""),
        seen.number("restarts", 0),
        seen.number("exit", 0),
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
class Container:
    """The registry's container as Docker has it, and the status that it answers with.

    `inputs` are digests of the files that it reads at start: of then, and of now.
    """

    exists: bool
    definition: str
    inputs: str
    inputs_now: str
    running: bool
    restart: str
    answers: str


def _container(seen: Observation) -> Container:
    return Container(
        exists=bool(seen.text("id", "")),
        definition=seen.text("definition", ""),
        inputs=seen.text("inputs", ""),
        inputs_now=seen.text("inputs_now", ""),
        running=seen.text("running", "") == "true",
        restart=seen.text("restart", ""),
        answers=seen.text("answers", ""),
    )


@dataclass(frozen=True, slots=True)
class RegistryContainer:
    """The container of this definition runs, restarts by itself, and answers."""

    definition: Definition
    name: str = CONTAINER

    @property
    def title(self) -> str:
        return f"the registry runs on port {self.definition.port}"

    def probe(self) -> ShellProbe[Container]:
        inspect = "\n".join(
            [
                "id={{.Id}}",
                f'definition={{{{index .Config.Labels "{LABEL}"}}}}',
                f'inputs={{{{index .Config.Labels "{_INPUTS_LABEL}"}}}}',
                "running={{.State.Running}}",
                "restart={{.HostConfig.RestartPolicy.Name}}",
            ]
        )
        text = (
            f"docker container inspect -f {quote(inspect)} {paths.CONTAINER} 2>/dev/null\n"
            f'{self.definition.inputs}\necho "inputs_now=$inputs"\n'
            f'echo "answers=$({self.definition.code} 2>/dev/null)"'
        )
        return ShellProbe(self.name, text, _container)

    def decide(self, look: Look) -> Decision:
        seen = look.read(self.probe())
        replaced = self._why_replaced(look, seen)
        if replaced:
            return self._change(
                f"{'make the container anew' if seen.exists else 'start the registry'} on port "
                f"{self.definition.port}{', keeping its data' if seen.exists else ''}",
                creation(self.definition),
                replaced,
            )
        if not seen.running:
            return self._change("start the registry", START, "it stopped")
        if seen.answers not in _ANSWERS:
            return self._change("restart the registry", RESTART, "it does not answer")
        return Satisfied(detail=self.definition.url)

    def _why_replaced(self, look: Look, seen: Container) -> str:
        if not seen.exists:
            return "there is none"
        if seen.definition != self.definition.digest or seen.restart != "always":
            return "it was made from another definition"
        if seen.inputs != seen.inputs_now or look.changing(CERTIFICATE, USERS):
            return "its certificate or its users changed"
        return ""

    def _change(self, summary: str, action: Run, reason: str) -> Change:
        return Change(summary, (action, self.definition.wait), reason=reason)


def creation(wanted: Definition) -> Run:
    """Return what makes the container of a definition, in the place of any other."""
    labels = f'--label {LABEL}={wanted.digest} --label {_INPUTS_LABEL}="$inputs"'
    script = shell(
        __package__,
        "create_container",
        CONTAINER=paths.CONTAINER,
        STAND_IN=paths.COLLECTOR,
        VOLUME=wanted.volume,
        MARK=REGISTRY_MARK,
        INPUTS=wanted.inputs,
        START=wanted.run(paths.CONTAINER, f"{labels} --restart=always"),
    )
    return Run(script, timeout=_RUN_SECONDS)


# A collection that was cut off may hold its port.
START = Run(
    f"docker rm -f {paths.COLLECTOR} >/dev/null 2>&1 || true\n"
    f"docker start {paths.CONTAINER} >/dev/null",
    timeout=_RUN_SECONDS,
)
RESTART = Run(f"docker restart -t 10 {paths.CONTAINER}", timeout=_RUN_SECONDS)
