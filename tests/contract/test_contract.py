"""Every behaviour of K3s that picluster decides by, as a fact that holds for stand-in and K3s.

`pytest tests/contract` asks the stand-in, `pytest tests/contract --release DIR` a real K3s. A fact
that fails on the real one is picluster's error; one that fails on the stand-in alone is the
stand-in's.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from picluster.steps.k3s import paths
from tests.lab.bench import Bench, Pi, until
from tests.lab.kube import fetched

SERVER = "/var/lib/rancher/k3s/server"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


@pytest.fixture
def server(box: Bench) -> Pi:
    return box.node(1)


@pytest.fixture
def agent(box: Bench) -> Pi:
    return box.node(4)


def conditions(node: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {each["type"]: each for each in node["status"]["conditions"]}


def node_of(pi: Pi, asked_at: Pi) -> dict[str, Any]:
    return fetched(asked_at, f"/api/v1/nodes/{pi.name}")


class TestFiles:
    def test_the_binary_says_its_release_in_the_third_word(self, server: Pi) -> None:
        first = server.sh("k3s --version").splitlines()[0].split()
        assert first[:2] == ["k3s", "version"]
        assert re.fullmatch(r"v\d+\.\d+\.\d+(-rc\d+)?\+k3s\d+", first[2])

    @pytest.mark.parametrize("name", ["kubectl", "crictl", "ctr"])
    def test_its_other_names_are_links_to_it(self, server: Pi, name: str) -> None:
        assert server.sh(f"readlink /usr/local/bin/{name}").strip() == "k3s"

    def test_a_server_has_its_scripts_and_an_agent_its_own(self, server: Pi, agent: Pi) -> None:
        for pi, names in (
            (server, ["k3s-killall.sh", "k3s-uninstall.sh"]),
            (agent, ["k3s-killall.sh", "k3s-agent-uninstall.sh"]),
        ):
            for name in names:
                pi.sh(f"test -x /usr/local/bin/{name}")
        assert agent.status("test -e /usr/local/bin/k3s-uninstall.sh") != 0

    def test_units_are_of_the_kind_that_says_when_it_is_ready(self, server: Pi, agent: Pi) -> None:
        for pi, unit in ((server, "k3s"), (agent, "k3s-agent")):
            said = pi.sh(f"systemctl show -p Type,ActiveState,UnitFileState,Restart {unit}").split()
            assert set(said) == {
                "Type=notify",
                "ActiveState=active",
                "UnitFileState=enabled",
                "Restart=always",
            }

    @pytest.mark.parametrize("name", ["token", "node-token"])
    def test_a_token_names_the_authority_it_belongs_to(self, server: Pi, name: str) -> None:
        token = server.read(f"{SERVER}/{name}").strip()
        found = re.fullmatch(r"K10([0-9a-f]{64})::server:\S+", token)
        assert found
        authority = server.sh(f"sha256sum {SERVER}/tls/server-ca.crt").split()[0]
        assert found[1] == authority

    def test_nobody_else_can_read_what_lets_one_in(self, server: Pi) -> None:
        for path in (f"{SERVER}/token", paths.KUBECONFIG):
            assert server.sh(f"stat -Lc %a {path}").strip() == "600"

    def test_several_servers_keep_their_data_in_etcd(self, server: Pi) -> None:
        server.sh(f"test -d {SERVER}/db/etcd/member")

    def test_a_node_keeps_the_password_that_it_joined_with(self, agent: Pi) -> None:
        assert agent.read("/etc/rancher/node/password").strip()

    def test_flannel_notes_the_network_that_it_made(self, box: Bench) -> None:
        for pi in box.nodes:
            assert "FLANNEL_SUBNET=" in pi.read("/run/flannel/subnet.env")


class TestApi:
    def test_it_says_by_itself_whether_it_is_ready(self, server: Pi) -> None:
        plain = f"curl -sk -o /dev/null -w '%{{http_code}}' https://{server.address}:6443/readyz"
        assert server.sh(plain).strip() in ("200", "401"), "anonymous users may be let in or not"

    def test_its_authority_is_given_to_everybody(self, server: Pi) -> None:
        given = server.sh(f"curl -sk https://{server.address}:6443/cacerts")
        assert given.strip() == server.read(f"{SERVER}/tls/server-ca.crt").strip()

    def test_a_wrong_token_is_refused_by_the_supervisor(self, server: Pi) -> None:
        ask = (
            f"curl -sk -o /dev/null -w '%{{http_code}}' -u node:wrong https://{server.address}:6443"
        )
        assert server.sh(f"{ask}/v1-k3s/config").strip() == "401"


class TestNodes:
    def test_servers_are_marked_and_agents_are_not(self, box: Bench, server: Pi) -> None:
        for pi in box.nodes:
            labels = node_of(pi, server)["metadata"]["labels"]
            marked = labels.get("node-role.kubernetes.io/control-plane") == "true"
            assert marked is (pi.node.role == "server"), pi.name
            assert labels["kubernetes.io/hostname"] == pi.name

    def test_servers_vote_and_say_so(self, box: Bench, server: Pi) -> None:
        for pi in box.nodes:
            found = conditions(node_of(pi, server))
            assert found["Ready"]["status"] == "True"
            if pi.node.role == "server":
                assert found["EtcdIsVoter"]["status"] == "True"
            else:
                assert "EtcdIsVoter" not in found

    def test_the_version_is_the_release(self, box: Bench, server: Pi) -> None:
        release = server.sh("k3s --version").split()[2]
        for pi in box.nodes:
            assert node_of(pi, server)["status"]["nodeInfo"]["kubeletVersion"] == release

    def test_each_lives_by_a_lease_that_it_renews(self, box: Bench, server: Pi) -> None:
        """A node is Ready a few seconds before its first Lease is there: seen with K3s 1.36."""

        def renewed(pi: Pi) -> str:
            listed = fetched(server, f"{LEASES}?fieldSelector=metadata.name%3D{pi.name}")["items"]
            return str(listed[0]["spec"]["renewTime"]) if listed else ""

        for pi in box.nodes:
            until(lambda pi=pi: renewed(pi) != "")  # type: ignore[misc]
        before = {pi.name: renewed(pi) for pi in box.nodes}
        for pi in box.nodes:
            until(lambda pi=pi: renewed(pi) != before[pi.name])  # type: ignore[misc]

    def test_the_machine_says_which_it_is(self, box: Bench, server: Pi) -> None:
        for pi in box.nodes:
            said = node_of(pi, server)["status"]["nodeInfo"]["machineID"]
            assert said == pi.read("/etc/machine-id").strip()

    def test_a_server_notes_its_member_of_etcd(self, server: Pi) -> None:
        notes = node_of(server, server)["metadata"]["annotations"]
        assert notes["etcd.k3s.cattle.io/node-name"].startswith(f"{server.name}-")
        assert notes["etcd.k3s.cattle.io/node-address"] == server.address


class TestSnapshots:
    def test_one_is_saved_under_its_name_the_node_and_the_time(self, server: Pi) -> None:
        server.sh("k3s etcd-snapshot save --name contract")
        names = server.sh(f"ls {SERVER}/db/snapshots").split()
        mine = [name for name in names if name.startswith("contract")]
        assert mine, names
        assert re.fullmatch(rf"contract-{server.name}-\d{{10}}", mine[0])

    def test_they_are_listed_with_where_they_are(self, server: Pi) -> None:
        listed = server.sh("k3s etcd-snapshot list 2>/dev/null")
        assert re.search(rf"contract-{server.name}-\d+ +file://{SERVER}/db/snapshots/", listed)


class TestRefusals:
    def test_an_unknown_option_is_named_and_ends_it(self, server: Pi) -> None:
        said = server.sh("k3s server --no-such-option 2>&1; echo status=$?")
        assert "no-such-option" in said
        assert "status=1" in said

    def test_a_stopped_kubelet_is_found_out_by_its_lease(self, agent: Pi, server: Pi) -> None:
        agent.sh("systemctl stop k3s-agent")
        try:
            until(lambda: conditions(node_of(agent, server))["Ready"]["status"] == "Unknown")
            found = conditions(node_of(agent, server))["Ready"]
            assert found["reason"] == "NodeStatusUnknown"
            taints = {each["key"] for each in node_of(agent, server)["spec"].get("taints", ())}
            assert "node.kubernetes.io/unreachable" in taints
        finally:
            agent.sh("systemctl start k3s-agent")
        until(lambda: conditions(node_of(agent, server))["Ready"]["status"] == "True")
