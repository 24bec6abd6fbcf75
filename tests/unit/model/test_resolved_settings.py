"""What is in force for one node, and names derived from the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.errors import UsageError
from picluster.model import JumpHost, SecretRef, parse

CLUSTER = parse(
    """\
name: case-1
domain: cluster.lan
ssh: {user: pi, key: /keys/common, jump: gate, sudo_password: prompt}
nodes:
  - {name: pi1, address: 10.0.0.11, role: server}
  - name: pi2
    address: fd00::12
    role: agent
    ssh: {user: ubuntu, port: 2222, sudo_password: env:PI2}
    prepare: {swap: keep, set_hostname: no}
    k3s: {flannel_iface: wlan0, options: {a: own, c: own}}
prepare: {timezone: Etc/UTC}
k3s:
  flannel_iface: eth0
  server_options: {a: servers}
  agent_options: {a: agents, b: agents}
registry: {node: pi2}
"""
).cluster
PI1, PI2 = CLUSTER.nodes


def test_ssh_settings_of_a_node_win_over_those_of_the_cluster():
    ssh = CLUSTER.ssh_for(PI2)
    assert (ssh.user, ssh.port, ssh.key) == ("ubuntu", 2222, Path("/keys/common"))
    assert ssh.jump == JumpHost("gate")
    assert ssh.sudo_password == SecretRef("env", "PI2")
    assert CLUSTER.ssh_for(PI1).user == "pi"
    assert CLUSTER.ssh_for(PI1).port is None


def test_prepare_settings_of_a_node_win_even_when_they_say_no():
    prepare = CLUSTER.prepare_for(PI2)
    assert (prepare.swap, prepare.set_hostname, prepare.timezone) == ("keep", False, "Etc/UTC")
    assert CLUSTER.prepare_for(PI1) == CLUSTER.prepare


def test_k3s_options_are_those_of_the_role_with_the_nodes_own_on_top():
    assert CLUSTER.k3s_for(PI1).options == {"a": "servers"}
    assert CLUSTER.k3s_for(PI2).options == {"a": "own", "b": "agents", "c": "own"}
    assert CLUSTER.k3s_for(PI1).flannel_iface == "eth0"
    assert CLUSTER.k3s_for(PI2).flannel_iface == "wlan0"


def test_the_registry_is_found_under_every_name_of_its_node():
    url = "http://[fd00::12]:5000"
    names = ("pi2:5000", "pi2.cluster.lan:5000", "[fd00::12]:5000")
    assert CLUSTER.registry_endpoints == dict.fromkeys(names, url)
    assert CLUSTER.model_copy(update={"registry": None}).registry_endpoints == {}


def test_a_registry_with_tls_is_reached_over_https():
    registry = CLUSTER.registry.model_copy(update={"tls": True})
    found = CLUSTER.model_copy(update={"registry": registry}).registry_endpoints
    assert set(found.values()) == {"https://[fd00::12]:5000"}


def test_full_names_need_a_domain():
    assert CLUSTER.fqdn(PI1) == "pi1.cluster.lan"
    assert CLUSTER.model_copy(update={"domain": None}).fqdn(PI1) == "pi1"


def test_nodes_are_found_by_name():
    assert CLUSTER.node("pi2") is PI2
    with pytest.raises(UsageError, match="did you mean pi1"):
        CLUSTER.node("pii1")


def test_servers_and_agents_are_told_apart_in_a_changed_copy_too():
    assert CLUSTER.model_copy(update={"nodes": (PI2,)}).servers == ()
    assert (CLUSTER.servers, CLUSTER.agents) == ((PI1,), (PI2,))
