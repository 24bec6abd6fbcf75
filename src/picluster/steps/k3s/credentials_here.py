"""What this computer keeps of a cluster goes once its nodes are reset: credentials of no use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place, Tools
from picluster.engine.step import Change, Decision, Inferred, Satisfied
from picluster.engine.survey import Look
from picluster.kube import kubefile
from picluster.steps.k3s.uninstall import Uninstalled

FORGOTTEN = "credentials-forgotten"


@dataclass(frozen=True, slots=True)
class CredentialsHere:
    """What opens a cluster to this computer: its own `files`, and a context of the `kubeconfig`."""

    cluster: str
    files: tuple[Path, ...]
    kubeconfig: Path
    name: str = FORGOTTEN
    secret: bool = False

    def ask(self, tools: Tools) -> tuple[str, ...]:
        """Name those that there are. Raises a `PiclusterError` for a kubeconfig that is none."""
        found = [str(path) for path in self.files if path.exists()]
        if kubefile.remove_from(self.kubeconfig, self.cluster, dry_run=True).changed:
            found.append(f"the context {self.cluster} in {self.kubeconfig}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ForgetCredentials:
    """Remove them."""

    credentials: CredentialsHere
    title: str = "removing the credentials"

    def perform(self, place: Place) -> None:
        """Do it. Raises a `PiclusterError` for a kubeconfig that is none."""
        kubefile.remove_from(self.credentials.kubeconfig, self.credentials.cluster)
        for path in self.credentials.files:
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class CredentialsForgotten:
    """The kubeconfig entry, picluster's copy of it and the saved token are gone.

    They are kept while one of the `nodes` still belongs to the cluster, by what there is for
    `cleaned` to remove. `kept` are the files that only picluster reads; snapshots of the cluster,
    and the tokens that belong to them, are not among them.
    """

    cluster: str
    cleaned: Uninstalled
    nodes: tuple[str, ...]
    kept: tuple[Path, ...]
    kubeconfig: Path
    name: str = FORGOTTEN
    title: str = "this computer has no credentials of the cluster"

    def probe(self) -> CredentialsHere:
        return CredentialsHere(self.cluster, self.kept, self.kubeconfig)

    def decide(self, look: Look) -> Decision:
        found = look.read(self.probe())
        if not found:
            return Satisfied()
        members = [node for node in self.nodes if self._remains(look, node)]
        if members:
            return Satisfied(
                warning=f"kept: {', '.join(found)}, because {', '.join(members)} "
                f"{'is' if len(members) == 1 else 'are'} not reset"
            )
        return Change(
            f"remove {', '.join(found)}",
            (ForgetCredentials(self.probe()),),
            reason="the cluster is gone",
        )

    def _remains(self, look: Look, node: str) -> bool:
        if (node, self.cleaned.name) in look.planned:
            return False
        seen = look.find(self.cleaned.probe(), node)
        return seen is None or bool(seen.traces.left)


@dataclass(frozen=True, slots=True)
class NotReached(Inferred):
    """Says which nodes are left as they are because they do not answer."""

    nodes: Sequence[str]
    consequence: str
    name: str = "nodes-reached"
    title: str = "every node was reached"

    def decide(self, look: Look) -> Decision:
        if not self.nodes:
            return Satisfied()
        names = ", ".join(self.nodes)
        return Satisfied(warning=f"{names} cannot be reached: {self.consequence}")
