"""Who may use the registry, said where it is more people than one may think."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Decision, Inferred, Satisfied
from picluster.engine.survey import Look


@dataclass(frozen=True, slots=True)
class Exposure(Inferred):
    """The user knows who can read and replace the cluster's images."""

    tls: bool
    users: bool
    name: str = "registry-exposure"
    title: str = "who may use the registry"

    def decide(self, look: Look) -> Decision:
        """Warn of what the file leaves open; both are the default, and may be right at home."""
        if not self.users:
            way = "over HTTPS" if self.tls else "over plain HTTP"
            return Satisfied(
                warning=f"everybody on the network can read and replace its images, {way} and "
                "without a password; registry.username and registry.tls close it"
            )
        if not self.tls:
            return Satisfied(
                warning="its password crosses the network in the clear; registry.tls hides it"
            )
        return Satisfied()
