"""The registry leaves its node: what picluster brought goes, and what was there before stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.shell import shell
from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Diff,
    Inferred,
    Risk,
    Run,
    Satisfied,
    Step,
    WriteFile,
)
from picluster.engine.survey import Look
from picluster.steps.data_directories import OF_REGISTRY, REGISTRY_MARK, DataDeleted, DataKept
from picluster.steps.registry import paths
from picluster.steps.registry.docker import (
    DAEMON_JSON,
    DaemonJson,
    read_daemon_json,
    render_daemon_json,
    with_insecure,
)

GONE = "registry-gone"
RESTORED = "docker-config-restored"

_STOP_SECONDS = 180.0
_PURGE_SECONDS = 900.0


def removal(volume: str, registries: Sequence[str], *, data: bool) -> list[Step]:
    """Return the steps that take a registry off its node, in order.

    `volume` is where its images are, `registries` the names (`host:port`) it was known by. With
    `data` the images are deleted too.
    """
    return [
        RegistryGone(),
        DataDeleted("the registry's images", volume, OF_REGISTRY, REGISTRY_MARK)
        if data
        else DataKept("the registry's images", volume),
        *docker_removal(registries),
    ]


def docker_removal(registries: Sequence[str]) -> list[Step]:
    """Return the steps that take the Docker that picluster installed off a node, in order."""
    own = [paths.SECRETS_DIR, paths.STATE_DIR, paths.WORKSHOP, *certificate_directories(registries)]
    return [DaemonConfigRestored(), DockerGone(), FilesGone(own)]


def certificate_directories(registries: Sequence[str]) -> list[str]:
    """Return where Docker looks for the authority of each registry."""
    return [f"{paths.CERTS_D}/{name}" for name in registries]


_OURS = (paths.CONTAINER, paths.COLLECTOR)
OUR_CONTAINERS = ShellProbe(
    GONE,
    "docker ps -a --format 'container={{.Names}}' 2>/dev/null "
    f"| grep -xE 'container=({paths.CONTAINER}|{paths.COLLECTOR})' || true",
    lambda seen: seen.every("container"),
)


@dataclass(frozen=True, slots=True)
class RegistryLeaves(Inferred):
    """The user knows that the cluster's registry goes with the node that it is on."""

    node: str
    name: str = "registry-leaves"
    title: str = "the registry is on no node that goes"

    def decide(self, look: Look) -> Decision:
        """Say what that means; its images can be made again."""
        return Satisfied(
            warning=f"the registry is on {self.node}: until `picluster up` brings it up again, no "
            "pod starts on a node that has not its image"
        )


@dataclass(frozen=True, slots=True)
class RegistryGone:
    """There is no container of the registry; its images on disk are not touched."""

    name: str = GONE
    title: str = "the registry's container is gone"

    def probe(self) -> ShellProbe[tuple[str, ...]]:
        return OUR_CONTAINERS

    def decide(self, look: Look) -> Decision:
        found = [name for name in _OURS if name in look.read(OUR_CONTAINERS)]
        if not found:
            return Satisfied()
        return Change(
            f"stop and remove {', '.join(found)}",
            (
                Run(
                    f"docker stop -t 10 {' '.join(found)} >/dev/null || true\n"
                    f"docker rm -f {' '.join(found)} >/dev/null",
                    timeout=_STOP_SECONDS,
                ),
            ),
            reason="the registry is removed",
        )


@dataclass(frozen=True, slots=True)
class DaemonConfigRestored:
    """daemon.json has nothing of ours; one that then says nothing at all goes."""

    name: str = RESTORED
    title: str = f"{paths.DAEMON_JSON} is as it was before picluster"

    def probe(self) -> ShellProbe[DaemonJson]:
        return DAEMON_JSON

    def decide(self, look: Look) -> Decision:
        file = look.read(DAEMON_JSON)
        text = file.text
        try:
            present = read_daemon_json(text)
        except ValueError as error:
            return Blocked(
                f"{paths.DAEMON_JSON} cannot be read: {error}", "correct the file, or move it away"
            )
        wanted = with_insecure(present, (), file.ours)
        if wanted == present:
            return Satisfied()
        after = render_daemon_json(wanted) if wanted else ""
        write = WriteFile(paths.DAEMON_JSON, after) if after else Run(f"rm -f {paths.DAEMON_JSON}")
        return Change(
            f"take picluster's registries out of {paths.DAEMON_JSON}",
            (
                write,
                Run(
                    f"rm -f {paths.INSECURE_MARK} {paths.DAEMON_JSON}.picluster-backup\n"
                    "! systemctl is-active --quiet docker || systemctl reload docker"
                ),
            ),
            reason="the registry is removed",
            diff=Diff(text, after),
        )


@dataclass(frozen=True, slots=True)
class OurDocker:
    """The packages that came with Docker and are still there, and containers that are others'."""

    packages: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


OUR_DOCKER = ShellProbe(
    "docker-gone",
    shell(
        __package__,
        "docker_leftovers",
        MARK=paths.PACKAGES_MARK,
        OURS=f"^({paths.CONTAINER}|{paths.COLLECTOR})$",
    ),
    lambda seen: OurDocker(seen.every("package"), seen.every("other")),
)


@dataclass(frozen=True, slots=True)
class DockerGone:
    """Docker is gone if picluster installed it, and nobody else uses it.

    Its packages are those that came with it; what was there before stays.
    """

    name: str = "docker-gone"
    title: str = "the Docker that picluster installed is gone"

    def probe(self) -> ShellProbe[OurDocker]:
        return OUR_DOCKER

    def decide(self, look: Look) -> Decision:
        """Want our packages purged, with what Docker stored; unless others have containers."""
        found = look.read(OUR_DOCKER)
        packages, others = found.packages, found.others
        if not packages:
            return Satisfied()
        if others:
            return Satisfied(warning=f"Docker stays: it also runs {', '.join(sorted(others))}")
        return Change(
            f"remove {', '.join(packages)}, and what Docker stored",
            (purging(packages),),
            reason="picluster installed it",
            risk=Risk.DATA_LOSS,
        )


def purging(packages: Sequence[str]) -> Run:
    """Return what takes Docker's packages and all that it stored off a node."""
    script = shell(__package__, "purge_docker", PACKAGES=tuple(packages))
    return Run(script, timeout=_PURGE_SECONDS)


# What is left in these is somebody else's, such as a daemon.json from before.
_TIDY = (
    f"for directory in {paths.CERTS_D} {PurePosixPath(paths.CERTS_D).parent} "
    f"{PurePosixPath(paths.SECRETS_DIR).parent} {PurePosixPath(paths.STATE_DIR).parent}; "
    "do rmdir $directory 2>/dev/null || true; done"
)


@dataclass(frozen=True, slots=True)
class FilesGone:
    """The registry's certificates, users and notes are gone from the node."""

    paths: Sequence[str]
    name: str = "registry-files"
    title: str = "the registry's certificates, users and notes are gone"

    def probe(self) -> ShellProbe[tuple[str, ...]]:
        listed = " ".join(quote(path) for path in self.paths)
        text = f'for path in {listed}; do [ ! -e "$path" ] || echo "path=$path"; done'
        return ShellProbe(self.name, text, lambda seen: seen.every("path"))

    def decide(self, look: Look) -> Decision:
        there = look.read(self.probe())
        found = [path for path in self.paths if path in there]
        if not found:
            return Satisfied()
        return Change(
            f"remove {', '.join(found)}",
            (Run(f"rm -rf {' '.join(map(quote, found))}\n{_TIDY}"),),
            reason="the registry is removed",
        )
