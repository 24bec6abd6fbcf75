"""Keys that mean nothing are errors, and the right key is named."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("more", "path", "fix"),
    [
        ("nodess: []\n", "nodess", "did you mean nodes?"),
        ("k3s: {cluster-cidr: 10.1.0.0/16}\n", "k3s.cluster-cidr", "did you mean cluster_cidr?"),
        ("k3s: {clusterCidr: 10.1.0.0/16}\n", "k3s.clusterCidr", "did you mean cluster_cidr?"),
        ("    adress: x\n", "nodes[0].adress", "did you mean address?"),
        ("limits: {conect: 5}\n", "limits.conect", "did you mean connect?"),
        ("sysctls: {}\n", "sysctls", "it belongs at prepare.sysctls"),
        ("ssh: {token: env:A}\n", "ssh.token", "it belongs at k3s.token"),
    ],
)
def test_the_right_key_is_named(refusal, more, path, fix):
    problem = refusal(more)
    assert (problem.path, problem.fix) == (path, fix)
    assert "not a key that picluster knows" in problem.what


def test_an_unknown_key_that_resembles_nothing_gets_the_list_of_keys(refusal):
    problem = refusal("registry: {node: pi1, quux: 1}\n")
    assert "node, port" in problem.fix
    assert (problem.line, problem.column) == (6, 23)


@pytest.mark.parametrize("key", ["argocd", "vip", "version"])
def test_what_nothing_consumes_yet_is_unknown(refusal, key):
    assert refusal(f"{key}: {{}}\n").path == key


def test_keys_that_look_like_other_things_are_just_unknown(refusals, smallest):
    problems = refusals(smallest + "1: a\n~: b\n'': c\n2026-01-01: d\n'x\ty': e\n")
    assert len(problems) == 5
