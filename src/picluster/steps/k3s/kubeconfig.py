"""The administrator's kubeconfig on this computer: picluster's own copy, and the user's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.step import Blocked, Call, Change, Decision, Query, Satisfied
from picluster.engine.survey import UNSEEN, Look
from picluster.errors import PiclusterError
from picluster.kube import kubefile
from picluster.kube.kubeconfig import AdminKubeconfig, Entry, document, merge, rewrite
from picluster.local_files import write_private
from picluster.steps.k3s.state import CREDENTIALS, read_admin, read_credentials

SAVED = "kubeconfig-saved"


def offered(look: Look, servers: Sequence[str]) -> list[AdminKubeconfig]:
    """Return the kubeconfigs of the servers that have one; each server has its own certificate."""
    found = [read_credentials(look.at(server, CREDENTIALS)).admin for server in servers]
    return [admin for admin in found if admin is not None]


def kept_from_one_that_is_away(look: Look, servers: Sequence[str]) -> AdminKubeconfig | None:
    """Return the saved copy if it may be that of a server of this cluster that was not seen.

    Each server has a certificate of its own, and all are accepted everywhere.
    """
    if all(look.at(server, CREDENTIALS) != UNSEEN for server in servers):
        return None
    saved = look.beside(SAVED).value
    kept = read_admin(saved) if isinstance(saved, str) else None
    same = kept is not None and any(kept.ca == each.ca for each in offered(look, servers))
    return kept if same else None


@dataclass(frozen=True, slots=True)
class SavedKubeconfig:
    """picluster's own copy, with which it speaks to the cluster's API."""

    cluster: str
    server_url: str
    servers: Sequence[str]
    path: Path
    name: str = SAVED
    title: str = "this computer has the cluster's kubeconfig"

    def probe(self) -> Query:
        """Read the copy; the text stays in memory."""
        return Query(lambda: self.path.read_text() if self.path.exists() else "", secret=True)

    def decide(self, look: Look) -> Decision:
        """Want the kubeconfig of any server: which one does not matter while it is accepted."""
        entries = [rewrite(a, self.cluster, self.server_url) for a in offered(look, self.servers)]
        kept = kept_from_one_that_is_away(look, self.servers)
        if kept or look.own.value in [document(entry) for entry in entries]:
            return Satisfied()
        return Change(
            f"save the kubeconfig as {self.path}",
            (Call("saving the kubeconfig", lambda _: self._save(entries)),),
            reason="it differs from the servers'" if look.own.value else "there is none yet",
            retry_safe=True,
        )

    def _save(self, entries: Sequence[Entry]) -> None:
        if entries:
            write_private(self.path, document(entries[0]))


@dataclass(frozen=True, slots=True)
class UserKubeconfig:
    """The user's kubeconfig has a context for the cluster, so that kubectl just works."""

    cluster: str
    server_url: str
    servers: Sequence[str]
    path: Path
    name: str = "kubeconfig-merged"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{self.path} has the context {self.cluster}"

    def probe(self) -> Query:
        """Read the file; the text stays in memory."""
        return Query(lambda: self.path.read_text() if self.path.exists() else "", secret=True)

    def decide(self, look: Look) -> Decision:
        """Want an entry of the cluster's name that one of the servers would accept."""
        present = str(look.own.value)
        kept = kept_from_one_that_is_away(look, self.servers)
        entries = [rewrite(a, self.cluster, self.server_url) for a in offered(look, self.servers)]
        accepted = [*entries, *([rewrite(kept, self.cluster, self.server_url)] if kept else [])]
        try:
            if any(merge(present, entry) == present for entry in accepted):
                return Satisfied()
        except PiclusterError as error:
            return Blocked(f"{self.path}: {error.what}", error.fix)
        return Change(
            f"add the context {self.cluster} to {self.path}, keeping a backup",
            (Call("merging the kubeconfig", lambda _: self._merge(entries)),),
            reason="its entry is out of date" if entries else "it has none yet",
            retry_safe=True,
        )

    def _merge(self, entries: Sequence[Entry]) -> None:
        if entries:
            kubefile.merge_into(self.path, entries[0])
