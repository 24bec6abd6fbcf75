"""Every phase, in the order of `up`, and what each needs to be built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

from picluster.engine.phase import Phase
from picluster.errors import UsageError
from picluster.model import Cluster
from picluster.site import Site


@dataclass(frozen=True, slots=True)
class _Late:
    """Builds a phase whose steps are imported for a cluster that has something to do in it.

    Half of them are for applications that a cluster may not have.
    """

    name: str

    def __call__(self, site: Site) -> Phase:
        made: Phase = getattr(import_module(f"picluster.phases.{self.name}"), self.name)(site)
        return made


def _prepare(site: Site) -> Phase:
    from picluster.phases.prepare import prepare  # noqa: PLC0415 - as the others

    return prepare(site.cluster, guard=site.guard.before_disruption)


PHASES: dict[str, Callable[[Site], Phase]] = {
    "bootstrap": _Late("bootstrap"),
    "prepare": _prepare,
    "k3s": _Late("k3s"),
    "registry": _Late("registry"),
    "longhorn": _Late("longhorn"),
    "build": _Late("build"),
    "deploy": _Late("deploy"),
    "rancher": _Late("rancher"),
}
"""How to build each phase, by name, in the order in which `up` runs them."""

_WANTED: dict[str, Callable[[Cluster], bool]] = {
    "bootstrap": lambda cluster: cluster.bootstrapped,
    "registry": lambda cluster: cluster.registry is not None,
    "longhorn": lambda cluster: cluster.longhorn is not None,
    "build": lambda cluster: cluster.builder is not None,
    "rancher": lambda cluster: cluster.rancher is not None,
}


def wanted(names: Sequence[str], cluster: Cluster) -> list[str]:
    """Return those of the phases that a cluster has something to do in."""
    return [name for name in names if _WANTED.get(name, _always)(cluster)]


def _always(cluster: Cluster) -> bool:
    return True


def select(first: str | None, last: str | None) -> list[str]:
    """Return the phases from `first` until `last`, both included; None is the respective end.

    Raises `UsageError` for a phase that does not exist, and for a range that is empty.
    """
    names = list(PHASES)
    start = names.index(known(first)) if first else 0
    stop = names.index(known(last)) if last else len(names) - 1
    if start > stop:
        raise UsageError(
            f"--from {first} comes after --until {last}", fix=f"the order is {', '.join(names)}"
        )
    return names[start : stop + 1]


def known(name: str) -> str:
    """Return the name if there is such a phase; raises `UsageError` with what was meant."""
    if name in PHASES:
        return name
    meant: Sequence[str] = get_close_matches(name, PHASES, n=1)
    raise UsageError(
        f"there is no phase {name!r}",
        fix=f"did you mean {meant[0]}?" if meant else f"the phases are {', '.join(PHASES)}",
    )
