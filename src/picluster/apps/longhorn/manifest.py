"""Longhorn's manifest: fetched, and its settings put in as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from picluster.engine.place import Place, Tools
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.errors import ConfigInvalid
from picluster.kube.api import Object
from picluster.kube.workload import Workload
from picluster.model.storage import Longhorn
from picluster.model.yaml_limits import read_yaml
from picluster.steps.download import MOST_TEXT, digest_of, download
from picluster.steps.local import FileHere
from picluster.steps.manifests.component import Unsettled
from picluster.steps.manifests.objects import parse_objects

NAMESPACE = "longhorn-system"
CLASS = "longhorn"
MANIFEST = "longhorn-manifest"

_SETTINGS, _SETTINGS_FILE = "longhorn-default-setting", "default-setting.yaml"
_RESOURCE, _RESOURCE_FILE = "longhorn-default-resource", "default-resource.yaml"
_OF_BACKUPS = ("backup-target", "backup-target-credential-secret", "backupstore-poll-interval")
"""What is no setting any more since Longhorn 1.8, but a resource of its own, BackupTarget."""
_CLASS, _CLASS_FILE = "longhorn-storageclass", "storageclass.yaml"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_FRONTEND = "longhorn-frontend"
_CSI = ("csi-attacher", "csi-provisioner", "csi-resizer", "csi-snapshotter")
_FIX = "check longhorn in the cluster file; its manifest can be a file on this computer"

WORKLOADS = (
    Workload("DaemonSet", NAMESPACE, "longhorn-manager"),
    Workload("Deployment", NAMESPACE, "longhorn-driver-deployer"),
    Workload("DaemonSet", NAMESPACE, "longhorn-csi-plugin"),
    *(Workload("Deployment", NAMESPACE, name) for name in _CSI),
    Workload("Deployment", NAMESPACE, "longhorn-ui"),
)
"""What has to run: the manifest's own, and what the driver deployer makes of it."""


@dataclass(frozen=True, slots=True)
class DownloadManifest:
    """Fetch the manifest of a release of Longhorn."""

    longhorn: Longhorn
    path: Path
    title: str = "downloading Longhorn's manifest"

    def perform(self, place: Place) -> None:
        """Fetch it. Raises `ConfigInvalid` if the file is to be the user's own, `StepFailed`."""
        if self.longhorn.manifest is not None:
            raise ConfigInvalid(
                "there is no such file", where=str(self.longhorn.manifest), fix=_FIX
            )
        url = f"{self.longhorn.release_url.rstrip('/')}/{self.longhorn.version}/longhorn.yaml"
        digest = self.longhorn.manifest_sha256
        download(url, self.path, place.progress.report, sha256=digest, fix=_FIX, most=MOST_TEXT)


@dataclass(frozen=True, slots=True)
class ManifestHere:
    """Longhorn's manifest is on this computer; `airgap` is a directory that may have it already."""

    longhorn: Longhorn
    cache: Path
    airgap: Path | None = None
    name: str = MANIFEST

    @property
    def title(self) -> str:
        return f"the manifest of Longhorn {self.longhorn.version} is on this computer"

    @property
    def path(self) -> Path:
        """Where it is, or will be."""
        named = self.airgap / "longhorn.yaml" if self.airgap else None
        if self.longhorn.manifest is not None:
            return self.longhorn.manifest
        if named is not None and named.is_file():
            return named
        # What was fetched before somebody said which one is right is not taken for it.
        pinned = f"-{self.longhorn.manifest_sha256[:12]}" if self.longhorn.manifest_sha256 else ""
        return self.cache / f"longhorn-{self.longhorn.version}{pinned}.yaml"

    def probe(self) -> FileHere:
        return FileHere(self.name, self.path)

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()):
            return Satisfied()
        return Change(
            f"download Longhorn {self.longhorn.version}",
            (DownloadManifest(self.longhorn, self.path),),
            reason="it is not here",
        )

    def read(self) -> list[Object]:
        """Return its objects.

        Raises `Unsettled` while it is not here, `ConfigInvalid` for another one than that with the
        digest of the cluster file.
        """
        if not self.path.is_file():
            raise Unsettled(
                "it is not here",
                why="Longhorn's manifest was not downloaded yet",
                fix="picluster phase longhorn",
            )
        wanted = self.longhorn.manifest_sha256
        if wanted is not None and digest_of(self.path) != wanted:
            raise ConfigInvalid(
                "the checksum of Longhorn's manifest is wrong",
                where=str(self.path),
                fix="check longhorn.manifest_sha256, and where the file is from",
            )
        try:
            text = self.path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigInvalid(
                "it is not UTF-8 text",
                where=str(self.path),
                why=str(error),
                fix="delete it, so that it is fetched anew, or check where the file is from",
            ) from None
        return parse_objects(text, str(self.path))


@dataclass(frozen=True, slots=True)
class AdaptedManifest:
    """The source of Longhorn's objects: its manifest with the settings of the cluster file."""

    manifest: ManifestHere
    replicas: int

    def __call__(self, tools: Tools) -> list[Object]:
        """Return them. Raises `Unsettled` while the manifest is not here."""
        return adapted(self.manifest.read(), self.manifest.longhorn, self.replicas)


def adapted(manifests: list[Object], longhorn: Longhorn, replicas: int) -> list[Object]:
    """Return the manifest with the settings of the cluster file in it; pure.

    Settings travel in a ConfigMap whose one value is YAML, and so does the StorageClass; both are
    read, changed as data, and written again. Raises `ConfigInvalid` for a manifest without them.
    """
    found = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    for kind, name in (("ConfigMap", _SETTINGS), ("ConfigMap", _CLASS)):
        if (kind, name) not in found:
            raise ConfigInvalid(
                f"there is no {kind} {name} in Longhorn's manifest",
                why="it is not that of a release that is known",
                fix=_FIX,
            )
    wanted = settings(longhorn, replicas)
    of_backups: dict[str, str] = {}
    if ("ConfigMap", _RESOURCE) in found:
        of_backups = {name: wanted.pop(name) for name in _OF_BACKUPS if name in wanted}
    values = {
        _SETTINGS: (_SETTINGS_FILE, wanted),
        **({_RESOURCE: (_RESOURCE_FILE, of_backups)} if of_backups else {}),
    }
    try:
        return [_adapted(each, longhorn, replicas, values) for each in manifests]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigInvalid(
            "Longhorn's manifest cannot be adapted",
            why=f"something in it is not of the form that it should have ({error!r})",
            fix=_FIX,
        ) from error


def _adapted(
    manifest: Object,
    longhorn: Longhorn,
    replicas: int,
    values: Mapping[str, tuple[str, Mapping[str, str]]],
) -> Object:
    match manifest["kind"], manifest["metadata"]["name"]:
        case "ConfigMap", name if name in values:
            return _with(manifest, *values[name])
        case "ConfigMap", name if name == _CLASS:
            return _with_class(manifest, longhorn, replicas)
        case "Service", name if name == _FRONTEND and longhorn.ui_port is not None:
            ports = [{**port, "nodePort": longhorn.ui_port} for port in manifest["spec"]["ports"]]
            return {**manifest, "spec": {**manifest["spec"], "type": "NodePort", "ports": ports}}
    return manifest


def settings(longhorn: Longhorn, replicas: int) -> dict[str, str]:
    """Return what is set of Longhorn's settings; the user's own count last."""
    return {
        "default-data-path": longhorn.data_path,
        "default-replica-count": str(replicas),
        "create-default-disk-labeled-nodes": str(longhorn.only_labelled).lower(),
        **longhorn.settings,
    }


def _inner(manifest: Object, key: str) -> dict[str, Any]:
    """Return the YAML that a ConfigMap holds. Raises `ConfigInvalid` for what is no mapping."""
    try:
        found = read_yaml(str((manifest.get("data") or {}).get(key) or "{}"))
    except (yaml.YAMLError, ValueError) as error:
        found, why = None, getattr(error, "problem", None) or str(error)
    else:
        why = "it is not a mapping"
    if isinstance(found, dict):
        return found
    name = manifest["metadata"]["name"]
    raise ConfigInvalid(f"{key} of {name} in Longhorn's manifest is not YAML", why=why, fix=_FIX)


def _with(manifest: Object, key: str, wanted: Mapping[str, str]) -> Object:
    present = _inner(manifest, key) or {}
    text = yaml.safe_dump({**present, **wanted}, default_flow_style=False)
    return {**manifest, "data": {**(manifest.get("data") or {}), key: text}}


def _with_class(manifest: Object, longhorn: Longhorn, replicas: int) -> Object:
    held = _inner(manifest, _CLASS_FILE)
    parameters = {**(held.get("parameters") or {}), "numberOfReplicas": str(replicas)}
    meta = {**held["metadata"]}
    notes = {**(meta.get("annotations") or {}), _DEFAULT_CLASS: str(longhorn.default_class).lower()}
    changed = {**held, "parameters": parameters, "metadata": {**meta, "annotations": notes}}
    text = yaml.safe_dump(changed, default_flow_style=False)
    return {**manifest, "data": {**manifest["data"], _CLASS_FILE: text}}
