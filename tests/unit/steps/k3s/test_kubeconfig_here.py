"""The kubeconfig on this computer: any server's will do, that of one that is away too."""

from __future__ import annotations

from pathlib import Path

from tests.unit.kube.kubeconfig_samples import entry
from tests.unit.steps.looking import known

from picluster.engine.step import Change, Decision, Observation, Satisfied
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.kubeconfig import document
from picluster.steps.k3s.kubeconfig import (
    MergeKubeconfig,
    SavedKubeconfig,
    SaveKubeconfig,
    UserKubeconfig,
)
from picluster.steps.k3s.state import CREDENTIALS, ServerCredentials

SERVERS = ("pi1", "pi2", "pi3")
URL = "https://192.0.2.10:6443"
SAVED = SavedKubeconfig("home", URL, SERVERS, Path("/saved"))
MERGED = UserKubeconfig(SAVED, URL, Path("/merged"))


def has(certificate: str, ca: str = "CA-ONE") -> Observation:
    """What a server would let others in with; each has a certificate of its own."""
    admin = entry("default", "https://127.0.0.1:6443", certificate=certificate, ca=ca).admin
    return ServerCredentials(admin=admin)


ALL = {server: has(f"CERT-{server}") for server in SERVERS}


def kept(certificate: str, ca: str = "CA-ONE") -> str:
    return document(entry("home", URL, certificate=certificate, ca=ca))


def saved(text: str, seen: dict[str, object]) -> Decision:
    survey = {server: {CREDENTIALS.name: each} for server, each in seen.items()}
    survey[CLUSTER] = known(kubeconfig_saved=text)
    return SAVED.decide(Look(CLUSTER, SAVED.name, survey))


def merged(text: str, copy: str, seen: dict[str, object]) -> Decision:
    survey = {server: {CREDENTIALS.name: each} for server, each in seen.items()}
    survey[CLUSTER] = known(kubeconfig_saved=copy, kubeconfig_merged=text)
    return MERGED.decide(Look(CLUSTER, MERGED.name, survey))


def without(server: str) -> dict[str, object]:
    return {name: each for name, each in ALL.items() if name != server}


def actions(decision: Decision) -> tuple[object, ...]:
    assert isinstance(decision, Change), decision
    return decision.actions


def test_the_first_servers_is_saved_and_merged_under_the_clusters_name() -> None:
    wanted = entry("home", URL, certificate="CERT-pi1", ca="CA-ONE")
    assert actions(saved("", ALL)) == (SaveKubeconfig(Path("/saved"), wanted),)
    assert actions(merged("", "", ALL)) == (MergeKubeconfig(Path("/merged"), wanted),)


def test_without_any_server_that_has_one_nothing_is_written() -> None:
    assert actions(saved("", {})) == ()
    nothing = merged("", "", {})
    assert actions(nothing) == ()
    assert isinstance(nothing, Change)
    assert nothing.reason == "it has none yet"


def test_any_servers_is_as_good_as_anothers() -> None:
    for server in SERVERS:
        assert saved(kept(f"CERT-{server}"), ALL) == Satisfied()
    assert isinstance(saved(kept("CERT-former"), ALL), Change)
    assert isinstance(saved("", ALL), Change)


def test_that_of_a_server_that_is_away_is_kept() -> None:
    mine = kept("CERT-pi1")
    assert saved(mine, without("pi1")) == Satisfied()
    assert merged(mine, mine, without("pi1")) == Satisfied()


def test_that_of_another_cluster_is_not() -> None:
    former = kept("CERT-pi1", "CA-FORMER")
    assert isinstance(saved(former, without("pi1")), Change)
    assert isinstance(merged("", former, without("pi1")), Change)


def test_a_first_one_is_saved_although_a_server_is_away() -> None:
    assert isinstance(saved("", without("pi1")), Change)
    assert isinstance(merged("", "", without("pi1")), Change)
    assert isinstance(merged("", kept("CERT-pi1"), without("pi1")), Change)
