"""The registry leaves its node: what picluster brought goes, and what was there before stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from picluster.engine.quote import quote
from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Diff,
    Risk,
    Run,
    Satisfied,
    Script,
    Step,
    WriteFile,
)
from picluster.engine.survey import Look
from picluster.steps.data import DataDeleted, DataKept
from picluster.steps.host.text import decoded
from picluster.steps.images.workshop import ROOT
from picluster.steps.registry import paths
from picluster.steps.registry.docker import (
    DaemonConfig,
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
        DataDeleted("the registry's images", volume)
        if data
        else DataKept("the registry's images", volume),
        *docker_removal(registries),
    ]


def docker_removal(registries: Sequence[str]) -> list[Step]:
    """Return the steps that take the Docker that picluster installed off a node, in order."""
    own = [paths.SECRETS_DIR, paths.STATE_DIR, ROOT, *certificate_directories(registries)]
    return [DaemonConfigRestored(), DockerGone(), FilesGone(own)]


def certificate_directories(registries: Sequence[str]) -> list[str]:
    """Return where Docker looks for the authority of each registry."""
    return [f"{paths.CERTS_D}/{name}" for name in registries]


@dataclass(frozen=True, slots=True)
class RegistryGone:
    """There is no container of the registry; its images on disk are not touched."""

    name: str = GONE
    title: str = "the registry's container is gone"

    def probe(self) -> Script:
        """List our containers."""
        names = "|".join((paths.CONTAINER, paths.COLLECTOR))
        return Script(
            f"docker ps -a --format 'container={{{{.Names}}}}' 2>/dev/null "
            f"| grep -xE 'container=({names})' || true"
        )

    def decide(self, look: Look) -> Decision:
        """Want none."""
        found = [line.removeprefix("container=") for line in look.own.lines if line]
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
            retry_safe=True,
        )


@dataclass(frozen=True, slots=True)
class DaemonConfigRestored:
    """daemon.json has nothing of ours; one that then says nothing at all goes."""

    name: str = RESTORED
    title: str = f"{paths.DAEMON_JSON} is as it was before picluster"

    def probe(self) -> Script:
        """Read the file, and what of it is ours."""
        return DaemonConfig(()).probe()

    def decide(self, look: Look) -> Decision:
        """Want what we added out of it, and every other key as it is now."""
        facts = look.own.facts
        text = decoded(facts.get("text", ""))
        try:
            present = read_daemon_json(text)
        except ValueError as error:
            return Blocked(
                f"{paths.DAEMON_JSON} cannot be read: {error}", "correct the file, or move it away"
            )
        wanted = with_insecure(present, (), decoded(facts.get("ours", "")).split())
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
            retry_safe=True,
        )


@dataclass(frozen=True, slots=True)
class DockerGone:
    """Docker is gone if picluster installed it, and nobody else uses it.

    Its packages are those that came with it; what was there before stays.
    """

    name: str = "docker-gone"
    title: str = "the Docker that picluster installed is gone"

    def probe(self) -> Script:
        """Read what came with Docker and is still there, and which containers others have."""
        ours = f"^({paths.CONTAINER}|{paths.COLLECTOR})$"
        return Script(
            f"[ -s {paths.PACKAGES_MARK} ] || exit 0\n"
            f"for package in $(cat {paths.PACKAGES_MARK}); do\n"
            "  state=$(dpkg-query -W -f='${db:Status-Status}' \"$package\" 2>/dev/null)\n"
            '  case $state in ""|not-installed) ;; *) echo "package=$package" ;; esac\n'
            "done\n"
            f"docker ps -a --format '{{{{.Names}}}}' 2>/dev/null | grep -vE {quote(ours)} "
            "| sed 's/^/other=/'"
        )

    def decide(self, look: Look) -> Decision:
        """Want our packages purged, with what Docker stored; unless others have containers."""
        lines = look.own.lines
        packages = [line.removeprefix("package=") for line in lines if line.startswith("package=")]
        others = [line.removeprefix("other=") for line in lines if line.startswith("other=")]
        if not packages:
            return Satisfied()
        if others:
            return Satisfied(warning=f"Docker stays: it also runs {', '.join(sorted(others))}")
        return Change(
            f"remove {', '.join(packages)}, and what Docker stored",
            (Run(_PURGE.format(packages=" ".join(map(quote, packages))), timeout=_PURGE_SECONDS),),
            reason="picluster installed it",
            risk=Risk.DATA_LOSS,
            retry_safe=True,
        )


# Docker's chains stay behind in the kernel, and its bridge. Only lines that name them are left out:
# all other rules of the host are put back as they are.
_PURGE = """
systemctl stop docker.socket docker containerd 2>/dev/null || true
export DEBIAN_FRONTEND=noninteractive
apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 purge {packages}
for directory in /var/lib/docker /var/lib/containerd; do
  [ ! -d $directory ] || find $directory -mindepth 1 -delete
  rmdir $directory 2>/dev/null || true
done
rm -rf /run/docker /etc/docker/key.json
if command -v iptables-save >/dev/null; then
  for kind in iptables ip6tables; do
    $kind-save 2>/dev/null | grep -vE 'DOCKER|docker0' | $kind-restore 2>/dev/null || true
  done
fi
ip link delete docker0 2>/dev/null || true
"""


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

    def probe(self) -> Script:
        """See which are there."""
        listed = " ".join(quote(path) for path in self.paths)
        return Script(f'for path in {listed}; do [ ! -e "$path" ] || echo "path=$path"; done')

    def decide(self, look: Look) -> Decision:
        """Want none of them."""
        found = [line.removeprefix("path=") for line in look.own.lines if line[:5] == "path="]
        if not found:
            return Satisfied()
        return Change(
            f"remove {', '.join(found)}",
            (Run(f"rm -rf {' '.join(map(quote, found))}\n{_TIDY}"),),
            reason="the registry is removed",
            retry_safe=True,
        )
