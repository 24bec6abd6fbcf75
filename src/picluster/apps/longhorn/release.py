"""Longhorn goes to the next minor release, never over one, and never back."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picluster.apps.longhorn.manifest import NAMESPACE
from picluster.engine.place import Tools
from picluster.engine.step import Blocked, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.kube.errors import ApiUnavailable, NotFound
from picluster.kube.reach import api_of
from picluster.model.releases import KNOWN

_MANAGER = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/longhorn-manager"
_RELEASE = re.compile(r"v([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\Z")


@dataclass(frozen=True, slots=True)
class LonghornInstalled:
    """The release of Longhorn's manager in the cluster; empty if there is none, or no API."""

    release: str = ""


@dataclass(frozen=True, slots=True)
class InstalledLonghorn:
    """Which Longhorn runs."""

    name: str = "longhorn-release"
    secret: bool = False

    def ask(self, tools: Tools) -> LonghornInstalled:
        try:
            manager = api_of(tools).call("GET", _MANAGER)
        except (ApiUnavailable, NotFound):
            return LonghornInstalled()
        images = [each["image"] for each in manager["spec"]["template"]["spec"]["containers"]]
        tags = [image.rpartition(":")[2] for image in images]
        return LonghornInstalled(next((tag for tag in tags if _RELEASE.match(tag)), ""))


@dataclass(frozen=True, slots=True)
class NextRelease:
    """The wanted release may follow the one that runs.

    Longhorn's manager refuses to start otherwise, and goes back no more once it has changed what
    volumes are described by (https://longhorn.io/docs/1.12.1/deploy/upgrade/).
    """

    wanted: str
    name: str = "longhorn-next"

    @property
    def title(self) -> str:
        return f"Longhorn can become {self.wanted}"

    def probe(self) -> InstalledLonghorn:
        return InstalledLonghorn()

    def decide(self, look: Look) -> Decision:
        running = look.read(self.probe()).release
        here, there = _RELEASE.match(running), _RELEASE.match(self.wanted)
        if here is None or there is None:
            return Satisfied()
        old, new = ([int(part) for part in each.groups()] for each in (here, there))
        if new < old:
            return Blocked(
                f"Longhorn {running} runs, and it does not go back to {self.wanted}",
                f"set longhorn.version to {running} or newer",
            )
        if new[0] != old[0] or new[1] - old[1] > 1:
            following = KNOWN.newest_longhorn.get((old[0], old[1] + 1), f"v{old[0]}.{old[1] + 1}")
            return Blocked(
                f"Longhorn {running} runs, and it goes one minor release at a time, not to "
                f"{self.wanted}",
                f"set longhorn.version to {following} first, and wait until its volumes are "
                "healthy and their engines upgraded",
            )
        return Satisfied()
