"""Docker on the registry node: installed, told of the registry, enabled and running."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Change, Decision, Diff, Run, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Verdict, Wait, Waiting
from picluster.facts.packages import Programs, programs
from picluster.facts.units import UNITS
from picluster.steps.host.packages import have
from picluster.steps.registry import paths

ENGINE = "docker-engine"
CONFIG = "docker-config"
RUNNING = "docker-running"

_COME_WITH_IT = ("docker.io", "docker-cli", "containerd", "runc", "tini")
_KEY = "insecure-registries"
_START_SECONDS = 180.0
_SETTLE_SECONDS = 30.0

NOTE_PACKAGES = Run(
    shell(__package__, "note_packages", MARK=paths.PACKAGES_MARK, PACKAGES=_COME_WITH_IT)
)


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """A Docker engine is installed: Debian's, or whichever is there already, such as docker-ce."""

    lists_max_age: float
    name: str = ENGINE
    title: str = "a Docker engine is installed"

    def probe(self) -> ShellProbe[Programs]:
        return programs(self.name, ["dockerd"], ["docker.io"])

    def decide(self, look: Look) -> Decision:
        """Want an engine; one that is there is only repaired if its installation was cut off."""
        seen = look.read(self.probe())
        if "dockerd" in seen.found:
            return have([], seen.packages, self.lists_max_age)
        change = have(["docker.io"], seen.packages, self.lists_max_age)
        if not isinstance(change, Change):
            return Blocked(
                "docker.io is installed, and there is no dockerd on the path",
                "repair it: `apt-get install --reinstall docker.io`",
            )
        return replace(change, actions=(NOTE_PACKAGES, *change.actions))


@dataclass(frozen=True, slots=True)
class DockerClient:
    """The `docker` command is there: from Debian 13 on it has a package of its own."""

    lists_max_age: float
    name: str = "docker-client"
    title: str = "the docker command is installed"

    def probe(self) -> ShellProbe[Programs]:
        return programs(self.name, ["docker", "dockerd"], ["docker-cli"])

    def decide(self, look: Look) -> Decision:
        """Want the command once the engine is there, which may have brought it."""
        seen = look.read(self.probe())
        if "docker" in seen.found or "dockerd" not in seen.found:
            return Satisfied()
        return have(["docker-cli"], seen.packages, self.lists_max_age)


@dataclass(frozen=True, slots=True)
class DaemonJson:
    """The text of daemon.json, empty if there is none, and the registries in it that are ours."""

    text: str = ""
    ours: tuple[str, ...] = ()


def _daemon_json(seen: Observation) -> DaemonJson:
    return DaemonJson(seen.content("text") or "", tuple((seen.content("ours") or "").split()))


DAEMON_JSON = ShellProbe(
    CONFIG,
    f'[ ! -e {paths.DAEMON_JSON} ] || echo "text=$(base64 -w0 <{paths.DAEMON_JSON})"\n'
    f'[ ! -e {paths.INSECURE_MARK} ] || echo "ours=$(base64 -w0 <{paths.INSECURE_MARK})"',
    _daemon_json,
)


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """daemon.json lets Docker speak plain HTTP to these registries; the rest is its owner's.

    `insecure` are names as images have them, `host:port`; none is right where the registry has TLS.
    """

    insecure: Sequence[str]
    name: str = CONFIG

    @property
    def title(self) -> str:
        return f"{paths.DAEMON_JSON} knows the cluster's registry"

    def probe(self) -> ShellProbe[DaemonJson]:
        return DAEMON_JSON

    def decide(self, look: Look) -> Decision:
        file = look.read(DAEMON_JSON)
        text, ours = file.text, file.ours
        try:
            present = read_daemon_json(text)
        except ValueError as error:
            return Blocked(
                f"{paths.DAEMON_JSON} cannot be added to: {error}",
                "correct the file (`python3 -m json.tool` names the place), or move it away",
            )
        wanted = with_insecure(present, self.insecure, ours)
        if wanted == present:
            return Satisfied()
        added = _added(present, self.insecure, ours)
        return Change(
            f"write {_KEY} into {paths.DAEMON_JSON}",
            (
                WriteFile(paths.INSECURE_MARK, "".join(f"{name}\n" for name in added)),
                WriteFile(paths.DAEMON_JSON, render_daemon_json(wanted), backup=True),
            ),
            reason="it is missing" if not text else f"{_KEY} differs",
            diff=Diff(text, render_daemon_json(wanted)),
        )


def read_daemon_json(text: str) -> dict[str, Any]:
    """Return daemon.json as data; no text is an empty one. Raises ValueError with what is wrong."""
    if not text.strip():
        return {}
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError("it is not a JSON object")
    names = data.get(_KEY, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"its {_KEY} is not a list of texts")
    return data


def render_daemon_json(data: dict[str, Any]) -> str:
    """Return the text of daemon.json; its keys keep their order."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def with_insecure(
    present: dict[str, Any], wanted: Sequence[str], ours: Collection[str]
) -> dict[str, Any]:
    """Return daemon.json with the wanted registries, and without those of ours no longer wanted."""
    before = present.get(_KEY, [])
    kept = [name for name in before if name in wanted or name not in ours]
    names = [*kept, *(name for name in wanted if name not in kept)]
    if names == before:
        return present
    rest = {key: value for key, value in present.items() if key != _KEY or names}
    return {**rest, _KEY: names} if names else rest


def _added(present: dict[str, Any], wanted: Sequence[str], ours: Collection[str]) -> list[str]:
    """Return which of the wanted ones are ours: those that were not there before we came."""
    return [name for name in wanted if name in ours or name not in present.get(_KEY, [])]


_FORMAT = (
    "{{range $name, $index := .RegistryConfig.IndexConfigs}}"
    '{{if not $index.Secure}}insecure={{$name}}{{"\\n"}}{{end}}{{end}}'
)
_KNOWN = f"docker info -f '{_FORMAT}'"


PROXY = "docker-proxy"
_PROXIES = "".join(
    f'proxy={{{{.{name}}}}}{{{{"\\n"}}}}' for name in ("HTTPProxy", "HTTPSProxy", "NoProxy")
)


@dataclass(frozen=True, slots=True)
class Engine:
    """How systemd has Docker, and the registries that Docker speaks plain HTTP to."""

    enabled: bool
    active: bool
    insecure: frozenset[str] = frozenset()
    proxies: tuple[str, ...] = ()


def _engine(seen: Observation) -> Engine:
    return Engine(
        seen.text("enabled", "") == "enabled",
        seen.text("active", "") == "active",
        known_registries(seen),
        seen.every("proxy"),
    )


ENGINE_STATE = ShellProbe(
    RUNNING,
    f'{UNITS}unit docker; echo "enabled=$enabled"; echo "active=$active"\n'
    f"docker info -f '{_FORMAT}{_PROXIES}' 2>/dev/null || true",
    _engine,
)

RESTART = Run(shell(__package__, "restart_docker"), timeout=_START_SECONDS)
START = Run(shell(__package__, "start_docker"), timeout=_START_SECONDS)


@dataclass(frozen=True, slots=True)
class DockerRunning:
    """Docker runs, starts at boot, and has read what daemon.json says of these registries.

    `proxies` are those that its environment is to have: for HTTP, for HTTPS, and what is reached
    directly; none stands for whatever somebody else gave it.
    """

    insecure: Sequence[str]
    proxies: tuple[str, ...] = ()
    name: str = RUNNING
    title: str = "Docker runs and starts at boot"

    def probe(self) -> ShellProbe[Engine]:
        return ENGINE_STATE

    def decide(self, look: Look) -> Decision:
        engine = look.read(ENGINE_STATE)
        reason = self._reason(look, engine)
        if not reason:
            return Satisfied()
        if engine.active and self._misses_proxy(look, engine):
            return Change(
                "restart Docker", (RESTART, settled(self.insecure)), reason=reason, retry_safe=False
            )
        return Change(
            "let Docker read its configuration" if engine.active else "enable and start Docker",
            (START, settled(self.insecure)),
            reason=reason,
        )

    def _reason(self, look: Look, engine: Engine) -> str:
        if not engine.active:
            return "Docker is still to be installed" if look.changing(ENGINE) else "it is stopped"
        if not engine.enabled:
            return "it would not start at boot"
        if look.changing(CONFIG) or not engine.insecure.issuperset(self.insecure):
            return f"it has not read {paths.DAEMON_JSON} since that changed"
        return "its proxy changes" if self._misses_proxy(look, engine) else ""

    def _misses_proxy(self, look: Look, engine: Engine) -> bool:
        """Whether its environment is another one, which only a start reads."""
        return look.changing(PROXY) or (bool(self.proxies) and engine.proxies != self.proxies)


@dataclass(frozen=True, slots=True)
class KnowsOf:
    """Judges whether Docker has read of all these registries."""

    names: tuple[str, ...]

    def __call__(self, known: frozenset[str]) -> Verdict:
        """Want every one of them to be known."""
        missing = [name for name in self.names if name not in known]
        return Waiting(f"Docker has not read of {', '.join(missing)} yet") if missing else Done()


def settled(insecure: Sequence[str]) -> Wait[frozenset[str]]:
    """Return the wait until Docker has read of these registries."""
    return Wait(
        "waiting until Docker has read its configuration",
        "Docker runs and has not read its configuration",
        ShellProbe("known-registries", f"{_KNOWN} 2>/dev/null || true", known_registries),
        KnowsOf(tuple(insecure)),
        timeout=_SETTLE_SECONDS,
        fix=f"`systemctl restart docker` on the node reads {paths.DAEMON_JSON} anew",
        evidence="journalctl --no-pager -o cat -n 15 -u docker",
    )


def known_registries(seen: Observation) -> frozenset[str]:
    """Read the registries that Docker speaks plain HTTP to."""
    return frozenset(seen.every("insecure"))
