"""kubeconfig documents as text: reading K3s's, and putting a cluster into a user's or out of it.

A user's kubeconfig is edited as a tree of YAML nodes, never loaded into Python values: a scalar
that picluster does not touch keeps its exact text and quoting (`012`, `1e3`, a date). Only comments
and layout are lost, and only when something really changes. Nothing here touches a file; see
`picluster.kube.kubefile`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml

from picluster.errors import PiclusterError
from picluster.kube.yamltree import (
    append_item,
    as_node,
    compose,
    drop_key,
    fork,
    get,
    items,
    named,
    plain,
    scalar,
    serialize,
    set_key,
)
from picluster.model.yaml_limits import read_yaml
from picluster.secret import Secret

MARK = "picluster.dev"
"""The name of the kubeconfig extension that marks an entry as written by picluster."""

_INNER = {"clusters": "cluster", "users": "user", "contexts": "context"}
_FIX_K3S = "look at /etc/rancher/k3s/k3s.yaml on a server; `systemctl restart k3s` writes it anew"


@dataclass(frozen=True, slots=True)
class AdminKubeconfig:
    """What K3s's own kubeconfig says: where the API is, whom to trust, and who we are.

    `ca` and `certificate` are PEM texts and public; the key is a secret. Two are equal if they are
    the same credentials for the same cluster, whatever address it is reached at.
    """

    server: str = field(compare=False)
    ca: str
    certificate: str
    key: Secret

    @property
    def port(self) -> int:
        """The port of the API on every server."""
        return urlsplit(self.server).port or 443


@dataclass(frozen=True, slots=True)
class KubeconfigEntry:
    """One cluster, user and context, all three called `name`, ready to be put into a kubeconfig."""

    name: str
    server: str
    admin: AdminKubeconfig


def parse(text: str | Secret) -> AdminKubeconfig:
    """Read the text of a server's `k3s.yaml`.

    Pass a plain string: wrapping the whole text in a `Secret` would mask lines such as
    `kind: Config` in every later message. The key becomes a `Secret` here.

    Raises `PiclusterError` if it is not an admin kubeconfig; never quotes its content.
    """
    raw = text.reveal() if isinstance(text, Secret) else text
    try:
        loaded = read_yaml(raw)
        cluster = loaded["clusters"][0]["cluster"]
        user = loaded["users"][0]["user"]
        encoded = user["client-key-data"]
        key = _decode(encoded)
        found = AdminKubeconfig(
            server=str(cluster["server"]),
            ca=_decode(cluster["certificate-authority-data"]),
            certificate=_decode(user["client-certificate-data"]),
            key=Secret(key),
        )
        _ = found.port
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
        what = error.args[0] if isinstance(error, KeyError) else type(error).__name__
        raise PiclusterError(
            "k3s.yaml is not an admin kubeconfig", why=f"at {what}", fix=_FIX_K3S
        ) from None
    Secret(encoded)  # the file shows the key in this form, so this form must be masked too
    return found


def rewrite(admin: AdminKubeconfig, name: str, server: str) -> KubeconfigEntry:
    """Rename K3s's `default` to the cluster's name, and point it to `server`, an `https://` URL."""
    return KubeconfigEntry(name=name, server=server, admin=admin)


def document(entry: KubeconfigEntry) -> str:
    """Return a complete kubeconfig that holds this entry alone. It contains the key."""
    return merge("", entry)


def merge(existing: str, entry: KubeconfigEntry) -> str:
    """Put the entry into a kubeconfig text and return the new text.

    All else is kept, other contexts and unknown keys included. An entry of that name that picluster
    wrote is brought up to date in place, a namespace chosen in its context stays. The
    `current-context` is set only if there was none. Nothing to change: the very same text comes
    back, comments and all.

    Raises `PiclusterError` if the text is no kubeconfig, or if the name is taken by a cluster that
    is not this one.
    """
    root = compose(existing)
    before = serialize(root)
    _refuse_clash(root, entry)
    _head(root)
    _put(root, "clusters", entry.name, _cluster_fields(entry), _CLUSTER_RIVALS)
    _put(root, "users", entry.name, _user_fields(entry), None)
    context = {"cluster": entry.name, "user": entry.name}
    _put(root, "contexts", entry.name, context, ())
    if not scalar(get(root, "current-context")):
        set_key(root, "current-context", as_node(entry.name))
    after = serialize(root)
    return existing if after == before else after


def remove(existing: str, name: str) -> str:
    """Take out what picluster wrote under `name`; a `current-context` of that name is cleared.

    Entries of that name without picluster's mark are the user's and stay. Raises `PiclusterError`
    if the text is no kubeconfig.
    """
    root = compose(existing)
    removed = False
    for section in _INNER:
        listed = items(root, section)
        kept = [item for item in listed if not (_is(item, name) and _marked(item, section))]
        if len(kept) != len(listed):
            listed[:] = kept
            removed = True
    if not removed:
        return existing
    if scalar(get(root, "current-context")) == name and named(root, "contexts", name) is None:
        set_key(root, "current-context", as_node(""))
    return serialize(root)


# What would contradict the fields that are set, if a user's edit or an older run left it there.
_CLUSTER_RIVALS = ("certificate-authority", "insecure-skip-tls-verify")


def _cluster_fields(entry: KubeconfigEntry) -> dict[str, Any]:
    return {
        "server": entry.server,
        "certificate-authority-data": _encode(entry.admin.ca),
        "extensions": _mark(),
    }


def _user_fields(entry: KubeconfigEntry) -> dict[str, Any]:
    return {
        "client-certificate-data": _encode(entry.admin.certificate),
        "client-key-data": _encode(entry.admin.key.reveal()),
        "extensions": _mark(),
    }


def _mark() -> list[dict[str, Any]]:
    return [{"name": MARK, "extension": {"managed-by": "picluster"}}]


def _head(root: yaml.MappingNode) -> None:
    """Kubectl insists on these two, but reads a file without them as if they were there."""
    for key, value in (("apiVersion", "v1"), ("kind", "Config")):
        if get(root, key) is None:
            set_key(root, key, as_node(value))


def _put(
    root: yaml.MappingNode,
    section: str,
    name: str,
    fields: dict[str, Any],
    rivals: tuple[str, ...] | None,
) -> None:
    """Create or update the entry; `rivals` are keys to drop, None means every key but ours."""
    inner = _INNER[section]
    if section == "contexts":
        fields = {**fields, "extensions": _mark()}
    item = named(root, section, name)
    if item is None:
        append_item(root, section, as_node({"name": name, inner: fields}))
        return
    body = get(item, inner)
    if not isinstance(body, yaml.MappingNode):
        set_key(item, inner, as_node(fields))
        return
    edited = fork(body)
    present = [scalar(key) for key, _ in body.value]
    for key in [key for key in present if key not in fields] if rivals is None else rivals:
        drop_key(edited, key)
    for key, value in fields.items():
        _set_field(edited, key, value)
    if plain(edited) != plain(body):
        set_key(item, inner, edited)


def _set_field(body: yaml.MappingNode, key: str, value: Any) -> None:
    seen = get(body, key)
    if key != "extensions" or not isinstance(seen, yaml.SequenceNode):
        if plain(seen) != value:
            set_key(body, key, as_node(value))
    elif not any(_is(extension, MARK) for extension in seen.value):
        # Other tools' extensions are kept beside the mark.
        extended = [*seen.value, *as_node(value).value]
        set_key(body, key, yaml.SequenceNode(seen.tag, extended, flow_style=False))


def _refuse_clash(root: yaml.MappingNode, entry: KubeconfigEntry) -> None:
    """Never write over another cluster's credentials because it happens to have this name."""
    name = entry.name
    cluster, user, context = (named(root, section, name) for section in _INNER)
    points_here = context is not None and _points_to(context, name)
    ours = cluster is None or _marked(cluster, "clusters") or _same_ca(cluster, entry)
    context_ours = (
        context is None or _marked(context, "contexts") or (points_here and cluster is not None)
    )
    user_ours = user is None or _marked(user, "users") or (points_here and cluster is not None)
    if ours and context_ours and user_ours:
        return
    taken = "cluster" if not ours else "context" if not context_ours else "user"
    raise PiclusterError(
        f"the kubeconfig has a {taken} called {name} that picluster did not write",
        why="it belongs to something else, and the file is as it was",
        fix=f"rename it, such as `kubectl config rename-context {name} {name}-old` and the entries "
        "under clusters and users, or call this cluster by another name",
    )


def _points_to(context: yaml.MappingNode, name: str) -> bool:
    body = get(context, "context")
    return scalar(get(body, "cluster")) == name and scalar(get(body, "user")) == name


def _same_ca(item: yaml.MappingNode, entry: KubeconfigEntry) -> bool:
    data = scalar(get(get(item, "cluster"), "certificate-authority-data"))
    return "".join(data.split()) == _encode(entry.admin.ca)


def _marked(item: yaml.Node, section: str) -> bool:
    extensions = get(get(item, _INNER[section]), "extensions")
    listed = extensions.value if isinstance(extensions, yaml.SequenceNode) else []
    return any(_is(extension, MARK) for extension in listed)


def _is(item: yaml.Node, name: str) -> bool:
    return scalar(get(item, "name")) == name


def _decode(data: object) -> str:
    if not isinstance(data, str) or not data.strip():
        raise ValueError
    try:
        return base64.b64decode(data, validate=False).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError from None


def _encode(text: str) -> str:
    return base64.b64encode(text.encode("ascii")).decode("ascii")
