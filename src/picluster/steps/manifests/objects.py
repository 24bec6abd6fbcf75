"""Kubernetes objects as text and as data: parsed, identified, marked, ordered. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from picluster.errors import ConfigInvalid
from picluster.kube.api import Object
from picluster.model.yaml_limits import check_limits

PART_LABEL = "picluster.dev/part"
"""Names the part of the cluster that an object was applied for; pruning goes by it."""
DIGEST = "picluster.dev/manifest"
"""The annotation that tells which manifest an object was applied from."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SHORT = 16

# What others refer to comes first: a pod cannot start before its Secret is there.
_ORDER = (
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "StorageClass",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Service",
)


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Which object it is, as the API tells objects apart."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}"

    @property
    def manifest(self) -> Object:
        """The least that says which object is meant."""
        metadata = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}


def identity(manifest: Mapping[str, Any]) -> Identity:
    """Return which object a manifest describes."""
    meta = manifest["metadata"]
    return Identity(
        manifest["apiVersion"], manifest["kind"], meta.get("namespace") or "", meta["name"]
    )


def parse_objects(text: str, source: str) -> list[Object]:
    """Read the objects of YAML or JSON text; lists are taken apart, empty documents left out.

    Raises `ConfigInvalid` naming `source` and, where it is known, the line.
    """
    try:
        check_limits(text)
        documents = list(yaml.load_all(text, Loader=_LOADER))
    except ValueError as error:  # a date, a number or a character that YAML cannot read
        what, why = "it is not YAML", str(error)
        raise ConfigInvalid(what, where=source, why=why, fix="correct it, or quote it") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        why = getattr(error, "problem", None) or str(error)
        raise ConfigInvalid("it is not YAML", where=where, why=why, fix="correct it") from None
    found: list[Object] = []
    for number, document in enumerate(documents, start=1):
        if document is None:
            continue
        items = (document.get("items") or []) if _is_list(document) else [document]
        where = f"{source} (document {number})"
        found += [_checked(item, where) for item in (items if isinstance(items, list) else [items])]
    return found


def _is_list(document: object) -> bool:
    return isinstance(document, dict) and str(document.get("kind", "")).endswith("List")


def _checked(item: object, where: str) -> Object:
    lacking = _lacking(item)
    if lacking or not isinstance(item, dict):
        what = "it is not a Kubernetes object"
        raise ConfigInvalid(what, where=where, why=lacking, fix="correct it, or take it out")
    return item


def _lacking(item: object) -> str:
    """Return what keeps a value from being an object; empty if nothing does."""
    if not isinstance(item, dict):
        return "it is no mapping"
    if not isinstance(item.get("apiVersion"), str) or not isinstance(item.get("kind"), str):
        return "apiVersion or kind is missing"
    meta = item.get("metadata") or {}
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        return "metadata.name is missing"
    if not isinstance(meta.get("namespace") or "", str):
        return "metadata.namespace is no text"
    return _misshapen(item, meta)


def _misshapen(item: Object, meta: Mapping[str, Any]) -> str:
    """Return what in an object that has a name could be neither marked nor sent."""
    mappings = {f"metadata.{name}": meta.get(name) for name in ("labels", "annotations")}
    if item["kind"] == "Secret":
        mappings |= {name: item.get(name) for name in ("data", "stringData")}
    for name, value in mappings.items():
        if not isinstance(value or {}, dict):
            return f"{name} is no mapping"
    try:
        json.dumps(item, ensure_ascii=False, sort_keys=True, default=str).encode()
    except (TypeError, ValueError, RecursionError):
        return "a key or a text in it cannot be written as JSON"
    return ""


def marked(manifest: Object, part: str, *, namespace: str = "") -> Object:
    """Return the manifest as it is applied: labelled as of a part, and with its own digest.

    `namespace` is for objects that name none and whose kind has one.
    """
    meta = {**manifest["metadata"]}
    if namespace and not meta.get("namespace"):
        meta["namespace"] = namespace
    meta["labels"] = {**(meta.get("labels") or {}), PART_LABEL: part}
    bare = {key: value for key, value in manifest.items() if key != "status"} | {"metadata": meta}
    text = json.dumps(bare, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:_SHORT]
    meta["annotations"] = {**(meta.get("annotations") or {}), DIGEST: digest}
    return bare


def in_order(manifests: Iterable[Object]) -> list[Object]:
    """Return the manifests in an order in which they can be applied."""
    rank = {kind: number for number, kind in enumerate(_ORDER)}
    return sorted(manifests, key=lambda manifest: rank.get(manifest["kind"], len(rank)))


def holds(live: object, wanted: object) -> bool:
    """Whether a live object has all that a manifest says; it may have more.

    It may say no for mere differences of form (1000m, 1): then the API has to be asked.
    """
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            key in live and holds(live[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return (
            isinstance(live, Sequence)
            and len(live) == len(wanted)
            and all(holds(each, other) for each, other in zip(live, wanted, strict=True))
        )
    return live == wanted and type(live) is type(wanted)


def as_stored(manifest: Object) -> Object:
    """Return a manifest as the API keeps it: a Secret's plain text is encoded."""
    if manifest["kind"] != "Secret" or "stringData" not in manifest:
        return manifest
    plain = manifest["stringData"] or {}
    data = {key: base64.b64encode(str(text).encode()).decode() for key, text in plain.items()}
    kept = {key: value for key, value in manifest.items() if key != "stringData"}
    return {**kept, "data": {**(manifest.get("data") or {}), **data}}
