"""What is known of releases: which are the defaults, and which may follow which.

The facts, each with its source, are in releases.toml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any, TypeAlias

Version: TypeAlias = tuple[int, int, int, int]
Minor: TypeAlias = tuple[int, int]
_VERSION = re.compile(r"v([0-9]+)\.([0-9]+)\.([0-9]+)(?:-rc[0-9]+)?\+k3s([0-9]+)")


@dataclass(frozen=True, slots=True)
class Least:
    """What K3s has to be at least before it goes to the first release of a minor, and why."""

    minor: Minor
    release: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Published:
    """Where it is published which release is current; `channel` is K3s's word for a row of it."""

    url: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Releases:
    """The facts of releases.toml; `checked` is the day that they were looked up."""

    checked: date
    defaults: Mapping[str, str]
    newest: Mapping[Minor, str]
    before: tuple[Least, ...]
    kubernetes_of_rancher: Mapping[Minor, Minor]
    newest_longhorn: Mapping[Minor, str]
    images_of_cert_manager: tuple[str, ...]
    images_of_rancher: frozenset[str]
    published: Mapping[str, Published]


def parse_version(text: str) -> Version | None:
    """Read `v1.33.5+k3s1` as numbers that compare in order; None if it is not such a version."""
    match = _VERSION.match(text)
    if match is None:
        return None
    major, minor, patch, build = (int(part) for part in match.groups())
    return (major, minor, patch, build)


def ladder(installed: str, wanted: str, known: Releases | None = None) -> tuple[str, ...]:
    """Return the releases to go through from one K3s to another, the last of them `wanted`.

    Kubernetes skips no minor release (https://kubernetes.io/releases/version-skew-policy/), and
    some minors have to be left by way of a certain release. A way that leads over a minor that is
    not known here, back, or to another major, is empty: there is none.
    """
    known = known or KNOWN
    at, end = parse_version(installed), parse_version(wanted)
    if at is None or end is None or end < at or end[0] != at[0]:
        return ()
    stops: list[str] = []
    while at[:2] != end[:2]:
        following = (at[0], at[1] + 1)
        if at < _least_before(following, known):
            stops.append(known.newest.get(at[:2], ""))
        stops.append(wanted if following == end[:2] else known.newest.get(following, ""))
        reached = parse_version(stops[-1])
        if reached is None or "" in stops:
            return ()
        at = reached
    return tuple(stops) if stops and stops[-1] == wanted else (*stops, wanted)


def reasons(installed: str, wanted: str) -> tuple[str, ...]:
    """Say why there are stops on the way from one K3s to another; nothing if there are none."""
    at, end = parse_version(installed), parse_version(wanted)
    if at is None or end is None:
        return ()
    told = ["Kubernetes skips no minor version"] if end[1] - at[1] > 1 else []
    told += [
        f"before v{least.minor[0]}.{least.minor[1]} it has to be {least.release} or newer, because "
        f"{least.why} ({least.source})"
        for least in KNOWN.before
        if at[:2] < least.minor <= end[:2] and at < _least_before(least.minor, KNOWN)
    ]
    return tuple(told)


def _least_before(minor: Minor, known: Releases) -> Version:
    least = (parse_version(each.release) for each in known.before if each.minor == minor)
    return max((version for version in least if version), default=(0, 0, 0, 0))


def _minor(text: str) -> Minor:
    major, minor = text.split(".")
    return (int(major), int(minor))


def _read(document: Mapping[str, Any]) -> Releases:
    k3s, rancher = document["k3s"], document["rancher"]
    longhorn = document["longhorn"]["newest"]
    return Releases(
        checked=document["checked"],
        defaults=document["defaults"],
        newest={_minor(minor): release for minor, release in k3s["newest"].items()},
        before=tuple(
            Least(_minor(each["minor"]), each["least"], each["why"], each["source"])
            for each in k3s["before"]
        ),
        kubernetes_of_rancher={
            _minor(release): _minor(newest) for release, newest in rancher["kubernetes"].items()
        },
        published={name: Published(**each) for name, each in document["published"].items()},
        newest_longhorn={_minor(minor): release for minor, release in longhorn.items()},
        images_of_cert_manager=tuple(document["cert_manager"]["images"]),
        images_of_rancher=frozenset(rancher["images"]),
    )


KNOWN = _read(tomllib.loads(files(__package__).joinpath("releases.toml").read_text("utf-8")))
"""What this picluster knows."""
DEFAULTS = KNOWN.defaults
"""What is installed where the cluster file names no release."""
