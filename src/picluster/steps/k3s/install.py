"""K3s of the wanted version on the node, put there by its own install script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from picluster.causes.cause import Cause
from picluster.engine.place import Place
from picluster.engine.shell import shell
from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Inferred,
    Risk,
    Run,
    Satisfied,
    WriteFile,
)
from picluster.engine.survey import Look
from picluster.model.releases import ladder, parse_version, reasons
from picluster.steps.k3s import paths
from picluster.steps.k3s.artifacts import BINARY_NAMES, INSTALL_SCRIPT, Artifact, Artifacts
from picluster.steps.k3s.nodes import seen_nodes
from picluster.steps.k3s.state import STATE, K3sState
from picluster.steps.spread import Spread

STAGED = "k3s-staged"
INSTALLED = "k3s-installed"


def refuse_version_step(installed: str, wanted: str) -> Blocked | None:
    """Refuse what Kubernetes and etcd do not survive: going back, and leaving out a stop.

    https://docs.k3s.io/upgrades says so; etcd's data cannot be read by an older K3s.
    """
    old, new = parse_version(installed), parse_version(wanted)
    if old is None or new is None:
        return None
    if new < old:
        return Blocked(
            f"K3s {installed} is installed, and going back to {wanted} is not possible",
            f"set k3s.version to {installed} or newer",
        )
    way = ladder(installed, wanted)
    if not way:
        return Blocked(
            f"going from K3s {installed} to {wanted} would skip a minor version",
            f"go through v{old[0]}.{old[1] + 1} first",
        )
    if len(way) > 1:
        return Blocked(
            f"K3s cannot go from {installed} to {wanted} at once: "
            f"{'; '.join(reasons(installed, wanted))}",
            f"`picluster upgrade` goes there by way of {', '.join(way[:-1])}",
        )
    return None


@dataclass(frozen=True, slots=True)
class StageRelease:
    """Put a release for a processor on the node: the binary, the install script, the images."""

    version: str
    arch: str

    @property
    def title(self) -> str:
        return f"staging K3s {self.version}"

    def perform(self, place: Place) -> None:
        """Get it, once for all nodes, and send it. Raises `StepFailed`, `ActionFailed`."""
        artifacts, progress = place.tools.get(Artifacts).of(self.version), place.progress
        binary = artifacts.binary(self.arch, progress.report)
        script = artifacts.install_script(progress.report)
        images = artifacts.images(self.arch)
        staging = paths.STAGING_DIR
        # Once it is installed, it lies there no more.
        _send(binary, f"{staging}/k3s", 0o755, moved=paths.BINARY).perform(place)
        _send(script, f"{staging}/install.sh", 0o700).perform(place)
        if images is not None:
            _send(images, f"{paths.IMAGES_DIR}/{images.path.name}").perform(place)


def _send(artifact: Artifact, path: str, mode: int = 0o644, moved: str = "") -> Spread:
    return Spread(artifact.path, path, artifact.sha256, mode, moved)


@dataclass(frozen=True, slots=True)
class Staged(Inferred):
    """The wanted K3s lies on the node, verified, before anything is restarted for it.

    `warning` is what the user is to know about where it comes from. With an air-gap `directory`,
    that is the only place, and `files` are the names of what is in it.
    """

    version: str
    warning: str = ""
    directory: Path | None = None
    files: frozenset[str] = frozenset()
    name: str = STAGED

    @property
    def title(self) -> str:
        return f"K3s {self.version} is on the node"

    def decide(self, look: Look) -> Decision:
        state = look.read(STATE)
        if self.version in (state.version, state.staged) and state.installer:
            return Satisfied()
        refusal = refuse_version_step(state.version, self.version)
        if refusal and state.used:
            return refusal
        # For what is no processor of K3s's, staging has words of its own.
        wanted = (INSTALL_SCRIPT, f"sha256sum-{state.arch}.txt", BINARY_NAMES.get(state.arch, ""))
        missing = [name for name in wanted if name not in self.files]
        if self.directory is not None and missing and state.arch in BINARY_NAMES:
            return Blocked(
                f"the air-gap directory {self.directory} has no {', '.join(missing)}",
                f"put the files of K3s {self.version} there, as docs/air-gap.md lists",
            )
        reason = f"{state.version} is installed" if state.version else "K3s is not installed"
        return Change(
            f"put K3s {self.version} on the node",
            (StageRelease(self.version, state.arch), check_staged(self.version)),
            reason=f"{reason}; {self.warning}" if self.warning else reason,
        )


_WRONG_PROCESSOR = Cause(
    r"exec format error",
    "the binary is for another processor than the node's",
    "put the binary for the node's processor there (k3s for amd64, k3s-arm64 for arm64)",
)


def check_staged(version: str) -> Run:
    """Return what refuses a binary of another release than its place said it was."""
    script = shell(__package__, "check_staged", STAGING_DIR=paths.STAGING_DIR, VERSION=version)
    return Run(script, causes=(_WRONG_PROCESSOR,))


@dataclass(frozen=True, slots=True)
class Installed(Inferred):
    """The staged K3s is installed as a service: its binary, unit, tools and uninstall script.

    `before` are the servers that must have the version first: an agent may be older than a server,
    never newer (https://kubernetes.io/releases/version-skew-policy/). `enable`: it is
    to start at boot.
    """

    role: str
    version: str
    timeout: float
    before: Sequence[str] = ()
    enable: bool = True
    name: str = INSTALLED

    @property
    def title(self) -> str:
        return f"K3s {self.version} is installed as a service"

    def decide(self, look: Look) -> Decision:
        if look.changing(INSTALLED):
            return Satisfied()
        state = look.read(STATE)
        unit = paths.unit(self.role)
        if state.unit and state.unit != unit:
            return Blocked(
                f"K3s runs here as {state.unit}, and the file makes this node's role {self.role}",
                f"uninstall it on the node first ({state.unit}-uninstall.sh), or change the role",
            )
        installed = state.version == self.version and state.unit == unit and state.recorder
        # What was installed ahead of its turn, by a run that was cut off, has not joined yet.
        older = [] if installed and state.used else self.older_servers(look)
        if installed and not older:
            return Satisfied()
        if older:
            return Blocked(
                f"an agent would be newer than {', '.join(older)}",
                "upgrade the servers first: leave --limit out, or repair what keeps them from it",
                missing=tuple(each for each in older if look.find(STATE, each) is None),
            )
        return Change(
            f"install K3s {self.version} as {unit}.service",
            (
                RECORDER,
                WriteFile(paths.drop_in(self.role), _drop_in(unit)),
                Run(
                    _install_script(self.role, self.version, enable=self.enable),
                    timeout=self.timeout,
                ),
            ),
            reason=self._reason(state),
            risk=Risk.RESTART if state.active else Risk.NONE,
        )

    def older_servers(self, look: Look) -> list[str]:
        """Return the servers with an older K3s that does not change before this node's does."""
        wanted = parse_version(self.version)
        # One that was not seen is in the cluster all the same, at its version there.
        found = {name: node.version for name, node in (seen_nodes(look) or {}).items()}
        found |= {name: seen.version for name, seen in look.every(STATE).items() if seen.used}
        return [
            server
            for server in self.before
            if (server, INSTALLED) not in look.planned
            and (old := parse_version(found.get(server, ""))) is not None
            and wanted is not None
            and old < wanted
        ]

    def _reason(self, state: K3sState) -> str:
        if state.version and state.version != self.version:
            return f"{state.version} is installed"
        return "an earlier installation is incomplete" if state.version else "it is not installed"


@dataclass(frozen=True, slots=True)
class InstalledBeforehand(Inferred):
    """K3s is a service of a node that never had it, before it is its turn to join.

    All nodes do that at once; what is left for the turn is the start. The unit is not enabled: a
    server that booted without its configuration would begin a cluster of its own.
    """

    installed: Installed
    name: str = INSTALLED

    @property
    def title(self) -> str:
        return self.installed.title

    def decide(self, look: Look) -> Decision:
        """Want it on a bare node alone; what is to change on another waits for its turn."""
        state = look.read(STATE)
        # An agent that is newer than a server must not find itself installed at its turn.
        if state.version or state.unit or state.used or self.installed.older_servers(look):
            return Satisfied()
        return replace(self.installed, before=(), enable=False).decide(look)


_RECORDER_TEXT = f"""#!/bin/sh
# Notes what K3s reads at start, so that picluster can tell later whether it is still the same; and
# K3s's version, which need not be asked for then.
mkdir -p {paths.LOADED_DIR} &&
  {{ {paths.FINGERPRINT}; {paths.BINARY} --version; }} >{paths.LOADED_DIR}/"$1".loaded
"""


RECORDER = WriteFile(paths.RECORDER, _RECORDER_TEXT, 0o755)


def _drop_in(unit: str) -> str:
    # The minus sign lets K3s start even if the note cannot be taken.
    return f"[Service]\nExecStartPre=-{paths.RECORDER} {unit}\n"


def _install_script(role: str, version: str, *, enable: bool) -> str:
    return shell(
        __package__,
        "keep_proxies",
        "install_staged",
        BINARY=paths.BINARY,
        ROLE=role,
        SKIP_ENABLE=str(not enable).lower(),
        STAGING_DIR=paths.STAGING_DIR,
        UNIT=paths.unit(role),
        VERSION=version,
    )
