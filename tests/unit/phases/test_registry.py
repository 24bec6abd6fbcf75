"""The registry phase: which steps a cluster file leads to, and what K3s is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.sites import site_on
from tests.unit.steps.looking import answered, decide, errors_of, judged

from picluster.engine.observe import observe
from picluster.engine.phase import Phase
from picluster.engine.place import Tools
from picluster.engine.step import Blocked, Change, Satisfied
from picluster.errors import NodeError, UsageError
from picluster.model import Cluster, parse
from picluster.operations.registry import images_of
from picluster.phases.catalog import PHASES, wanted
from picluster.phases.k3s import k3s
from picluster.phases.preflight import preflight
from picluster.phases.registry import endpoint, registry, server_names
from picluster.secret import redact
from picluster.site import Site
from picluster.steps.k3s.registries import RegistriesFile, render_registries
from picluster.steps.preflight.network import RegistryPortFree
from picluster.steps.registry.pull import Pulled

NODES = """\
name: small
domain: lan
nodes:
  - {name: pi1, address: 10.0.0.11, role: server}
  - {name: pi2, address: 10.0.0.12, role: agent}
"""
PLAIN = f"{NODES}registry: {{node: pi2}}\n"
SECURED = f"{NODES}registry: {{node: pi2, tls: true, username: me, password: env:X}}\n"
PASSWORD = "correct 'horse': #battery"


def cluster(text: str) -> Cluster:
    return parse(text).cluster


def site(text: str, tmp_path: Path) -> Site:
    found = cluster(text)
    login = found.registry is not None and found.registry.password is not None
    return site_on(ShellNodes(tmp_path), found, tmp_path, password=PASSWORD if login else "")


def names(phase: Phase, node: str) -> list[str]:
    return [step.name for step in phase.steps_for(node)]


def test_steps_come_in_an_order_that_works(tmp_path: Path) -> None:
    phase = registry(site(PLAIN, tmp_path))
    assert names(phase, "pi2") == [
        "registry-tools",
        "docker-engine",
        "docker-client",
        "docker-config",
        "docker-proxy",
        "docker-running",
        "registry-certificate",
        "registry-users",
        "registry-image",
        "registry-container",
        "test-image",
        "registry-exposure",
        "image-pulled",
    ]
    assert names(phase, "pi1") == ["registry-tools", "image-pulled"]


def test_with_tls_every_node_and_docker_trust_the_authority(tmp_path: Path) -> None:
    phase = registry(site(SECURED, tmp_path))
    assert names(phase, "pi1") == ["registry-tools", "registry-authority", "image-pulled"]
    ours = [name for name in names(phase, "pi2") if name.startswith("docker-authority")]
    assert ours == [f"docker-authority-{name}:5000" for name in ("pi2", "pi2.lan", "10.0.0.12")]
    assert "registry-authority" in names(k3s(site(SECURED, tmp_path)), "pi1")
    assert "registry-authority" not in names(k3s(site(PLAIN, tmp_path)), "pi1")


@pytest.mark.parametrize("text", [PLAIN, SECURED])
def test_no_two_steps_of_a_node_have_one_name(tmp_path: Path, text: str) -> None:
    phase = registry(site(text, tmp_path))
    for node in ("pi1", "pi2"):
        assert len(names(phase, node)) == len(set(names(phase, node)))


def test_a_cluster_without_a_registry_has_nothing_to_do(tmp_path: Path) -> None:
    assert registry(site(NODES, tmp_path)).targets() == []
    assert wanted(list(PHASES), cluster(NODES)) == ["prepare", "k3s", "deploy"]
    assert wanted(list(PHASES), cluster(PLAIN)) == ["prepare", "k3s", "registry", "deploy"]
    with pytest.raises(UsageError, match="no registry"):
        images_of(site(NODES, tmp_path))


def test_a_node_that_is_lost_while_it_is_listed_is_no_empty_registry(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="forwards no ports"):
        images_of(site(PLAIN, tmp_path))


def test_nothing_is_made_on_this_computer_before_it_is_needed(tmp_path: Path) -> None:
    phase = registry(site(SECURED, tmp_path))
    for node in ("pi1", "pi2"):
        steps = phase.steps_for(node)
        assert judged(steps, answered(steps, "age=1"))
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("text", [PLAIN, SECURED])
def test_every_probe_looks_at_a_real_system_without_an_error(tmp_path: Path, text: str) -> None:
    made = site(text, tmp_path)
    for node in ("pi1", "pi2"):
        steps = registry(made).steps_for(node)
        asked = [step for step in steps if not isinstance(step, Pulled)]
        seen = observe(made.sessions, Tools(), node, asked, 60)
        assert "syntax error" not in errors_of(asked, made.sessions)
        assert len(judged(asked, seen)) == len(asked)


def test_the_certificate_is_for_every_name_of_the_node(tmp_path: Path) -> None:
    found = cluster(PLAIN)
    assert server_names(found, found.node("pi2")) == [
        "pi2",
        "pi2.lan",
        "10.0.0.12",
        "localhost",
        "127.0.0.1",
    ]
    assert endpoint(site(PLAIN, tmp_path)).authority == ""
    assert "BEGIN CERTIFICATE" in endpoint(site(SECURED, tmp_path)).authority


class TestRegistriesYaml:
    NAMES = ("10.0.0.12:5000", "pi2.lan:5000", "pi2:5000")

    def test_without_tls_and_login_there_are_only_mirrors(self) -> None:
        found = yaml.safe_load(render_registries(cluster(PLAIN)))
        url = "http://10.0.0.12:5000"
        assert found == {"mirrors": {name: {"endpoint": [url]} for name in self.NAMES}}

    def test_with_them_every_name_is_configured_too(self, tmp_path: Path) -> None:
        made = site(SECURED, tmp_path)
        text = render_registries(made.cluster, made.registry_users)
        found = yaml.safe_load(text)
        assert set(found["mirrors"]) == set(found["configs"]) == set(self.NAMES)
        assert found["mirrors"]["pi2:5000"] == {"endpoint": ["https://10.0.0.12:5000"]}
        assert found["configs"]["pi2:5000"] == {
            "auth": {"username": "me", "password": PASSWORD},
            "tls": {"ca_file": "/etc/rancher/k3s/registry-ca.crt"},
        }
        assert "&id" not in text

    def test_with_a_password_it_is_shown_nowhere(self, tmp_path: Path) -> None:
        (step,) = [
            s for s in k3s(site(SECURED, tmp_path)).steps_for("pi1") if s.name == "k3s-registries"
        ]
        assert isinstance(step, RegistriesFile)
        assert step.probe().secret
        decision = decide(step)
        assert isinstance(decision, Change)
        assert decision.diff is None
        assert "horse" not in str(decision)

    def test_ordinary_lines_of_it_are_not_taken_for_secrets(self, tmp_path: Path) -> None:
        k3s(site(SECURED, tmp_path)).steps_for("pi1")
        assert redact("mirrors: configs: endpoint:") == "mirrors: configs: endpoint:"
        assert "horse" not in redact(f"it is {PASSWORD}")


class TestThePort:
    TAKEN = 'listens=LISTEN 0 128 0.0.0.0:5000 0.0.0.0:* users:(("docker-proxy",pid=7,fd=4))'

    def decide(self, *lines: str) -> Satisfied | Change | Blocked:
        return decide(RegistryPortFree(5000), *lines)

    def test_it_is_looked_at_on_the_registrys_node_alone(self) -> None:
        phase = preflight(cluster(PLAIN))
        assert "registry-port" in names(phase, "pi2")
        assert "registry-port" not in names(phase, "pi1")
        assert "registry-port" not in names(preflight(cluster(NODES)), "pi2")

    def test_our_own_container_is_no_conflict(self) -> None:
        assert isinstance(self.decide("ours=5000/tcp -> 0.0.0.0:5000", self.TAKEN), Satisfied)

    def test_our_container_on_another_port_does_not_excuse_somebody_elses(self) -> None:
        refused = self.decide("ours=5000/tcp -> 0.0.0.0:5001", self.TAKEN)
        assert isinstance(refused, Blocked)
        assert "5000 (docker-proxy)" in refused.reason

    def test_a_free_port_is_fine(self) -> None:
        assert self.decide() == Satisfied()
