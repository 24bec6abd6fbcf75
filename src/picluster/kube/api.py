"""The one way in which readings and writes reach Kubernetes: requests in, plain data out.

Objects are the dicts that Kubernetes itself sends. Readings turn them into frozen dataclasses at
once, so nothing beyond this package depends on a client library, and tests need no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias
from urllib.parse import quote

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as the API sends it."""


class Api(Protocol):
    """Something that answers Kubernetes API requests; `KubeAccess` does so over the network."""

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout: float = 30.0,
        retry: bool = True,
    ) -> Any:
        """Send one request; return decoded JSON, or text where the answer is not JSON.

        `path` is absolute, such as `/api/v1/nodes`. `timeout` is in seconds without a byte from
        the server; the whole answer may take four times as long. Reads are repeated when the API is
        in trouble; with `retry=False` the first answer counts, as it is. Writes are never repeated.

        Raises `ApiUnavailable` if no server answered usably, `NotFound`, `Conflict` or another
        `ApiRefused` if one answered with a refusal.
        """

    @property
    def clock(self) -> float | None:
        """The API server's time when it last answered, in seconds since 1970; None if unknown.

        This computer's clock is nobody's measure: it may be wrong, and the server's may be.
        """


def segment(name: str) -> str:
    """Quote one path segment, so that a name can never become more than one."""
    return quote(name, safe="")


def merge_patch(api: Api, path: str, patch: Mapping[str, object]) -> Object:
    """Patch an object by JSON merge patch, as field manager `picluster`; return the new object."""
    patched: Object = api.call(
        "PATCH",
        path,
        query={"fieldManager": FIELD_MANAGER},
        body=dict(patch),
        content_type=MERGE_PATCH,
    )
    return patched


FIELD_MANAGER = "picluster"
"""Whom Kubernetes records as the owner of every field that picluster sets."""

NOTES = "/api/v1/namespaces/picluster/configmaps"
"""Where it is noted which objects are picluster's."""
