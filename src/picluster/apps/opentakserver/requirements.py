"""What each release of OpenTAKServer needs to run on.

Found by starting them: 1.7.14 has syntax that Python 3.11 refuses, though its metadata admits 3.10,
and its migrations need PostGIS, which they do not create themselves; UDP came with 1.7.11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Needs:
    """The oldest Python that starts it, and what else it needs or has."""

    python: str
    postgis: bool
    udp: bool


_SINCE: tuple[tuple[tuple[int, int, int], Needs], ...] = (
    ((1, 7, 14), Needs(python="3.12", postgis=True, udp=True)),
    ((1, 7, 11), Needs(python="3.11", postgis=False, udp=True)),
    ((1, 5, 0), Needs(python="3.11", postgis=False, udp=False)),
)


def needs(version: str) -> Needs:
    """Return what a release needs. Raises ValueError for one that is none, or is too old."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is not a release of OpenTAKServer")
    number = (int(match[1]), int(match[2]), int(match[3]))
    for since, found in _SINCE:
        if number >= since:
            return found
    raise ValueError(f"OpenTAKServer {version} is too old: 1.5.0 is the first that is known")
