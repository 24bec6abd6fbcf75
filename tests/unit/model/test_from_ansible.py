"""From an Ansible inventory to a cluster file: what is taken, what is left, no secret copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.cli.init import init
from picluster.errors import ConfigInvalid, UsageError
from picluster.model import Cluster, load, parse
from picluster.model.ansible_files import read_hosts
from picluster.model.ansible_inventory import read_inventory
from picluster.model.from_ansible import Migration, from_ansible
from picluster.model.k3s import DEFAULT_VERSION

ARCLINK = """\
all:
  vars:
    ansible_user: acmeastro
    ansible_python_interpreter: /usr/bin/python3
    domain: research.core
    ansible_become_password: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      61626364
  children:
    k3s_cluster:
      children:
        k3s_master:
          hosts:
            node1.research.core: {ansible_host: 10.0.0.161}
            node0.research.core: {ansible_host: 10.0.0.160, k3s_master_primary: true}
            node2.research.core: {ansible_host: 10.0.0.162}
        k3s_agents:
          hosts:
            node[3:4].research.core: {node_labels: {disk: nvme}}
          vars:
            k3s_agent_install_args: "--kubelet-arg=max-pods=50"
    workstation:
      hosts:
        laptop: {ansible_connection: local}
"""
ALL = """\
registry_host: node0.research.core
registry_port: 5000
cluster_cidr: 10.52.0.0/16
k3s_version: "1.33.6"
k3s_token: hunter2
k3s_token_file: /var/lib/rancher/k3s/server/node-token
timezone: Etc/UTC
common_packages: [curl, vim]
postgres_storage_size: 20Gi
registry_url: "{{ registry_host }}:{{ registry_port }}"
longhorn_enabled: true
"""
K3S_ANSIBLE = """\
[server]
pi[1:3] ansible_host=10.0.0.1

[server:vars]
ansible_port=2222

[agent]
pi4 ansible_host=10.0.0.14 k3s_node_taints='["dedicated=gpu:NoSchedule"]'  # the fast one

[k3s_cluster:children]
server
agent

[k3s_cluster:vars]
ansible_user=pi
ansible_password=hunter2
ansible_ssh_private_key_file=~/.ssh/field
ansible_ssh_common_args="-o StrictHostKeyChecking=no -o ProxyJump=op@gate:2200"
k3s_version=v1.33.5+k3s1
apiserver_endpoint=10.0.0.100
extra_server_args=--disable traefik
"""


def migrated(text: str, path: str = "inventory.yml", servers: int | None = None) -> Migration:
    return from_ansible(read_inventory(text, path), "case", servers)


def cluster(migration: Migration) -> Cluster:
    return parse(migration.text).cluster


@pytest.fixture
def arclink(tmp_path: Path) -> Path:
    """The inventory of the system that is replaced, with its group_vars."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text(ALL)
    (tmp_path / "production.yml").write_text(ARCLINK)
    return tmp_path / "production.yml"


def test_the_reference_systems_inventory_becomes_a_file_that_loads(arclink: Path) -> None:
    found = cluster(from_ansible(read_hosts(arclink), "case"))
    assert [(node.name, node.address, node.role) for node in found.nodes] == [
        ("node0", "10.0.0.160", "server"),
        ("node1", "10.0.0.161", "server"),
        ("node2", "10.0.0.162", "server"),
        ("node3", "node3.research.core", "agent"),
        ("node4", "node4.research.core", "agent"),
    ]
    assert found.domain == "research.core"
    assert found.ssh_for(found.nodes[0]).user == "acmeastro"
    assert found.k3s.version == "v1.33.6+k3s1"
    assert str(found.k3s.cluster_cidr) == "10.52.0.0/16"
    assert found.registry is not None
    assert (found.registry.node, found.registry.port) == ("node0", 5000)
    assert found.nodes[4].labels == {"disk": "nvme"}
    assert found.prepare.timezone == "Etc/UTC"
    assert found.longhorn is not None


def test_all_that_is_not_taken_is_named_with_a_reason(arclink: Path) -> None:
    left = dict(from_ansible(read_hosts(arclink), "case").left)
    assert "in no group" in left["laptop"]
    assert "ssh.sudo_password" in left["ansible_become_password"]
    assert "a secret" in left["k3s_token"]
    assert "only root can read" in left["k3s_token_file"]
    assert "k3s.agent_options" in left["k3s_agent_install_args"]
    assert "opentakserver.storage" in left["postgres_storage_size"]
    assert "no such setting" in left["registry_url"]
    assert all(left.values())


def test_every_variable_is_either_taken_or_left(arclink: Path) -> None:
    hosts = read_hosts(arclink)
    found = from_ansible(hosts, "case")
    told = {name for name, _ in found.left}
    told |= {origin for _, origin in found.taken} | {"ansible_host", "node_labels"}
    names = {name for host in hosts for name in host.vars if host.name != "laptop"}
    assert names <= told, f"silently dropped: {sorted(names - told)}"


def test_an_ini_inventory_of_k3s_ansible_is_read_too() -> None:
    text = K3S_ANSIBLE.replace("pi[1:3] ansible_host=10.0.0.1", "10.0.0.1[1:3]")
    migration = migrated(text, "hosts.ini")
    found = cluster(migration)
    assert [node.address for node in found.servers] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
    assert [(node.name, node.taints) for node in found.agents] == [
        ("pi4", ("dedicated=gpu:NoSchedule",))
    ]
    ways = [found.ssh_for(node) for node in found.nodes]
    assert {way.user for way in ways} == {"pi"}
    assert [way.port for way in ways] == [2222, 2222, 2222, None]
    assert str(ways[0].jump) == "op@gate:2200"
    assert found.k3s.vip is not None
    assert str(found.k3s.vip.address) == "10.0.0.100"
    assert "pinned" in dict(migration.left)["StrictHostKeyChecking=no"]


@pytest.mark.parametrize("text", [ARCLINK, K3S_ANSIBLE])
def test_no_password_is_copied(text: str) -> None:
    path = "hosts.ini" if text == K3S_ANSIBLE else "hosts.yml"
    found = migrated(text, path)
    assert "hunter2" not in f"{found}"
    assert "61626364" not in f"{found}"


def test_two_servers_become_one_because_two_bear_no_more() -> None:
    text = "[server]\npi1\npi2\n[agent]\npi3\n"
    found = migrated(text, "hosts")
    assert [node.role for node in cluster(found).nodes] == ["server", "agent", "agent"]
    assert ("pi2 as a server", "1 servers are kept: it is an agent now") in found.left


def test_the_number_of_servers_can_be_chosen() -> None:
    text = "[server]\npi[1:5]\n"
    assert len(cluster(migrated(text, "hosts", servers=3)).servers) == 3


def test_inner_groups_win_over_outer_ones_and_hosts_over_both() -> None:
    text = """\
all:
  vars: {ansible_port: 1}
  children:
    server:
      vars: {ansible_port: 2}
      hosts:
        pi1: {}
        pi2: {ansible_port: 3}
        pi3: {}
"""
    found = cluster(migrated(text))
    assert [found.ssh_for(node).port for node in found.nodes] == [2, 3, 2]


def test_files_of_hosts_win(arclink: Path) -> None:
    (arclink.parent / "host_vars").mkdir()
    own = arclink.parent / "host_vars" / "node3.research.core.yml"
    own.write_text("ansible_host: 10.0.0.163\n")
    found = cluster(from_ansible(read_hosts(arclink), "case"))
    assert found.node("node3").address == "10.0.0.163"


def test_a_template_is_left_because_its_value_is_not_known() -> None:
    found = migrated("[server]\npi1 k3s_version='{{ wanted }}'\n", "hosts")
    assert "template" in dict(found.left)["k3s_version"]
    assert "{{" not in found.text


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("all:\n  hosts: {pi1: [\n", "inv.yml", "inv.yml:"),
        ("[server]\npi1 a='\n", "hosts.ini", "hosts.ini:2"),
        ("all: [pi1]\n", "inv.yml", "inv.yml"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, path: str, says: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        read_inventory(text, path)
    assert says in refused.value.where
    assert refused.value.fix


@pytest.mark.parametrize("text", ["[web]\nhost1\n", "[agent]\npi1\n"])
def test_an_inventory_without_servers_is_refused_with_the_groups_that_are_known(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        migrated(text, "hosts")
    assert "k3s_master" in refused.value.why


def test_a_group_that_holds_itself_ends() -> None:
    text = "[a:children]\nb\n[b:children]\na\n[server]\npi1\n"
    assert len(cluster(migrated(text, "hosts")).nodes) == 1


# ------------------------------------------------------------------ every form of an inventory


SERVERS = {"pi1": "10.0.0.1", "pi2": "10.0.0.2", "pi3": "10.0.0.3"}
INI = """\
[server]  # those with the data
pi1 ansible_host=10.0.0.1 ansible_port=
pi2 ansible_host=10.0.0.2
pi3 ansible_host=10.0.0.3
[server:vars] ; for all of them
ansible_user=pi
"""
YAML = """\
server:
  hosts:
    pi1: {ansible_host: 10.0.0.1}
    pi2: {ansible_host: 10.0.0.2}
    pi3: {ansible_host: 10.0.0.3}
  vars: {ansible_user: pi}
"""
RANGES = "[server]\npi[1:3]\n"
OWN_SAMPLE = """\
---
k3s_cluster:
  children:
    server:
      hosts:
        192.16.35.11:
        192.16.35.12:
        192.16.35.13:
    agent:
      hosts:
        192.16.35.14:
        192.16.35.15:
  vars:
    ansible_port: 22
    ansible_user: debian
    k3s_version: v1.30.2+k3s1
    token: "changeme!"
    api_endpoint: "{{ hostvars[groups['server'][0]]['ansible_host'] }}"
"""
"""As the sample of k3s-io/k3s-ansible (inventory-sample.yml) has its groups and variables."""


@pytest.mark.parametrize(
    ("text", "path"), [(INI, "hosts.ini"), (INI, "hosts"), (YAML, "hosts.yml")]
)
def test_ini_and_yaml_say_the_same(text: str, path: str) -> None:
    found = cluster(migrated(text, path))
    assert {node.name: node.address for node in found.nodes} == SERVERS
    assert (found.ssh.user, found.ssh.port) == ("pi", None)


@pytest.mark.parametrize("name", ["hosts", "hosts.ini", "inventory", "hosts.yml"])
def test_a_directory_is_read_with_the_variables_in_it(tmp_path: Path, name: str) -> None:
    text = YAML.replace("  vars: {ansible_user: pi}\n", "") if name.endswith("yml") else RANGES
    (tmp_path / name).write_text(text)
    more = {"group_vars/all": "ansible_user: pi", "host_vars/pi2": "ansible_port: 22"}
    for where, line in more.items():
        file = tmp_path / f"{where}.yml"
        file.parent.mkdir()
        file.write_text(f"{line}\n")
    for given in (tmp_path, tmp_path / name):
        found = cluster(from_ansible(read_hosts(given), "case"))
        assert found.ssh.user == "pi"
        assert [node.ssh.port for node in found.nodes] == [None, 22, None]


@pytest.mark.parametrize(
    ("files", "says"), [((), "no inventory"), (("hosts", "inventory.ini"), "several inventories")]
)
def test_a_directory_that_leaves_it_open_is_refused(
    tmp_path: Path, files: tuple[str, ...], says: str
) -> None:
    for name in files:
        (tmp_path / name).write_text(RANGES)
    with pytest.raises(UsageError, match=says):
        read_hosts(tmp_path)


def test_ranges_stand_for_hosts() -> None:
    assert [node.address for node in cluster(migrated(RANGES, "hosts")).nodes] == list(SERVERS)


def test_k3s_ansibles_own_sample_is_taken_but_for_its_secret_and_its_template() -> None:
    result = migrated(OWN_SAMPLE)
    found = cluster(result)
    assert [len(found.servers), len(found.agents)] == [3, 2]
    assert (found.ssh.user, found.k3s.version) == ("debian", "v1.30.2+k3s1")
    assert "changeme" not in result.text
    assert {"token", "api_endpoint"} <= {name for name, _ in result.left}


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        ("10.0.0.1:2222", "10.0.0.1", 2222),
        ("pi1.lan:22", "pi1.lan", 22),
        ("[fd00::1]:2222", "fd00::1", 2222),
        ("10.0.0.1:22 ansible_port=2200", "10.0.0.1", 2200),
    ],
)
def test_a_port_behind_a_host_is_its_port(host: str, address: str, port: int) -> None:
    found = cluster(migrated(f"[server]\n{host}\n", "hosts.ini"))
    assert found.nodes[0].address == address
    assert found.ssh.port == port


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1.33.6", "v1.33.6+k3s1"),
        ("v1.33.6-k3s.2", "v1.33.6+k3s2"),
        ("v1.33.6+k3s2-arm64", "v1.33.6+k3s2"),
        ("v1.22.3+k3s1", None),
        ("stable", None),
    ],
)
def test_versions_are_read_however_they_were_written(written: str, read: str | None) -> None:
    result = migrated(f"[server]\npi1\n[all:vars]\nk3s_version={written}\n", "hosts.ini")
    assert ("k3s_version" in {name for name, _ in result.left}) == (read is None)
    assert cluster(result).k3s.version == (read or DEFAULT_VERSION)


@pytest.mark.parametrize(
    "line",
    [
        "ansible_user={{ me }}",
        "ansible_port={{ port }}",
        "ansible_port=ssh",
        "common_packages=['vim', '{{ more }}']",
        "flannel_iface={{ ansible_default_ipv4.interface }}",
    ],
)
def test_what_is_not_known_is_left_and_told_and_never_taken_literally(line: str) -> None:
    result = migrated(f"[server]\npi1\n[all:vars]\n{line}\n", "hosts.ini")
    assert "{{" not in result.text
    assert line.partition("=")[0] in {name for name, _ in result.left}
    cluster(result)


def test_init_writes_the_file_and_says_what_became_of_each_setting(
    arclink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "cluster.yaml"
    init(name="case", from_ansible=arclink, output=output)
    assert load(output).cluster.name == "case"
    said = capsys.readouterr().out
    assert "  registry.node, from registry_host\n" in said
    assert "not taken over:\n" in said
    assert "hunter2" not in said + output.read_text()
    with pytest.raises(UsageError, match="already"):
        init(from_ansible=arclink, output=output)


def test_init_refuses_nodes_beside_an_inventory_and_one_that_is_not_there(tmp_path: Path) -> None:
    output = tmp_path / "cluster.yaml"
    with pytest.raises(UsageError, match="inventory tells nodes"):
        init(from_ansible=tmp_path / "x", node=["pi1=10.0.0.11"], output=output)
    with pytest.raises(UsageError, match="cannot be read"):
        init(from_ansible=tmp_path / "no.yml", output=output)
    assert not output.exists()
