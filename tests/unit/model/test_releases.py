"""What is known of releases: the ladder of an upgrade, and facts that hold together."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from picluster.model.releases import DEFAULTS, KNOWN, ladder, parse_version, reasons


@pytest.mark.parametrize(
    ("installed", "wanted", "stops"),
    [
        ("v1.36.3+k3s1", "v1.36.3+k3s1", ["v1.36.3+k3s1"]),
        ("v1.36.2+k3s1", "v1.36.3+k3s1", ["v1.36.3+k3s1"]),
        ("v1.35.8+k3s1", "v1.36.3+k3s1", ["v1.36.3+k3s1"]),
        # etcd 3.5.26 first, or members that were removed come back
        ("v1.33.5+k3s1", "v1.34.11+k3s1", ["v1.33.13+k3s2", "v1.34.11+k3s1"]),
        ("v1.33.7+k3s1", "v1.34.9+k3s1", ["v1.33.13+k3s2", "v1.34.9+k3s1"]),
        ("v1.33.7+k3s3", "v1.34.9+k3s1", ["v1.34.9+k3s1"]),
        # etcd 3.6.11 first
        ("v1.36.1+k3s1", "v1.37.1+k3s1", ["v1.36.4+k3s1", "v1.37.1+k3s1"]),
        ("v1.36.2+k3s1", "v1.37.1+k3s1", ["v1.37.1+k3s1"]),
        # no minor is skipped, and the newest of each is gone through
        (
            "v1.33.5+k3s1",
            "v1.37.1+k3s1",
            [
                "v1.33.13+k3s2",
                "v1.34.11+k3s1",
                "v1.35.8+k3s1",
                "v1.36.4+k3s1",
                "v1.37.1+k3s1",
            ],
        ),
        ("v1.31.5+k3s1", "v1.33.2+k3s1", ["v1.32.13+k3s1", "v1.33.2+k3s1"]),
    ],
)
def test_the_way_to_a_release_stops_where_it_has_to(
    installed: str, wanted: str, stops: list[str]
) -> None:
    assert list(ladder(installed, wanted)) == stops


@pytest.mark.parametrize(
    ("installed", "wanted"),
    [
        ("v1.36.3+k3s1", "v1.36.2+k3s1"),
        ("v1.36.3+k3s1", "v1.35.8+k3s1"),
        ("v1.36.3+k3s1", "v2.0.0+k3s1"),
        ("v1.37.1+k3s1", "v1.39.0+k3s1"),  # nobody here knows a v1.38
        ("", "v1.36.3+k3s1"),
        ("v1.36.3+k3s1", "latest"),
    ],
)
def test_there_is_no_way_back_nor_over_what_is_not_known(installed: str, wanted: str) -> None:
    assert ladder(installed, wanted) == ()


def test_the_next_minor_may_be_newer_than_what_is_known() -> None:
    assert ladder("v1.37.1+k3s1", "v1.38.0+k3s1") == ("v1.38.0+k3s1",)


def test_every_step_of_a_ladder_is_a_ladder_of_one() -> None:
    start, end = "v1.28.2+k3s1", "v1.37.1+k3s1"
    way = [start, *ladder(start, end)]
    for here, there in itertools.pairwise(way):
        assert ladder(here, there) == (there,), f"{here} to {there} has stops of its own"


def test_the_reasons_name_what_would_break_and_who_says_so() -> None:
    told = reasons("v1.33.5+k3s1", "v1.35.8+k3s1")
    assert "skips no minor" in told[0]
    assert "v1.33.7+k3s3" in told[1]
    assert "https://etcd.io/" in told[1]
    assert reasons("v1.35.7+k3s1", "v1.36.3+k3s1") == ()


def test_the_facts_hold_together() -> None:
    for minor, release in KNOWN.newest.items():
        version = parse_version(release)
        assert version is not None, release
        assert version[:2] == minor, f"{release} is listed below {minor}"
    minors = [minor for _, minor in sorted(KNOWN.newest)]
    assert minors == list(range(minors[0], minors[-1] + 1)), "a minor is missing"
    for least in KNOWN.before:
        before = KNOWN.newest[(least.minor[0], least.minor[1] - 1)]
        assert (parse_version(before) or ()) >= (parse_version(least.release) or ()), before
        assert least.source.startswith("https://")
    default = parse_version(DEFAULTS["k3s"])
    assert default is not None
    assert default <= (parse_version(KNOWN.newest[default[:2]]) or ()), "newer than the newest"


def test_the_defaults_go_together() -> None:
    rancher = tuple(int(part) for part in DEFAULTS["rancher"].split(".")[:2])
    default = parse_version(DEFAULTS["k3s"])
    assert default is not None
    assert KNOWN.kubernetes_of_rancher[(rancher[0], rancher[1])] >= default[:2]
    assert set(KNOWN.published) == set(DEFAULTS), "each default can be checked"
    longhorn = DEFAULTS["longhorn"]
    assert longhorn in KNOWN.newest_longhorn.values()


def test_a_stop_that_is_not_known_is_no_way() -> None:
    hole = {minor: each for minor, each in KNOWN.newest.items() if minor != (1, 35)}
    assert ladder("v1.34.11+k3s1", "v1.36.3+k3s1", replace(KNOWN, newest=hole)) == ()
