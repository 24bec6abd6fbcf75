"""What goes into a bug report: the file, the last runs, every node and the cluster. Read-only."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picluster import commands
from picluster.engine.journal import recorded_runs
from picluster.engine.phase import Phase, Stage
from picluster.engine.place import Tools
from picluster.engine.step import Fact
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import NodeError, PiclusterError
from picluster.kube.api import Object
from picluster.kube.reach import api_of
from picluster.local_files import create
from picluster.model import Setting
from picluster.secret import MASK
from picluster.site import Site
from picluster.steps.evidence import EVIDENCE, named_secret, scrubbed

_RUNS = 5
_PATHS = {
    "nodes.json": "/api/v1/nodes",
    "events.json": "/api/v1/events",
    "pods.json": "/api/v1/pods",
    "volumes.json": "/api/v1/persistentvolumeclaims",
}


def gather(site: Site) -> dict[str, str]:
    """Return the bundle's files by name, scrubbed; what could not be had is told in MISSING.txt."""
    files, missing = dict(_runs(site)), []
    try:
        seen = commands.plan(site, _phases)
        survey, unreached = seen.plans[0].survey, seen.unreached
    except NodeError as error:
        survey, unreached = {}, site.sessions.away
        missing.append(f"no node: {error}")
    for node in site.cluster.nodes:
        evidence = Look(node.name, EVIDENCE.name, survey).find(EVIDENCE)
        if evidence is not None:
            files[f"nodes/{node.name}.txt"] = evidence.text
        else:
            missing.append(str(unreached.get(node.name, f"{node.name}: it was not looked at")))
    answers = Look(CLUSTER, ANSWERS.name, survey).find(ANSWERS) or ClusterAnswers({})
    files |= {f"cluster/{name}": text for name, text in answers.texts.items()}
    missing += [] if answers.texts else ["the cluster: its API does not answer"]
    files["NOTICES.txt"] = "".join(f"{notice}\n" for notice in site.notices)
    files["MISSING.txt"] = "".join(f"{line}\n" for line in missing)
    return {name: scrubbed(text) for name, text in sorted(files.items()) if text}


# Not known by their names: what they hold is free text, and may well be a password.
_FREE = re.compile(r"(?:.*[_.])?args|settings|env|values")
_REFERENCE = re.compile(r"(?:env|file):.*|prompt")


def shareable(rows: Sequence[Setting]) -> list[Setting]:
    """Return the cluster file's values as a bundle has them: without those that may be secret.

    References to secrets stay: they say where one is, and not what.
    """
    return [row._replace(value=_shareable(row.path.split("."), row.value)) for row in rows]


def _shareable(path: Sequence[str], value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _shareable((*path, str(key)), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shareable(path, item) for item in value]
    if not isinstance(value, str) or _REFERENCE.fullmatch(value):
        return value
    private = named_secret(path[-1]) or any(_FREE.fullmatch(each) for each in path[:-1])
    return MASK if private else value


def kinds(files: Mapping[str, str]) -> list[str]:
    """Return what kinds of things a bundle's files hold that no rule knows a secret in."""
    told = {
        "what nodes and programs printed (nodes/, runs/)": ("nodes/", "runs/"),
        "what Kubernetes says of pods, events and volumes (cluster/)": ("cluster/",),
        "names, addresses and options of the cluster file (cluster.txt)": ("cluster.txt",),
    }
    return [kind for kind, begins in told.items() if any(n.startswith(begins) for n in files)]


def write_bundle(path: Path, files: Mapping[str, str]) -> None:
    """Write the archive, scrubbed once more, readable by its owner alone.

    Raises `PiclusterError` if it is there.
    """
    try:
        file = create(path)
    except OSError as error:
        raise PiclusterError(
            "the bundle cannot be written",
            where=str(path),
            why=(error.strerror or "").lower(),
            fix="name another file with --output",
        ) from None
    folder = path.name.removesuffix(".tar.gz")
    with file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in files.items():
            content = scrubbed(text).encode()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))


def _runs(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the files of the last runs; the one that gathers this is not over yet."""
    for run in recorded_runs(site.here.state)[: _RUNS + 1]:
        for path in sorted(run.directory.iterdir()):
            if path.is_file() and "support-bundle" not in run.name:
                yield f"runs/{run.name}/{path.name}", path.read_text(errors="replace")


def _phases(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
    nodes = [node.name for node in site.cluster.nodes if node.name not in absent]
    evidence = Fact(EVIDENCE.name, "how the node is, is known", EVIDENCE)
    api = Fact(ANSWERS.name, "what the cluster says is known", ANSWERS)
    yield Phase(
        "support",
        "evidence for a bug report",
        (Stage("nodes", {name: [evidence] for name in nodes}), Stage("API", {CLUSTER: [api]})),
    )


@dataclass(frozen=True, slots=True)
class ClusterAnswers:
    """What the cluster says, by the name of a file; nothing while its API does not answer."""

    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AskCluster:
    """What the cluster says of its nodes, pods, events and volumes."""

    name: str = "api"
    secret: bool = True

    def ask(self, tools: Tools) -> ClusterAnswers:
        try:
            api = api_of(tools)
            found = {name: without_specs(api.call("GET", path)) for name, path in _PATHS.items()}
        except PiclusterError:
            return ClusterAnswers({})
        return ClusterAnswers(
            {name: json.dumps(answer, indent=1) for name, answer in found.items()}
        )


ANSWERS = AskCluster()


def without_specs(listed: Object) -> list[Object]:
    """Return what a list says of its objects but their specification: passwords may be in that."""
    return [
        {key: value for key, value in item.items() if key not in ("spec", "data", "metadata")}
        | {key: item["metadata"].get(key) for key in ("namespace", "name", "creationTimestamp")}
        for item in listed.get("items") or []
    ]
