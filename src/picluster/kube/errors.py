"""What can go wrong between picluster and the Kubernetes API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.errors import PiclusterError, Unavailable


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt to reach one server's API, and what came of it; `via` is `tunnel` or `direct`."""

    node: str
    via: str
    answer: str

    def __str__(self) -> str:
        return f"{self.node} ({self.via}): {self.answer}"


class ApiUnavailable(Unavailable):
    """No server's API gave a usable answer. Waits take it for `not yet`; nothing else should."""

    @property
    def state(self) -> str:
        """Say who was asked and what came of it, always in the same order.

        Whom a request is sent to first changes from one to the next, and that is no news.
        """
        told = sorted({str(attempt) for attempt in self.tried})
        return f"the API is away: {'; '.join(told) or self.why}"

    def __init__(self, tried: Sequence[Tried], *, doing: str = "", fix: str = "") -> None:
        self.tried = tuple(tried)
        distinct = dict.fromkeys(str(attempt) for attempt in tried)
        super().__init__(
            "the Kubernetes API is not available" + (f" ({doing})" if doing else ""),
            why="; ".join(distinct) or "there is no server to ask",
            fix=fix or "look at `journalctl -u k3s` on the servers named here",
        )


class ApiRefused(PiclusterError):
    """The API answered, and the answer is no. `status` is the HTTP status.

    `reason` is Kubernetes' machine-readable word (`Conflict`, `Forbidden`), `causes` its list of
    what exactly is wrong: plain data, with `reason`, `message` and `field` each.
    """

    def __init__(
        self,
        request: str,
        *,
        status: int,
        reason: str = "",
        message: str = "",
        causes: Sequence[dict[str, str]] = (),
        fix: str = "",
    ) -> None:
        super().__init__(
            f"the Kubernetes API refused {request}: {reason or 'HTTP'} ({status})",
            why=message,
            fix=fix,
        )
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = tuple(causes)


class NotFound(ApiRefused):
    """There is no such object, kind or namespace (404)."""


class Conflict(ApiRefused):
    """Somebody else changed the object in between, or owns the field (409)."""
