"""Where picluster keeps its own things on this computer, as the XDG specification says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Here:
    """What this computer keeps of one cluster: what is remembered, and what can be had again."""

    state: Path
    cache: Path

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys."""
        return self.state / "known_hosts"

    @property
    def lock(self) -> Path:
        """The lock that keeps two runs of this computer apart."""
        return self.state / "lock"

    @property
    def snapshots(self) -> Path:
        """The directory of the snapshots that were copied here."""
        return self.state / "snapshots"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's credentials."""
        return self.state / "kubeconfig"

    @property
    def token(self) -> Path:
        """The token that nodes join with."""
        return self.state / "token"

    @property
    def registry_authority(self) -> Path:
        """The authority that signs the registry's certificate, with its key."""
        return self.state / "registry-ca.pem"

    @property
    def addresses(self) -> Path:
        """The addresses that were once found for names of the local network."""
        return self.state / "addresses.json"

    @property
    def credentials(self) -> tuple[Path, ...]:
        """The files that open the cluster to picluster."""
        return self.kubeconfig, self.token, self.registry_authority


def kept_of(cluster: str) -> Here:
    """Return what this computer keeps of the cluster of that name."""
    return Here(cluster_state(cluster), cache_home() / cluster)


def state_home() -> Path:
    """Return the directory of what has to be remembered: clusters, runs, labs."""
    return _base("XDG_STATE_HOME", ".local/state") / "picluster"


def cache_home() -> Path:
    """Return the directory of what can be fetched or made again."""
    return _base("XDG_CACHE_HOME", ".cache") / "picluster"


def cluster_state(cluster: str) -> Path:
    """Return the directory of what is remembered of one cluster."""
    return state_home() / cluster


def _base(variable: str, default: str) -> Path:
    """The specification wants relative paths in these variables ignored."""
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path.home() / default
