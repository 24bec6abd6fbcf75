"""Rules about the cluster as a whole, and that they run beside broken fields."""

from __future__ import annotations

import pytest

from picluster.model import parse


def nodes(servers: int, agents: int = 0) -> str:
    lines = ["name: many", "nodes:"]
    for i in range(1, servers + agents + 1):
        role = "server" if i <= servers else "agent"
        lines.append(f"  - {{name: pi{i}, address: 10.0.0.{i}, role: {role}}}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def only(refusals):
    def read(text):
        problems = refusals(text)
        assert len(problems) == 1, problems
        return problems[0]

    return read


@pytest.mark.parametrize(("servers", "agents"), [(1, 0), (3, 0), (5, 0), (1, 9), (3, 4), (5, 20)])
def test_one_three_or_five_servers_and_any_number_of_agents_are_taken(servers, agents):
    cluster = parse(nodes(servers, agents)).cluster
    assert (len(cluster.servers), len(cluster.agents)) == (servers, agents)
    assert cluster.is_ha == (servers > 1)


@pytest.mark.parametrize("servers", [2, 4, 6, 7])
def test_other_numbers_of_servers_are_refused(only, servers):
    problem = only(nodes(servers, 1))
    assert problem.path == "nodes"
    assert f"has {servers} servers" in problem.what
    assert "1, 3 or 5" in problem.fix


def test_two_servers_are_refused_with_the_reason(only):
    assert "less safe than one" in only(nodes(2)).what


def test_a_cluster_needs_a_server(only):
    assert "no server" in only(nodes(0, 3)).what


def test_a_repeated_name_is_refused_at_the_second_place(only):
    problem = only(nodes(1, 2).replace("name: pi3", "name: pi1"))
    assert (problem.path, problem.line) == ("nodes[2].name", 5)
    assert "already the name of nodes[0]" in problem.what


def test_a_repeated_address_is_refused(only):
    assert only(nodes(1, 1).replace("10.0.0.2", "10.0.0.1")).path == "nodes[1].address"


def test_one_address_in_two_spellings_is_still_one(only):
    text = nodes(1, 1).replace("10.0.0.1", "'FD00:0::1'").replace("10.0.0.2", "'fd00::1'")
    assert only(text).path == "nodes[1].address"
    text = nodes(1, 1).replace("10.0.0.1", "pi.Lan").replace("10.0.0.2", "PI.lan.")
    assert only(text).path == "nodes[1].address"


def test_a_repeated_node_ip_is_refused(only):
    text = nodes(1, 1).replace("}", ", k3s: {node_ip: 192.168.1.1}}")
    assert only(text).path == "nodes[1].k3s.node_ip"


def test_a_repeated_taint_is_refused(only):
    text = nodes(1, 1).replace(
        "role: agent", "role: agent, taints: ['a=b:NoExecute', 'a=c:NoExecute', 'a=b:NoSchedule']"
    )
    assert only(text).path == "nodes[1].taints[1]"


def test_taints_on_every_node_are_refused(only):
    text = nodes(3).replace("}", ", taints: ['a=b:NoSchedule']}")
    assert "nowhere to run" in only(text).what
    assert parse(nodes(3).replace("}", ", taints: ['a=b:PreferNoSchedule']}"))


@pytest.mark.parametrize(
    ("k3s", "path", "words"),
    [
        ("service_cidr: 10.42.128.0/20", "k3s.service_cidr", "overlaps k3s.cluster_cidr"),
        ("cluster_cidr: 10.43.0.0/16", "k3s.service_cidr", "overlaps k3s.cluster_cidr"),
        ("cluster_cidr: fd00::/48", "k3s.service_cidr", "not of the same kind"),
        ("service_cidr: 11.0.0.0/8", "k3s.service_cidr", "larger than the API server accepts"),
        ("service_cidr: 10.43.0.0/29", "k3s.service_cidr", "too small"),
        ("cluster_dns: 10.44.0.10", "k3s.cluster_dns", "not in k3s.service_cidr"),
        ("cluster_dns: 'fd00::10'", "k3s.cluster_dns", "not in k3s.service_cidr"),
        ("cluster_dns: 10.43.0.0", "k3s.cluster_dns", "taken"),
        ("cluster_dns: 10.43.0.1", "k3s.cluster_dns", "taken"),
        ("cluster_dns: 10.43.255.255", "k3s.cluster_dns", "taken"),
        ("cluster_cidr: 10.42.0.0/24", "k3s.cluster_cidr", "room for 1 nodes"),
        ("cluster_cidr: 10.42.0.0/28", "k3s.cluster_cidr", "room for 0 nodes"),
        ("cluster_cidr: 10.0.0.0/16", "nodes[0].address", "lies inside k3s.cluster_cidr"),
        ("service_cidr: 10.0.0.0/16", "nodes[0].address", "lies inside k3s.service_cidr"),
    ],
)
def test_networks_have_to_fit_together(refusals, k3s, path, words):
    problem = refusals(nodes(1, 1) + f"k3s: {{{k3s}}}\n")[0]
    assert problem.path == path
    assert words in problem.what


def test_every_node_inside_a_cluster_network_is_named(refusals):
    problems = refusals(nodes(1, 2) + "k3s: {cluster_cidr: 10.0.0.0/16}\n")
    assert [p.path for p in problems] == [f"nodes[{i}].address" for i in range(3)]


def test_a_node_ip_inside_a_cluster_network_is_refused(only):
    problem = only(nodes(1).replace("}", ", k3s: {node_ip: 10.42.7.7}}"))
    assert problem.path == "nodes[0].k3s.node_ip"


def test_a_node_ip_is_of_the_kind_that_pods_have(only):
    problem = only(nodes(1).replace("}", ", k3s: {node_ip: 'fd00::7'}}"))
    assert "is not IPv4" in problem.what


def test_a_cluster_may_be_all_ipv6():
    text = nodes(3).replace("10.0.0.", "2001:db8::")
    parse(text + "k3s: {cluster_cidr: 'fd42::/56', service_cidr: 'fd43::/112'}\n")


def test_a_mask_of_ones_own_is_trusted_to_make_room():
    args = "kube_controller_manager_args: {node-cidr-mask-size: 26}"
    parse(nodes(1, 2) + f"k3s: {{cluster_cidr: 10.42.0.0/24, {args}}}\n")


def test_a_tiny_service_network_is_taken_with_a_dns_address_in_it():
    parse(nodes(1) + "k3s: {service_cidr: 10.43.0.0/29, cluster_dns: 10.43.0.5}\n")


def test_the_registry_has_to_be_on_a_node(only):
    problem = only(nodes(1, 2) + "registry: {node: pi4}\n")
    assert problem.path == "registry.node"
    assert "pi" in problem.fix


@pytest.mark.parametrize("port", [22, 6443, 10250, 2379, 30000, 32767])
def test_the_registry_may_not_take_a_port_of_k3s(only, port):
    assert only(nodes(1) + f"registry: {{node: pi1, port: {port}}}\n").path == "registry.port"


@pytest.mark.parametrize(
    ("more", "path", "fix"),
    [
        ("username: me", "registry.username", "registry.password"),
        ("password: env:X", "registry.password", "registry.username"),
    ],
)
def test_a_login_to_the_registry_has_both_parts(only, more, path, fix):
    problem = only(nodes(1) + f"registry: {{node: pi1, {more}}}\n")
    assert problem.path == path
    assert fix in problem.fix


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("username: me, password: secret", "registry.password"),
        ("username: 'm:e', password: env:X", "registry.username"),
    ],
)
def test_a_bad_part_of_a_login_is_not_also_a_missing_one(only, more, path):
    assert only(nodes(1) + f"registry: {{node: pi1, {more}}}\n").path == path


@pytest.mark.parametrize(
    "volume",
    [
        "/",
        "/data",
        "relative/path",
        "/srv/../etc",
        "/etc/registry",
        "/var/lib",
        "/var/lib/docker",
        "/var/lib/rancher/x",
        "/home/pi",
        "/media/pi",
        "/var/log/registry",
        "/var/www",
        "/var/lib/dpkg",
        "/srv/a b",
        "/srv/a:b",
    ],
)
def test_the_registrys_directory_is_its_own(only, volume):
    assert only(nodes(1) + f"registry: {{node: pi1, volume: '{volume}'}}\n").path == (
        "registry.volume"
    )


@pytest.mark.parametrize("volume", ["/var/lib/picluster-registry", "/mnt/ssd/registry/"])
def test_a_directory_of_its_own_is_taken(volume):
    found = parse(nodes(1) + f"registry: {{node: pi1, volume: {volume}}}\n").cluster
    assert found.registry.volume == volume.rstrip("/")


@pytest.mark.parametrize("image", ["registry", "a b:1", "x:$(id)", "registry:"])
def test_the_registrys_image_has_a_tag(only, image):
    assert only(nodes(1) + f"registry: {{node: pi1, image: '{image}'}}\n").path == "registry.image"


def test_rules_about_the_whole_still_run_when_fields_are_broken(refusals):
    text = (
        nodes(1, 2).replace("name: pi3", "name: pi2")
        + "k3s: {version: latest, cluster_cidr: 10.0.0.0/16}\n"
        + "registry: {node: elsewhere}\n"
        + "prepare: no\n"
    )
    assert {problem.path for problem in refusals(text)} == {
        "nodes[0].address",
        "nodes[1].address",
        "nodes[2].address",
        "nodes[2].name",
        "k3s.version",
        "registry.node",
        "prepare",
    }


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (nodes(1, 1).replace("role: server", "role: boss"), "nodes[0].role"),
        (nodes(3).replace("pi2", "Pi2"), "nodes[1].name"),
        (nodes(3).replace(", role: server}", "}", 1), "nodes[0].role"),
        (nodes(1) + "k3s: {cluster_cidr: 10.43.0.0/6}\n", "k3s.cluster_cidr"),
        (nodes(1) + "k3s: {service_cidr: x, cluster_dns: 10.99.0.10}\n", "k3s.service_cidr"),
        (nodes(1, 1).replace("pi2", "'2'") + "registry: {node: pi2}\n", "nodes[1].name"),
        ("name: x\nnodes: [{name: pi1, address: 10.0.0.1, role: server}, 7]\n", "nodes[1]"),
        ("name: x\nnodes: none\n", "nodes"),
        ("name: x\nnodes: {pi1: {role: server}}\n", "nodes"),
        (nodes(1) + "registry: {port: 6443a, node: pi1}\n", "registry.port"),
    ],
)
def test_one_mistake_makes_one_message(only, text, path):
    assert only(text).path == path


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.168.1.2", "already the address of nodes[1]"),
        ("10.43.0.99", "inside k3s.service_cidr"),
        ("fd00::9", "is not IPv4"),
    ],
)
def test_an_address_for_the_api_has_to_be_free(only, address, said):
    vip = f"k3s: {{vip: {{address: '{address}'}}}}\n"
    problem = only(nodes(3).replace("10.0.0.", "192.168.1.") + vip)
    assert problem.path == "k3s.vip.address"
    assert said in problem.what


@pytest.mark.parametrize("image", ["kube-vip", "a b:1", "x:$(id)", "kube-vip:"])
def test_the_image_of_kube_vip_has_a_tag(only, image):
    vip = f"k3s: {{vip: {{address: 192.168.9.9, image: '{image}'}}}}\n"
    assert only(nodes(1) + vip).path == "k3s.vip.image"


IMAGE = "images: {{build: [{{name: me/app, tag: '1', {source}}}]}}\n"
REGISTRY = "registry: {node: pi1}\n"


@pytest.mark.parametrize(
    "source",
    ["args: {A: b}", "context: app, git: https://example.org/x.git, ref: v1"],
)
def test_an_image_has_one_source(only, source):
    problem = only(nodes(1) + REGISTRY + IMAGE.format(source=source))
    assert problem.path == "images.build[0].name"
    assert "context" in problem.fix


def test_a_git_source_has_a_ref(only):
    source = "git: https://example.org/x.git"
    problem = only(nodes(1) + REGISTRY + IMAGE.format(source=source))
    assert "git without ref" in problem.what


def test_images_need_a_registry_to_go_to(only):
    problem = only(nodes(1) + IMAGE.format(source="context: app"))
    assert problem.path == "images.build"
    assert "registry" in problem.fix


def test_images_are_built_on_a_node_that_exists(only):
    text = IMAGE.format(source="context: app").replace("{build", "{builder: pi7, build", 1)
    assert only(nodes(1) + REGISTRY + text).path == "images.builder"


def test_two_images_have_two_names(only):
    text = "images:\n  build:\n" + "    - {name: me/app, tag: '1', context: app}\n" * 2
    assert "second image" in only(nodes(1) + REGISTRY + text).what


@pytest.mark.parametrize(
    "bad",
    [
        "name: Me/App",
        "name: me/app:1",
        "tag: inputs-abc",
        "git: file:///etc",
        "git: 'https://me:secret@example.org/x.git'",
        "dockerfile: ../Dockerfile",
        "args: {'A B': c}",
    ],
)
def test_what_docker_or_git_would_misread_is_refused(only, bad):
    good = {"name": "me/app", "tag": "'1'", "context": "app"}
    key, _, value = bad.partition(": ")
    good[key] = value
    if key == "git":
        good = {**{k: v for k, v in good.items() if k != "context"}, "ref": "v1"}
    body = ", ".join(f"{name}: {text}" for name, text in good.items())
    problem = only(nodes(1) + REGISTRY + f"images: {{build: [{{{body}}}]}}\n")
    assert problem.path.startswith(f"images.build[0].{key}")
    assert "secret" not in str(problem)
