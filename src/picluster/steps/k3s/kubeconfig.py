"""The administrator's kubeconfig on this computer: picluster's own copy, and the user's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place
from picluster.engine.step import Blocked, Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.errors import PiclusterError
from picluster.kube import kubefile
from picluster.kube.kubeconfig import (
    AdminKubeconfig,
    KubeconfigEntry,
    document,
    merge,
    parse,
    rewrite,
)
from picluster.local_files import write_private
from picluster.model import Cluster
from picluster.steps.k3s.config import public_url
from picluster.steps.k3s.state import CREDENTIALS, read_admin
from picluster.steps.local import TextHere


def offered(look: Look, servers: tuple[str, ...]) -> list[AdminKubeconfig]:
    """Return the kubeconfigs of the servers that have one; each server has its own certificate."""
    found = [look.find(CREDENTIALS, server) for server in servers]
    return [each.admin for each in found if each is not None and each.admin is not None]


@dataclass(frozen=True, slots=True)
class SaveKubeconfig:
    """Keep a kubeconfig of its own for a cluster, readable by its owner only."""

    path: Path
    entry: KubeconfigEntry
    title: str = "saving the kubeconfig"

    def perform(self, place: Place) -> None:
        """Write it. Raises `OSError`."""
        write_private(self.path, document(self.entry))


@dataclass(frozen=True, slots=True)
class MergeKubeconfig:
    """Put an entry into the user's kubeconfig, and keep a backup of that."""

    path: Path
    entry: KubeconfigEntry
    title: str = "merging the kubeconfig"

    def perform(self, place: Place) -> None:
        """Do it. Raises `PiclusterError` if the file cannot be used."""
        kubefile.merge_into(self.path, self.entry)


@dataclass(frozen=True, slots=True)
class SavedKubeconfig:
    """picluster's own copy, with which it speaks to the cluster's API."""

    cluster: str
    server_url: str
    servers: tuple[str, ...]
    path: Path
    name: str = "kubeconfig-saved"
    title: str = "this computer has the cluster's kubeconfig"

    def probe(self) -> TextHere:
        """Read the copy; the text stays in memory."""
        return TextHere(self.name, self.path, secret=True)

    def kept(self, look: Look) -> AdminKubeconfig | None:
        """Return the copy if it may be that of a server of this cluster that was not seen.

        Each server has a certificate of its own, and all are accepted everywhere.
        """
        if all(look.find(CREDENTIALS, server) is not None for server in self.servers):
            return None
        kept = read_admin(look.read(self.probe()))
        if kept is None or all(kept.ca != each.ca for each in offered(look, self.servers)):
            return None
        return kept

    def decide(self, look: Look) -> Decision:
        """Want the kubeconfig of any server: which one does not matter while it is accepted."""
        present = look.read(self.probe())
        entries = [rewrite(a, self.cluster, self.server_url) for a in offered(look, self.servers)]
        if self.kept(look) or present in [document(entry) for entry in entries]:
            return Satisfied()
        return Change(
            f"save the kubeconfig as {self.path}",
            tuple(SaveKubeconfig(self.path, entry) for entry in entries[:1]),
            reason="it differs from the servers'" if present else "there is none yet",
        )


@dataclass(frozen=True, slots=True)
class UserKubeconfig:
    """The user's kubeconfig has a context for the cluster, so that kubectl just works."""

    saved: SavedKubeconfig
    server_url: str
    path: Path
    name: str = "kubeconfig-merged"

    @property
    def title(self) -> str:
        return f"{self.path} has the context {self.saved.cluster}"

    def probe(self) -> TextHere:
        """Read the file; the text stays in memory."""
        return TextHere(self.name, self.path, secret=True)

    def decide(self, look: Look) -> Decision:
        """Want an entry of the cluster's name that one of the servers would accept."""
        present, cluster = look.read(self.probe()), self.saved.cluster
        kept, servers = self.saved.kept(look), offered(look, self.saved.servers)
        entries = [rewrite(each, cluster, self.server_url) for each in servers]
        accepted = [*entries, *([rewrite(kept, cluster, self.server_url)] if kept else [])]
        try:
            if any(merge(present, entry) == present for entry in accepted):
                return Satisfied()
        except PiclusterError as error:
            return Blocked(f"{self.path}: {error.what}", error.fix)
        return Change(
            f"add the context {cluster} to {self.path}, keeping a backup",
            tuple(MergeKubeconfig(self.path, entry) for entry in entries[:1]),
            reason="its entry is out of date" if entries else "it has none yet",
        )


def merge_saved(cluster: Cluster, saved: Path, into: Path) -> kubefile.Written:
    """Put picluster's own copy into the user's file. Raises `PiclusterError`."""
    try:
        admin = parse(saved.read_text())
    except PiclusterError as error:
        fix = "move it away; `picluster up` saves it anew"
        what = "the saved kubeconfig is not as picluster wrote it"
        raise PiclusterError(what, where=str(saved), why=error.why, fix=fix) from None
    return kubefile.merge_into(into, rewrite(admin, cluster.name, public_url(cluster)))
