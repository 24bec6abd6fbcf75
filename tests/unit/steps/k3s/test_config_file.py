"""config.yaml and the token: who starts the cluster, who joins whom, and with what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.steps import looking
from tests.unit.steps.k3s.looks import look, printed

from picluster.engine.step import (
    Blocked,
    Change,
    Decision,
    Diff,
    Run,
    Satisfied,
    WriteFile,
)
from picluster.engine.survey import Look
from picluster.facts.files import FileState
from picluster.model import Cluster, parse
from picluster.secret import Secret
from picluster.steps.k3s import paths
from picluster.steps.k3s.config import (
    HEADER,
    ConfigFile,
    TokenFile,
    agent_options,
    cluster_token,
    joined_server,
    public_url,
    render,
    server_options,
)
from picluster.steps.k3s.membership import Joins, Starts
from picluster.steps.k3s.state import CREDENTIALS, STATE, ServerCredentials
from picluster.steps.k3s.token import Token, choose_token
from picluster.steps.local import KeepHere

SERVERS = "\n".join(f"  - {{name: pi{n}, address: 10.0.0.{n}, role: server}}" for n in (1, 2, 3))
AGENT = "\n  - {name: pi4, address: 10.0.0.4, role: agent}\n"
NO_FILE = FileState()
HOLDS = printed(datastore="etcd", ca="abc", active="active")


def cluster(nodes: str = SERVERS + AGENT) -> Cluster:
    return parse(f"name: home\nnodes:\n{nodes}").cluster


def options(name: str, others: dict[str, object] | None = None) -> dict[str, Any]:
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


def test_options_are_written_in_order_and_on_one_line_each() -> None:
    long = " ".join(["word"] * 500)
    assert render({"b": True, "a": [long]}) == f"{HEADER}a:\n- {long}\nb: true\n"


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
    held = ServerCredentials(Secret(running)) if running else ServerCredentials()
    own = FileState("600 root:root", content=present) if present else FileState()
    seen = {CREDENTIALS.name: held} | looking.known(k3s_token=own)
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


# ------------------------------------------------------------------ all that K3s is told

EVERYTHING = """\
name: home
domain: lan
nodes:
  - {name: pi1, address: 10.0.0.1, role: server}
  - {name: pi2, address: 10.0.0.2, role: server}
  - {name: pi3, address: 10.0.0.3, role: server, k3s: {node_ip: 10.9.0.3, flannel_iface: eth1}}
  - name: pi4
    address: 10.0.0.4
    role: agent
    k3s: {options: {protect-kernel-defaults: true, resolv-conf-x: [a=b]}}
k3s:
  tls_san: [api.lan]
  vip: {address: 10.0.0.100}
  cluster_dns: 10.43.0.10
  disable: [traefik]
  kube_apiserver_args: {v: "2", audit-log-maxage: "7"}
  kubelet_args: {max-pods: "50"}
  system_reserved: {memory: 200Mi, cpu: 100m}
  kube_reserved: {cpu: 50m}
  eviction_hard: {memory.available: 100Mi}
"""
KUBELET = [
    "max-pods=50",
    "system-reserved=cpu=100m,memory=200Mi",
    "kube-reserved=cpu=50m",
    "eviction-hard=memory.available<100Mi",
]
NAMES = [
    "api.lan", "10.0.0.100", "10.0.0.1", "pi1", "pi1.lan", "10.0.0.2", "pi2", "pi2.lan",
    "10.0.0.3", "pi3", "pi3.lan",
]  # fmt: skip


def test_a_server_is_told_all_that_the_file_says() -> None:
    made = parse(EVERYTHING).cluster
    assert server_options(made, made.node("pi3"), Joins("pi1")) == {
        "node-name": "pi3",
        "token-file": paths.TOKEN,
        "node-ip": "10.9.0.3",
        "flannel-iface": "eth1",
        "kubelet-arg": KUBELET,
        "tls-san": NAMES,
        "cluster-cidr": "10.42.0.0/16",
        "service-cidr": "10.43.0.0/16",
        "flannel-backend": made.k3s.flannel_backend,
        "write-kubeconfig-mode": made.k3s.kubeconfig_mode,
        "cluster-dns": "10.43.0.10",
        "disable": ["traefik"],
        "kube-apiserver-arg": ["audit-log-maxage=7", "v=2"],
        "etcd-snapshot-schedule-cron": made.k3s.etcd.snapshot_schedule,
        "etcd-snapshot-retention": made.k3s.etcd.snapshot_retention,
        "etcd-expose-metrics": made.k3s.etcd.expose_metrics,
        "server": "https://10.0.0.1:6443",
    }


def test_an_agent_is_told_less_and_what_is_its_own() -> None:
    made = parse(EVERYTHING).cluster
    told = agent_options(made, made.node("pi4"), "pi3")
    assert {name: value for name, value in told.items() if name != "node-ip"} == {
        "node-name": "pi4",
        "token-file": paths.TOKEN,
        "kubelet-arg": KUBELET,
        "server": "https://10.0.0.3:6443",
        "protect-kernel-defaults": True,
        "resolv-conf-x": ["a=b"],
    }


def test_a_cluster_of_one_server_and_the_least_of_files_is_told_the_least() -> None:
    one = cluster("  - {name: pi1, address: 10.0.0.1, role: server}\n")
    told = server_options(one, one.node("pi1"), Starts())
    absent = {
        "cluster-init", "server", "etcd-snapshot-schedule-cron", "kube-apiserver-arg",
        "embedded-registry", "cluster-dns", "flannel-iface",
    }  # fmt: skip
    assert not absent & set(told)


def test_a_server_that_shares_images_is_told_to() -> None:
    assert "embedded-registry" not in options("pi1")
    found = parse(f"name: home\nnodes:\n{SERVERS}\nk3s: {{embedded_registry: true}}\n").cluster
    assert server_options(found, found.node("pi1"), Starts())["embedded-registry"] is True


def test_the_api_is_called_by_its_own_address_or_a_server_s() -> None:
    assert public_url(parse(EVERYTHING).cluster) == "https://10.0.0.100:6443"
    assert public_url(cluster()) == "https://10.0.0.1:6443"


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("server: https://10.0.0.2:6443\n", "pi2"),
        ("server: https://10.0.0.9:6443\n", None),
        ("node-name: pi1\n", None),
        ("server: [\n", None),
        ("- server\n", None),
        ("", None),
    ],
)
def test_whom_a_node_joined_through_is_read_from_its_file(text: str, server: str | None) -> None:
    assert joined_server(cluster(), text) == server


def config_of(file: FileState) -> Decision:
    found = cluster()
    step = ConfigFile(found, found.node("pi1"))
    survey = {"pi1": {STATE.name: printed()} | looking.known(k3s_config=file)}
    return step.decide(Look("pi1", step.name, survey))


def test_a_file_that_differs_is_written_and_what_differs_is_said() -> None:
    wanted = config_of(FileState())
    assert isinstance(wanted, Change)
    (write,) = wanted.actions
    assert isinstance(write, WriteFile)
    text = str(write.content)

    def said(file: FileState, reason: str) -> None:
        assert config_of(file) == Change(
            f"write {paths.CONFIG}",
            (WriteFile(paths.CONFIG, text, 0o600),),
            reason=reason,
            diff=Diff(file.content or "", text),
        )

    private = "600 root:root"
    said(FileState(), "it is missing")
    said(FileState("644 root:root", content=text), "mode and owner: 644 root:root")
    said(FileState(private, content=f"# mine\n{text}"), "its text differs")
    other = text.replace("cluster-init: true\n", "debug: true\n")
    said(FileState(private, content=other), "differs in cluster-init, debug")
    assert config_of(FileState(private, content=text)) == Satisfied()
    assert config_of(FileState(private, content=f"{text}\n")) == Satisfied()


def test_a_token_file_that_others_can_read_is_written_anew() -> None:
    step = TokenFile(Secret("made-up"), False, ["pi1"], ())
    assert step.probe().secret
    for file, reason in (
        (FileState(), "it is missing"),
        (FileState("644 root:root", content="made-up"), "it differs"),
        (FileState("600 root:root", content="another"), "it differs"),
    ):
        seen = {CREDENTIALS.name: ServerCredentials()} | looking.known(k3s_token=file)
        assert step.decide(Look("pi1", step.name, {"pi1": seen})) == Change(
            f"write {paths.TOKEN} (only root can read it)",
            (WriteFile(paths.TOKEN, Secret("made-up"), 0o600),),
            reason=reason,
        )


def test_a_token_of_another_authority_does_not_open_the_cluster() -> None:
    other = f"K10{'b' * 8}::server:the-real-one"
    assert isinstance(token("x", pinned=False, present=other), Change)
    assert token("x", pinned=False, present="the-real-one") == Satisfied()
    assert token("x", pinned=False, present=FULL) == Satisfied()


def test_a_token_that_nobody_pinned_is_made_up_once_and_kept_here(tmp_path: Path) -> None:
    saved = tmp_path / "token"
    first = choose_token(None, saved)
    text = first.secret.reveal()
    kept = KeepHere(saved, Secret(f"{text}\n"), "keeping the token here")
    assert first == Token(Secret(text), False, (kept,))
    assert len(text) == 64
    saved.write_text(f"{text}\n")
    assert choose_token(None, saved) == first
    assert choose_token(Secret(" mine\n"), saved) == Token(Secret("mine"), True)


def test_what_is_made_up_here_is_kept_here_before_a_node_has_it() -> None:
    kept = Run("keep it")
    step = TokenFile(Secret("made-up"), False, ["pi1"], (kept,))
    seen = {CREDENTIALS.name: ServerCredentials()}
    seen |= looking.known(k3s_token=FileState())
    decision = step.decide(Look("pi1", step.name, {"pi1": seen}))
    assert isinstance(decision, Change)
    assert decision.actions == (kept, WriteFile(paths.TOKEN, Secret("made-up"), 0o600))


def test_a_token_is_that_of_the_first_server_which_has_one() -> None:
    def held(token: str) -> dict[str, object]:
        return {CREDENTIALS.name: ServerCredentials(Secret(token) if token else None)}

    survey = {"pi1": held(""), "pi3": held("three"), "pi2": held("two")}
    assert cluster_token(Look("pi4", "x", survey), ["pi0", "pi1", "pi2", "pi3"]) == Secret("two")
    assert cluster_token(Look("pi4", "x", survey), ["pi1"]) is None


def test_limits_that_are_not_set_are_not_told() -> None:
    nothing = "k3s: {system_reserved: {}, kube_reserved: {}, eviction_hard: {}}\n"
    made = parse(f"name: home\nnodes:\n{SERVERS}\n{nothing}").cluster
    assert "kubelet-arg" not in server_options(made, made.node("pi1"), Starts())


def test_a_node_that_has_a_name_only_is_left_to_find_its_address() -> None:
    made = parse(
        "name: home\nnodes: [{name: pi1, address: pi1.example.org, role: server}]\n"
    ).cluster
    assert "node-ip" not in server_options(made, made.node("pi1"), Starts())


def test_an_agent_joins_whoever_holds_the_cluster_and_serves_nothing() -> None:
    told = options("pi4", {"pi2": HOLDS})
    assert told["server"] == "https://10.0.0.2:6443"
    assert not {"tls-san", "disable", "cluster-cidr"} & set(told)


@pytest.mark.parametrize(
    ("server", "registry", "unknown"),
    [
        ("pi1.local", "10.0.0.2", "pi1.local"),
        ("10.0.0.1", "pi2.local", "pi2.local"),
        ("pi1.local", "pi2.local", "pi1.local, pi2.local"),
        ("10.0.0.1", "10.0.0.2", ""),
    ],
)
def test_names_that_k3s_cannot_look_up_are_refused(
    server: str, registry: str, unknown: str
) -> None:
    made = parse(
        "name: home\nnodes:\n"
        f"- {{name: pi1, address: {server}, role: server}}\n"
        f"- {{name: pi2, address: {registry}, role: agent}}\n"
        "- {name: pi3, address: pi3.local, role: agent}\nregistry: {node: pi2}\n"
    ).cluster
    decision = ConfigFile(made, made.node("pi3")).decide(
        Look("pi3", "k3s-config", {"pi3": looking.known(k3s_config=FileState())})
    )
    if unknown:
        assert isinstance(decision, Blocked)
        assert decision.reason.startswith(f"K3s cannot look up {unknown}, which only multicast")
    else:
        assert isinstance(decision, Change)


def test_a_server_s_certificate_is_good_for_its_name_and_for_its_address() -> None:
    node = "{name: pi1, address: pi1.example.org, role: server, k3s: {node_ip: 10.9.0.1}}"
    made = parse(f"name: home\nnodes: [{node}]\n").cluster
    told = server_options(made, made.node("pi1"), Starts())
    assert told["tls-san"] == ["pi1.example.org", "10.9.0.1", "pi1"]
