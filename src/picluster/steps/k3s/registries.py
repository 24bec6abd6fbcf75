"""registries.yaml: where images that are named one way are really fetched, and how.

https://docs.k3s.io/installation/private-registry and https://docs.k3s.io/installation/registry-mirror
say what may be in it. K3s reads it at start, on every node.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.shell import shell
from picluster.engine.step import Change, Decision, Diff, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.errors import ConfigInvalid
from picluster.facts.files import FILES
from picluster.model import Cluster
from picluster.model.mirrors import RegistryAccess
from picluster.secret import Secret
from picluster.steps.files import ManagedFile
from picluster.steps.k3s import paths
from picluster.steps.registry.credentials import Credentials

HEADER = "# Written by picluster from the cluster file; changes made here are undone.\n"
_MODE = 0o600
_MOST_OF_A_CERTIFICATE = 256 * 1024


def render_registries(
    cluster: Cluster,
    users: Credentials | None = None,
    logins: Mapping[str, Credentials] | None = None,
) -> str:
    """Return the text of registries.yaml: how images named by a registry are really fetched.

    `users` log in to the cluster's own registry, `logins` by host to others. `mirrors` and
    `configs` are both written where TLS or a login is used; K3s 1.29.2 and 1.29.3 got a registry
    wrong that had only one of them (k3s-io/k3s#9839).
    """
    own, tls = cluster.registry_endpoints, cluster.registry is not None and cluster.registry.tls
    mirrors = {name: {"endpoint": [url]} for name, url in own.items()} | _mirrors(cluster)
    content: dict[str, object] = {"mirrors": mirrors}
    config = _config(users, paths.REGISTRY_CA if tls else "")
    # One that is written out for each: YAML's own way to repeat it is not read by all.
    configs = {name: {**config} for name in own if config}
    for access in cluster.k3s.registry_access:
        login, ca = (logins or {}).get(access.host), authority_path(access) if access.ca else ""
        configs[access.host] = _config(login, ca, skip_verify=access.skip_verify)
    if configs:
        content["configs"] = configs
    return HEADER + yaml.dump(content, Dumper=_PlainDumper, sort_keys=True, width=1000)


def _mirrors(cluster: Cluster) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for mirror in cluster.k3s.mirrors:
        entry: dict[str, object] = {}
        if mirror.endpoints:
            entry["endpoint"] = list(mirror.endpoints)
        if mirror.rewrites:
            entry["rewrite"] = dict(mirror.rewrites)
        found[mirror.registry] = entry
    # Nodes share the images of registries that have an entry, and "*" stands for all of them.
    if cluster.k3s.embedded_registry and not found:
        found["*"] = {}
    return found


def _config(users: Credentials | None, ca: str, *, skip_verify: bool = False) -> dict[str, object]:
    config: dict[str, object] = {}
    if users is not None:
        config["auth"] = {"username": users.username, "password": users.password.reveal()}
    tls: dict[str, object] = {"ca_file": ca} if ca else {}
    if skip_verify:
        tls["insecure_skip_verify"] = True
    return config | ({"tls": tls} if tls else {})


class _PlainDumper(yaml.SafeDumper):
    """Repeats what is repeated, instead of referring to where it was first."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def authority_path(access: RegistryAccess) -> str:
    """Return where a node keeps the certificate of a host's authority: one file for each host."""
    return f"{paths.CONFIG_DIR}/registry-ca-{re.sub('[^A-Za-z0-9.-]', '_', access.host)}.crt"


def authorities(cluster: Cluster) -> list[ManagedFile]:
    """Return what puts the certificates that the file names on a node, for containerd.

    Raises `ConfigInvalid` for one that cannot be read.
    """
    return [
        ManagedFile(f"registry-ca-{access.host}", authority_path(access), _certificate(access.ca))
        for access in cluster.k3s.registry_access
        if access.ca is not None
    ]


def _certificate(path: Path) -> str:
    fix = "correct k3s.registry_access.ca: it is a file with BEGIN CERTIFICATE in it"
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_OF_A_CERTIFICATE).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "it is no text"
        raise ConfigInvalid(f"cannot read {path}", why=why.lower(), fix=fix) from None
    if "BEGIN CERTIFICATE" not in text or "PRIVATE KEY" in text:
        raise ConfigInvalid(f"{path} is not the certificate of an authority", fix=fix)
    return text


@dataclass(frozen=True, slots=True)
class RegistriesSeen:
    """The file as it is; `ours` says that picluster wrote it. The content of others is not read."""

    access: str
    digest: str
    ours: bool
    content: str


def read_present(seen: Observation) -> RegistriesSeen:
    """Read what the probe printed."""
    return RegistriesSeen(
        seen.text("access", ""),
        seen.text("sha256", ""),
        seen.flag("ours"),
        seen.content("content") or "",
    )


@dataclass(frozen=True, slots=True)
class RegistriesFile:
    """registries.yaml is as the cluster file says; one that somebody else wrote is kept beside it.

    Somebody else's may hold passwords, so neither it nor one with a login is ever shown.
    """

    content: str | Secret
    name: str = "k3s-registries"
    title: str = f"{paths.REGISTRIES} is as the cluster file says"

    def probe(self) -> ShellProbe[RegistriesSeen]:
        """Ask for access, digest, and who wrote it; for the content only if nobody logs in."""
        return ShellProbe(
            self.name,
            FILES
            + shell(
                __package__,
                "registries",
                FILE=paths.REGISTRIES,
                HEADER=HEADER.strip(),
                WANTED=self._digest,
            ),
            read_present,
            secret=isinstance(self.content, Secret),
        )

    def decide(self, look: Look) -> Decision:
        present = look.read(self.probe())
        access = f"{_MODE:o} root:root"
        if present.access == access and present.digest == self._digest:
            return Satisfied()
        theirs = bool(present.access) and not present.ours
        shown = not theirs and not isinstance(self.content, Secret)
        return Change(
            f"write {paths.REGISTRIES}",
            (WriteFile(paths.REGISTRIES, self.content, _MODE, backup=theirs),),
            reason=_reason(present, access, self._digest),
            diff=Diff(present.content, self._text) if shown else None,
        )

    @property
    def _text(self) -> str:
        return self.content.reveal() if isinstance(self.content, Secret) else self.content

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self._text.encode()).hexdigest()


def _reason(present: RegistriesSeen, access: str, digest: str) -> str:
    if not present.access:
        return "it is missing"
    if not present.ours:
        return (
            f"it is not picluster's; it is kept as {quote(paths.REGISTRIES)}.picluster-backup, and "
            "k3s.mirrors and k3s.registry_access are where its entries belong"
        )
    return "its content differs" if present.digest != digest else f"its access is not {access}"


def registries_file(
    cluster: Cluster,
    users: Credentials | None = None,
    logins: Mapping[str, Credentials] | None = None,
) -> RegistriesFile:
    """Keep registries.yaml as the cluster file says; with a login in it, all of it is secret."""
    text = render_registries(cluster, users, logins)
    return RegistriesFile(Secret.around(text) if users or logins else text)
