"""Is a server where the others' etcd looks for it."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.model.network import as_ip


@dataclass(frozen=True, slots=True)
class Membership:
    """The address that etcd knows the server by; empty if it holds none of etcd's data."""

    address: str = ""


def read_membership(seen: Observation) -> Membership:
    """Read what the probe printed; of several addresses the first is etcd's own."""
    for text in seen.every("address"):
        found = as_ip(text.strip("[]"))
        if found is not None and not found.is_loopback:
            return Membership(str(found))
    return Membership()


MEMBERSHIP = ShellProbe("member-address", shell(__package__, "member_address"), read_membership)


@dataclass(frozen=True, slots=True)
class AddressStays:
    """A member of etcd keeps its address: its data names it, and it does not start with another.

    "You can't change the node IP on etcd cluster members": reset the membership, or delete the node
    and have it join anew (K3s's maintainers, https://github.com/rancher/rke2/issues/5651; what
    happens otherwise: https://github.com/k3s-io/k3s/issues/4296). `wanted` is None where the file
    gives a name.
    """

    node: str
    wanted: str | None
    alone: bool
    name: str = MEMBERSHIP.name
    title: str = "it has the address that etcd knows it by"

    def probe(self) -> ShellProbe[Membership]:
        return MEMBERSHIP

    def decide(self, look: Look) -> Decision:
        known, wanted = look.read(MEMBERSHIP).address, as_ip(self.wanted)
        if not known or wanted is None or as_ip(known) == wanted:
            return Satisfied(detail=known)
        anew = (
            "or have it join anew while a majority of the others is up: put the former address "
            f"back, `picluster node remove {self.node}`, then write the new one and run `up`"
        )
        return Blocked(
            f"the cluster's etcd knows it at {known}, and the file says {wanted}; it would not "
            "start again",
            f"give it back {known} (a fixed lease on the router, say); "
            f"{'or' if self.alone else f'{anew}; or, if every server has moved,'} go back to a "
            "snapshot, which forgets the former addresses: `picluster snapshot restore`",
        )
