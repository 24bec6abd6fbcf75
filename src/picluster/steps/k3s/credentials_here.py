"""What this computer keeps of a cluster goes once its nodes are reset: credentials of no use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.step import Call, Change, Decision, Query, Satisfied
from picluster.engine.survey import Look
from picluster.kube import kubefile
from picluster.steps.k3s.uninstall import UNINSTALLED, installation


@dataclass(frozen=True, slots=True)
class CredentialsForgotten:
    """The kubeconfig entry, picluster's copy of it and the saved token are gone.

    They are kept while a node still belongs to the cluster. `kept` are the files that only
    picluster reads; snapshots of the cluster, and the tokens that belong to them, are not among
    them.
    """

    cluster: str
    nodes: Sequence[str]
    kept: Sequence[Path]
    kubeconfig: Path
    name: str = "credentials-forgotten"
    title: str = "this computer has no credentials of the cluster"

    def probe(self) -> Query:
        """See which are there."""
        return Query(self._present)

    def _present(self) -> list[str]:
        found = [str(path) for path in self.kept if path.exists()]
        if kubefile.remove_from(self.kubeconfig, self.cluster, dry_run=True).changed:
            found.append(f"the context {self.cluster} in {self.kubeconfig}")
        return found

    def decide(self, look: Look) -> Decision:
        """Want none, once every node has been reset."""
        found = look.own.value if isinstance(look.own.value, list) else []
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
            (Call("removing the credentials", lambda _: self._remove()),),
            reason="the cluster is gone",
            retry_safe=True,
        )

    def _remains(self, look: Look, node: str) -> bool:
        if (node, UNINSTALLED) in look.planned:
            return False
        seen = installation(look, node)
        return seen is None or bool(seen.traces.left)

    def _remove(self) -> None:
        kubefile.remove_from(self.kubeconfig, self.cluster)
        for path in self.kept:
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class NotReached:
    """Says which nodes are left as they are because they do not answer."""

    nodes: Sequence[str]
    consequence: str
    name: str = "nodes-reached"
    title: str = "every node was reached"

    def probe(self) -> None:
        """It is known already."""

    def decide(self, look: Look) -> Decision:
        """Warn of those that were not."""
        if not self.nodes:
            return Satisfied()
        names = ", ".join(self.nodes)
        return Satisfied(warning=f"{names} cannot be reached: {self.consequence}")
