"""Which releases of K3s a cluster file may name."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("version", ["v1.28.0+k3s1", "v1.34.1-rc1+k3s2", "v2.0.0+k3s1"])
def test_releases_that_are_known_or_newer_are_taken(cluster, version):
    assert cluster(f"k3s: {{version: {version}}}\n").k3s.version == version


@pytest.mark.parametrize("version", ["v1.27.16+k3s1", "v0.9.1+k3s1"])
def test_releases_too_old_are_refused_with_one_that_is_not(refusal, version):
    problem = refusal(f"k3s: {{version: {version}}}\n")
    assert "older" in problem.what
    assert "v1.28 or newer" in problem.fix


def test_opentakservers_first_releases_are_refused(refusals, smallest):
    registry = "registry: {node: pi1}\n"
    (problem,) = refusals(f"{smallest}{registry}opentakserver: {{version: 1.4.9}}\n")
    assert problem.path == "opentakserver.version"
