"""What each field takes and refuses."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from picluster.model import Cluster, SecretRef


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("domain: Cluster.lan\n", "domain"),
        ("domain: cluster..lan\n", "domain"),
        ("domain: cluster.local\n", "domain"),
        ("domain: -a.lan\n", "domain"),
        ("ssh: {user: 'a b'}\n", "ssh.user"),
        ("ssh: {user: -oProxyCommand}\n", "ssh.user"),
        ("ssh: {port: 0}\n", "ssh.port"),
        ("ssh: {port: 65536}\n", "ssh.port"),
        ("ssh: {port: ssh}\n", "ssh.port"),
        ("ssh: {port: 22.5}\n", "ssh.port"),
        ("ssh: {port: 0x16}\n", "ssh.port"),
        ("ssh: {port: 022}\n", "ssh.port"),
        ("ssh: {port: 1:30}\n", "ssh.port"),
        ("ssh: {port: '99999999999999999999999999'}\n", "ssh.port"),
        ("ssh: {key: ''}\n", "ssh.key"),
        ('ssh: {key: "a\\nb"}\n', "ssh.key"),
        ("ssh: {key: ~nobody-of-this-name/id}\n", "ssh.key"),
        ("ssh: {jump: 'a b'}\n", "ssh.jump"),
        ("ssh: {jump: 'host:0'}\n", "ssh.jump"),
        ("ssh: {jump: 'host:70000'}\n", "ssh.jump"),
        ("ssh: {jump: '-oProxyCommand=x'}\n", "ssh.jump"),
        ("ssh: {jump: [a]}\n", "ssh.jump"),
        ("    labels: {'a b': c}\n", "nodes[0].labels.'a b'"),
        ("    labels: {a: 'b c'}\n", "nodes[0].labels.a"),
        ("    labels: {a: -b}\n", "nodes[0].labels.a"),
        ("    labels: {a/b/c: d}\n", "nodes[0].labels.'a/b/c'"),
        ("    labels: {a: [b]}\n", "nodes[0].labels.a"),
        (f"    labels: {{a: {'b' * 64}}}\n", "nodes[0].labels.a"),
        ("    labels: {node-role.kubernetes.io/etcd: ''}\n", None),
        ("    taints: ['node.kubernetes.io/unreachable:NoExecute']\n", "nodes[0].taints[0]"),
        ("    labels: [a]\n", "nodes[0].labels"),
        ("    taints: a=b:NoSchedule\n", "nodes[0].taints"),
        ("    taints: [a=b]\n", "nodes[0].taints[0]"),
        ("    taints: ['a=b:Never']\n", "nodes[0].taints[0]"),
        ("    taints: ['=b:PreferNoSchedule']\n", "nodes[0].taints[0]"),
        ("    taints: ['a=b c:PreferNoSchedule']\n", "nodes[0].taints[0]"),
        ("    taints: [{key: a}]\n", "nodes[0].taints[0]"),
        ("    k3s: {node_ip: pi1.lan}\n", "nodes[0].k3s.node_ip"),
        ("    k3s: {flannel_iface: a-very-long-interface}\n", "nodes[0].k3s.flannel_iface"),
        ("    k3s: {flannel_iface: 'eth0;x'}\n", "nodes[0].k3s.flannel_iface"),
        ("    prepare: {swap: maybe}\n", "nodes[0].prepare.swap"),
        ("prepare: {packages: git}\n", "prepare.packages"),
        ("prepare: {packages: [git-]}\n", "prepare.packages[0]"),
        ("prepare: {packages: [-y]}\n", "prepare.packages[0]"),
        ("prepare: {packages: [Git]}\n", "prepare.packages[0]"),
        ("prepare: {packages: [git=1.0]}\n", "prepare.packages[0]"),
        ("prepare: {packages: [git, [nano]]}\n", "prepare.packages[1]"),
        ("prepare: {apt_cache_max_age: soon}\n", "prepare.apt_cache_max_age"),
        ("prepare: {apt_cache_max_age: -1}\n", "prepare.apt_cache_max_age"),
        ("prepare: {set_hostname: perhaps}\n", "prepare.set_hostname"),
        ("prepare: {set_hostname: 1}\n", "prepare.set_hostname"),
        ("prepare: {timezone: ../../etc/passwd}\n", "prepare.timezone"),
        ("prepare: {timezone: 'Europe/Paris; reboot'}\n", "prepare.timezone"),
        ("prepare: {timezone: /etc/passwd}\n", "prepare.timezone"),
        ("prepare: {locale: english}\n", "prepare.locale"),
        ("prepare: {locale: en_GB.UTF-8/../x}\n", "prepare.locale"),
        ("prepare: {extra_modules: [a/b]}\n", "prepare.extra_modules[0]"),
        ("prepare: {extra_modules: ['a b']}\n", "prepare.extra_modules[0]"),
        ("prepare: {extra_modules: [-r]}\n", "prepare.extra_modules[0]"),
        ("prepare: {sysctls: {swappiness: 1}}\n", "prepare.sysctls.swappiness"),
        ("prepare: {sysctls: {vm.swappiness: '1; reboot'}}\n", "prepare.sysctls.'vm.swappiness'"),
        ('prepare: {sysctls: {vm.x: "1\\nkernel.y=2"}}\n', "prepare.sysctls.'vm.x'"),
        ("prepare: {sysctls: {kernel.core_pattern: '|/bin/x'}}\n", None),
        ("k3s: {version: 1.33.5}\n", "k3s.version"),
        ("k3s: {version: v1.33}\n", "k3s.version"),
        ("k3s: {version: stable}\n", "k3s.version"),
        ("k3s: {version: v1.33.5-k3s1}\n", "k3s.version"),
        ("k3s: {version: 1.30}\n", "k3s.version"),
        ("k3s: {cluster_cidr: 10.42.0.0}\n", "k3s.cluster_cidr"),
        ("k3s: {cluster_cidr: 10.42.1.0/16}\n", "k3s.cluster_cidr"),
        ("k3s: {cluster_cidr: 10.42.0.0/33}\n", "k3s.cluster_cidr"),
        ("k3s: {service_cidr: everything}\n", "k3s.service_cidr"),
        ("k3s: {cluster_dns: dns.lan}\n", "k3s.cluster_dns"),
        ("k3s: {disable: [trafik]}\n", "k3s.disable[0]"),
        ("k3s: {flannel_backend: ipsec}\n", "k3s.flannel_backend"),
        ("k3s: {flannel_iface: ''}\n", "k3s.flannel_iface"),
        ("k3s: {tls_san: [a_b]}\n", "k3s.tls_san[0]"),
        ("k3s: {tls_san: ['*.lan']}\n", "k3s.tls_san[0]"),
        ("k3s: {kubeconfig_mode: rw}\n", "k3s.kubeconfig_mode"),
        ("k3s: {kubeconfig_mode: 0666}\n", "k3s.kubeconfig_mode"),
        ("k3s: {kubeconfig_mode: 384}\n", "k3s.kubeconfig_mode"),
        ("k3s: {etcd: {snapshot_schedule: daily}}\n", "k3s.etcd.snapshot_schedule"),
        ("k3s: {etcd: {snapshot_schedule: '* * * * * *'}}\n", "k3s.etcd.snapshot_schedule"),
        ("k3s: {etcd: {snapshot_retention: 0}}\n", "k3s.etcd.snapshot_retention"),
        ("k3s: {etcd: {expose_metrics: 2}}\n", "k3s.etcd.expose_metrics"),
        ("k3s: {etcd: yes}\n", "k3s.etcd"),
        ("k3s: {kubelet_args: {--max-pods: 9}}\n", "k3s.kubelet_args.--max-pods"),
        ("k3s: {kubelet_args: [max-pods=9]}\n", "k3s.kubelet_args"),
        ('k3s: {kubelet_args: {max-pods: "9\\n"}}\n', "k3s.kubelet_args.max-pods"),
        ("k3s: {kubelet_args: {max-pods: {a: b}}}\n", "k3s.kubelet_args.max-pods"),
        ("k3s: {kubelet_args: {eviction-hard: x}}\n", "k3s.kubelet_args.eviction-hard"),
        ("k3s: {kube_apiserver_args: {token-auth-file: x}}\n", None),
        ("k3s: {kube_controller_manager_args: {cluster-cidr: x}}\n", None),
        ("k3s: {kube_scheduler_args: {V: 2}}\n", "k3s.kube_scheduler_args.V"),
        ("k3s: {system_reserved: {memory: lots}}\n", "k3s.system_reserved.memory"),
        ("k3s: {system_reserved: {ram: 1Gi}}\n", "k3s.system_reserved.ram"),
        ("k3s: {kube_reserved: {memory: '1Gi,cpu=1'}}\n", "k3s.kube_reserved.memory"),
        ("k3s: {eviction_hard: {memory.available: 200%}}\n", None),
        ("k3s: {eviction_hard: {memory: 5%}}\n", "k3s.eviction_hard.memory"),
        ("k3s: {server_options: {cluster-init: true}}\n", "k3s.server_options.cluster-init"),
        ("k3s: {server_options: {tls-san: [a]}}\n", "k3s.server_options.tls-san"),
        ("k3s: {server_options: {etcd-s3-secret-key: x}}\n", None),
        ("k3s: {agent_options: {Foo: true}}\n", "k3s.agent_options.Foo"),
        ("k3s: {agent_options: {foo: {a: b}}}\n", "k3s.agent_options.foo"),
        ("k3s: {agent_options: {foo: [[a]]}}\n", "k3s.agent_options.foo"),
        ('k3s: {agent_options: {foo: "a\\tb"}}\n', "k3s.agent_options.foo"),
        ("k3s: {install_url: ftp://get.k3s.io}\n", "k3s.install_url"),
        ("k3s: {install_url: get.k3s.io}\n", "k3s.install_url"),
        ("k3s: {install_url: 'https://get.k3s.io/$(reboot)'}\n", "k3s.install_url"),
        ("k3s: {release_url: 'https://a b/'}\n", "k3s.release_url"),
        ("registry: {port: 5000}\n", "registry.node"),
        ("registry: pi1\n", "registry"),
        ("limits: {connect: 0}\n", "limits.connect"),
        ("limits: {reboot: 31d}\n", "limits.reboot"),
        ("limits: {parallel: 0}\n", "limits.parallel"),
        ("limits: {parallel: 101}\n", "limits.parallel"),
        ("limits: {max_unavailable: -1}\n", "limits.max_unavailable"),
    ],
)
def test_a_bad_value_is_refused_at_its_place_with_a_remedy(refusal, more, path):
    problem = refusal(more)
    assert problem.line >= 6
    assert problem.fix
    if path is not None:
        assert problem.path == path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Pi1"),
        ("name", "pi_1"),
        ("name", "-pi"),
        ("name", "pi-"),
        ("name", "1"),
        ("name", "localhost"),
        ("name", "p" * 64),
        ("name", "pi1; reboot"),
        ("address", "10.0.0.256"),
        ("address", "0.0.0.0"),
        ("address", "224.0.0.1"),
        ("address", "fe80::1%eth0"),
        ("address", "fe80::1%$(reboot)"),
        ("address", "http://10.0.0.1"),
        ("address", "10.0.0.1/24"),
        ("address", "a_b.lan"),
        ("role", "leader"),
    ],
)
def test_a_bad_node_is_refused(refusals, smallest, field, value):
    good = {"name": "pi1", "address": "10.0.0.11", "role": "server"}[field]
    problems = refusals(smallest.replace(f"{field}: {good}", f"{field}: '{value}'"))
    assert [problem.path for problem in problems] == [f"nodes[0].{field}"]
    assert repr(value[:20])[:-1] in problems[0].sentence()


def test_a_full_host_name_is_split_into_name_and_domain(refusals, smallest):
    problem = refusals(smallest.replace("name: pi1", "name: node0.research.core"))[0]
    assert problem.fix == "write node0 here, and `domain: research.core`"


@pytest.mark.parametrize(
    ("word", "role"), [("master", "server"), ("control-plane", "server"), ("Worker", "agent")]
)
def test_other_words_for_a_role_are_translated(refusals, smallest, word, role):
    problem = refusals(smallest.replace("role: server", f"role: {word}"))[0]
    assert f"did you mean {role}?" in problem.fix


@pytest.mark.parametrize(
    ("written", "suggested"),
    [("1.33.5", "v1.33.5+k3s1"), ("v1.34.1-k3s2", "v1.34.1+k3s2"), ("1.34.1+k3s1", "v1.34.1+k3s1")],
)
def test_a_nearly_right_version_is_completed(refusal, written, suggested):
    assert suggested in refusal(f"k3s: {{version: {written}}}\n").fix


@pytest.mark.parametrize("field", ["name", "nodes"])
def test_a_required_key_is_missed(refusals, field):
    problems = refusals("domain: cluster.lan\n")
    assert (field, "is missing") in [(problem.path, problem.what) for problem in problems]


def test_no_nodes_at_all_is_refused(refusals):
    assert "is empty" in refusals("name: small\nnodes: []\n")[0].what
    assert "has no value" in refusals("name: small\nnodes:\n")[0].what


@pytest.mark.parametrize("more", ["k3s:\n", "k3s: {disable: }\n", "    labels:\n", "    ssh:\n"])
def test_a_section_with_nothing_in_it_counts_as_left_out(cluster, more):
    assert cluster(more) == cluster()


@pytest.mark.parametrize(
    "more", ["k3s: {version: }\n", "prepare: {swap: ~}\n", "limits: {connect: }"]
)
def test_a_value_with_nothing_in_it_is_refused(refusal, more):
    assert "has no value" in refusal(more).what


def test_an_optional_value_with_nothing_in_it_counts_as_left_out(cluster):
    assert cluster("domain:\nk3s: {token: ~}\nregistry:\n") == cluster()


@pytest.mark.parametrize(
    ("written", "meant"),
    [("true", True), ("yes", True), ("On", True), ("false", False), ("no", False), ("OFF", False)],
)
def test_every_word_for_yes_and_no_is_understood(cluster, written, meant):
    assert cluster(f"prepare: {{time_sync: {written}}}\n").prepare.time_sync is meant


@pytest.mark.parametrize("written", ["0600", "'0600'", "600", "0o600"])
def test_a_file_mode_is_octal_however_it_is_written(cluster, written):
    assert cluster(f"k3s: {{kubeconfig_mode: {written}}}\n").k3s.kubeconfig_mode == "0600"


def test_words_and_numbers_stay_what_was_written_where_text_is_wanted(cluster):
    found = cluster(
        "    labels: {country: no, size: 010, ratio: 1.50, on: off, nothing: ''}\n"
        "prepare: {sysctls: {vm.swappiness: 010}}\n"
        "k3s: {kubelet_args: {feature: yes, n: 5, empty: ''}}\n"
    )
    assert found.nodes[0].labels == {
        "country": "no",
        "size": "010",
        "ratio": "1.50",
        "on": "off",
        "nothing": "",
    }
    assert found.prepare.sysctls == {"vm.swappiness": "010"}
    assert found.k3s.kubelet_args == {"feature": "yes", "n": "5", "empty": ""}


def test_options_are_typed_as_k3s_would_read_them(cluster):
    options = cluster(
        "k3s: {server_options: {a: true, b: 5, c: '0600', d: text, e: [x, 1, no], f: ''}}\n"
    ).k3s.server_options
    assert options == {
        "a": True,
        "b": 5,
        "c": "0600",
        "d": "text",
        "e": ("x", "1", "no"),
        "f": "",
    }


def test_addresses_are_normalised(cluster):
    found = cluster("k3s: {tls_san: [API.Lan., 'FD00:0::1']}\n")
    assert found.k3s.tls_san == ("api.lan", "fd00::1")


def test_urls_lose_their_trailing_slash(cluster):
    found = cluster("k3s: {install_url: 'http://10.0.0.1:8080/k3s/', release_url: 'http://[::1]/'}")
    assert found.k3s.install_url == "http://10.0.0.1:8080/k3s"
    assert found.k3s.release_url == "http://[::1]"


@pytest.mark.parametrize(
    "taint", ["a=b:NoSchedule", "a:PreferNoSchedule", "a=:PreferNoSchedule", "x.io/a=b:NoExecute"]
)
def test_kubernetes_forms_of_a_taint_are_taken(smallest, taint):
    nodes = [
        {"name": "pi1", "address": "10.0.0.1", "role": "server"},
        {"name": "pi2", "address": "10.0.0.2", "role": "agent", "taints": [taint]},
    ]
    found = Cluster.model_validate({"name": "t", "nodes": nodes})
    assert found.nodes[1].taints == (taint,)


@pytest.mark.parametrize(
    "key",
    ["disk", "example.com/disk", "node-role.kubernetes.io/worker", "topology.kubernetes.io/zone"],
)
def test_labels_that_nobody_else_sets_are_taken(cluster, key):
    assert cluster(f"    labels: {{{key}: x}}\n").nodes[0].labels == {key: "x"}


@pytest.mark.parametrize(
    "key",
    [
        "kubernetes.io/hostname",
        "node-role.kubernetes.io/master",
        "node.kubernetes.io/instance-type",
    ],
)
def test_labels_that_k3s_would_set_back_are_refused(refusal, key):
    assert "set back" in refusal(f"    labels: {{{key}: x}}\n").what


@pytest.mark.parametrize("text", ["hunter2", "Env:X", "env:", "env:A-B", "file:", "prompt:x", ""])
@pytest.mark.parametrize("field", ["ssh: {password", "ssh: {sudo_password", "k3s: {token"])
def test_a_literal_secret_is_refused_and_not_repeated(refusal, field, text):
    problem = refusal(f"{field}: '{text}'}}\n")
    assert problem.fix == "write env:NAME, file:PATH or prompt"
    assert problem.value is None
    assert "hunter2" not in problem.sentence()


@pytest.mark.parametrize(
    "more", ["ssh: {jump: 'me:hunter2@gate'}\n", "k3s: {install_url: 'https://me:hunter2@x/y'}\n"]
)
def test_a_password_in_an_address_is_refused_and_not_repeated(refusal, more):
    assert "hunter2" not in str(refusal(more))


def test_secret_references_are_read(cluster):
    ssh = cluster("ssh: {password: env:PI_PASSWORD, sudo_password: prompt}\n").ssh
    assert ssh.password == SecretRef("env", "PI_PASSWORD")
    assert str(ssh.password) == "env:PI_PASSWORD"
    assert ssh.sudo_password == SecretRef("prompt")


@pytest.mark.parametrize(
    ("written", "host", "user", "port"),
    [
        ("gate", "gate", None, None),
        ("me@gate.example.org:2222", "gate.example.org", "me", 2222),
        ("me@[fd00::1]:22", "fd00::1", "me", 22),
        ("10.0.0.1", "10.0.0.1", None, None),
    ],
)
def test_a_jump_host_is_taken_apart(cluster, written, host, user, port):
    jump = cluster(f"ssh: {{jump: '{written}'}}\n").ssh.jump
    assert (jump.host, jump.user, jump.port) == (host, user, port)
    assert str(jump) == written


def test_python_callers_may_pass_numbers_and_references(smallest):
    found = Cluster.model_validate(
        {
            "name": "t",
            "nodes": [{"name": "pi1", "address": "10.0.0.1", "role": "server"}],
            "ssh": {"port": 22, "password": SecretRef("prompt")},
            "limits": {"connect": 5},
        }
    )
    assert (found.ssh.port, found.limits.connect) == (22, 5)


def test_a_secret_in_the_wrong_place_is_not_printed_to_python_callers():
    with pytest.raises(ValidationError) as caught:
        Cluster.model_validate({"ssh": {"password": "hunter2"}})
    assert "hunter2" not in str(caught.value)


def test_nothing_in_a_cluster_can_be_changed(cluster):
    with pytest.raises(ValidationError):
        cluster().name = "other"
