"""config.yaml and the token: who starts the cluster, who joins whom, and with what."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.unit.steps import looking
from tests.unit.steps.k3s.looks import look, printed

from picluster.engine.probe import Observation
from picluster.engine.step import Blocked, Change, Decision, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.files import FileState
from picluster.model import Cluster, parse
from picluster.secret import Secret
from picluster.steps.k3s import paths
from picluster.steps.k3s.config import ConfigFile, TokenFile
from picluster.steps.k3s.state import CREDENTIALS, STATE, Credentials

SERVERS = "\n".join(f"  - {{name: pi{n}, address: 10.0.0.{n}, role: server}}" for n in (1, 2, 3))
AGENT = "\n  - {name: pi4, address: 10.0.0.4, role: agent}\n"
NO_FILE = Observation(value=FileState())
HOLDS = printed(datastore="etcd", ca="abc", active="active")


def cluster(nodes: str = SERVERS + AGENT) -> Cluster:
    return parse(f"name: home\nnodes:\n{nodes}").cluster


def options(name: str, others: dict[str, Observation] | None = None) -> dict[str, Any]:
    """Return the options that a node gets, from the file that is written for it."""
    found = cluster()
    step = ConfigFile(found, found.node(name))
    states = {"pi1": printed(), "pi2": printed(), "pi3": printed()} | (others or {})
    survey = {node: {STATE.name: state} for node, state in states.items()}
    survey[name] = survey.get(name, {}) | looking.known(k3s_config=FileState())
    decision = step.decide(Look(name, step.name, survey))
    assert isinstance(decision, Change)
    (write,) = decision.actions
    assert isinstance(write, WriteFile)
    assert (write.path, write.mode) == (paths.CONFIG, 0o600)
    return dict(yaml.safe_load(str(write.content)))


def test_the_first_server_starts_the_cluster_and_the_others_join_it() -> None:
    assert options("pi1")["cluster-init"] is True
    assert "server" not in options("pi1")
    for name in ("pi2", "pi3", "pi4"):
        assert options(name)["server"] == "https://10.0.0.1:6443"
        assert "cluster-init" not in options(name)


def test_a_reimaged_first_server_joins_the_cluster_that_there_is() -> None:
    joined = options("pi1", {"pi2": HOLDS, "pi3": HOLDS})
    assert joined["server"] == "https://10.0.0.2:6443"
    assert "cluster-init" not in joined


def test_a_single_server_needs_no_etcd() -> None:
    one = cluster("  - {name: pi1, address: 10.0.0.1, role: server}\n")
    decision = ConfigFile(one, one.node("pi1")).decide(look("k3s-config", own=NO_FILE))
    assert isinstance(decision, Change)
    assert "cluster-init" not in str(decision.actions)


def test_the_data_of_two_clusters_is_refused() -> None:
    found = cluster()
    step = ConfigFile(found, found.node("pi3"))
    other = printed(datastore="etcd", ca="xyz", active="active")
    seen = look(step.name, own=NO_FILE, others={"pi1": HOLDS, "pi2": other})
    decision = step.decide(seen)
    assert isinstance(decision, Blocked)
    assert "different clusters" in decision.reason


FULL = f"K10{'a' * 8}::server:the-real-one"


def token(candidate: str, *, pinned: bool, present: str = "", running: str = FULL) -> Decision:
    step = TokenFile(Secret(candidate), pinned, ["pi1"], ())
    held = Credentials(Secret(running)) if running else Credentials()
    own = FileState("600 root:root", content=present) if present else FileState()
    seen = {CREDENTIALS.name: Observation(value=held)} | looking.known(k3s_token=own)
    return step.decide(Look("pi1", step.name, {"pi1": seen}))


def test_a_pinned_token_that_is_not_the_clusters_is_refused() -> None:
    decision = token("another-one", pinned=True)
    assert isinstance(decision, Blocked)
    assert "is not the one this cluster was made with" in decision.reason
    assert "another-one" not in str(decision)


@pytest.mark.parametrize("candidate", ["the-real-one", FULL])
def test_a_pinned_token_in_either_of_its_forms_is_the_clusters(candidate: str) -> None:
    assert token(candidate, pinned=True, present=FULL) == Satisfied()


def test_a_cluster_that_exists_gives_its_token_whatever_was_made_up_here() -> None:
    decision = token("made-up", pinned=False)
    assert isinstance(decision, Change)
    assert decision.actions == (WriteFile(paths.TOKEN, Secret(FULL), 0o600),)


def test_before_there_is_a_cluster_the_candidate_is_written() -> None:
    decision = token("made-up", pinned=False, running="")
    assert isinstance(decision, Change)
    assert decision.actions == (WriteFile(paths.TOKEN, Secret("made-up"), 0o600),)
