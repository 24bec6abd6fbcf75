"""Which releases a cluster file asks for, which run, and which are known or published."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picluster import commands
from picluster.apps.longhorn.release import InstalledLonghorn
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Fact
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import PiclusterError, StepFailed
from picluster.model import Cluster
from picluster.model.releases import DEFAULTS, KNOWN, Published, ladder, parse_version
from picluster.site import Site
from picluster.steps.download import MOST_TEXT, download

LONGHORN = InstalledLonghorn()


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One component. `key` is its name in releases.toml.

    `wanted` is empty for what the file does without; `running` is what was seen, oldest first, and
    empty where nobody could be asked or it cannot be told. `way` leads from the oldest that runs to
    the newest that is known.
    """

    key: str
    title: str
    wanted: str
    known: str
    running: tuple[str, ...] = ()
    way: tuple[str, ...] = ()


def releases(site: Site) -> list[VersionRow]:
    """Ask the cluster, if there is one that answers, and compare."""

    def build(_: Site, absent: frozenset[str]) -> Iterator[Phase]:
        fact = Fact(LONGHORN.name, "the release of Longhorn is known", LONGHORN)
        yield Phase("versions", "which releases run", (Stage("API", {CLUSTER: [fact]}),))

    try:
        survey = commands.plan(site, build).plans[0].survey
        nodes = site.api.nodes() or {}
    except PiclusterError:
        return rows(site.cluster, (), "")
    longhorn = Look(CLUSTER, LONGHORN.name, survey).find(LONGHORN)
    running = {state.version for state in nodes.values() if parse_version(state.version)}
    oldest_first = sorted(running, key=lambda version: parse_version(version) or ())
    return rows(site.cluster, tuple(oldest_first), longhorn.release if longhorn else "")


def rows(cluster: Cluster, k3s: tuple[str, ...], longhorn: str) -> list[VersionRow]:
    """Put together what is asked for, what runs, and what is known; pure."""
    newest = KNOWN.newest[max(KNOWN.newest)]
    ots, rancher, storage, vip = (
        cluster.opentakserver,
        cluster.rancher,
        cluster.longhorn,
        cluster.k3s.vip,
    )
    way = ladder(k3s[0], newest) if k3s and k3s[0] != newest else ()
    wanted = [
        ("kube_vip", "kube-vip", vip.image.rpartition(":")[2] if vip else ""),
        ("longhorn", "Longhorn", storage.version if storage else ""),
        ("opentakserver", "OpenTAKServer", ots.version if ots else ""),
        ("opentakserver_ui", "OpenTAKServer-UI", ots.ui.version if ots else ""),
        ("cert_manager", "cert-manager", rancher.cert_manager_version if rancher else ""),
        ("rancher", "Rancher", rancher.version if rancher else ""),
    ]
    return [
        VersionRow("k3s", "K3s", cluster.k3s.version, newest, k3s, way),
        *(
            VersionRow(
                key,
                title,
                release,
                DEFAULTS[key],
                (longhorn,) if key == "longhorn" and longhorn else (),
            )
            for key, title, release in wanted
        ),
    ]


def current(fetch: Callable[[str], Any] | None = None) -> dict[str, str]:
    """Return which releases are current, by key; those whose publisher cannot be asked lack."""
    found = {key: _current(each, fetch or _document) for key, each in KNOWN.published.items()}
    return {key: release for key, release in found.items() if release}


def _current(published: Published, fetch: Callable[[str], Any]) -> str:
    try:
        said = fetch(published.url)
        if published.channel:
            listed = {each["id"]: each["latest"] for each in said["data"] if "latest" in each}
            return str(listed[published.channel])
        return str(said["tag_name"])
    except (StepFailed, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _document(url: str) -> Any:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "answer.json"
        download(url, path, _say_nothing, most=MOST_TEXT)
        return json.loads(path.read_bytes())


def _say_nothing(_: str) -> None:
    """Nobody waits for these few bytes."""
