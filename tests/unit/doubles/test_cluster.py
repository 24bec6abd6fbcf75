"""The stand-in as processes: joining, voting, losing the majority, passwords and tokens."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
import urllib3
import yaml
from kubernetes import client, config, watch
from tests.doubles.k3s.machines import Machine, eventually, loopback_net

MANAGER = "test"
Make = Callable[..., Machine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    net = loopback_net()
    machines: list[Machine] = []

    def new(name: str, role: str = "server", **options: object) -> Machine:
        machine = Machine(tmp_path / name, name, f"{net}.{len(machines) + 1}", role)
        machine.configure(
            {"token": "sesame"} | {k.replace("_", "-"): v for k, v in options.items()}
        )
        machines.append(machine)
        return machine

    yield new
    for machine in machines:
        machine.stop()


PATIENT = urllib3.Retry(  # while another leader is elected
    8, allowed_methods=None, status_forcelist=[503], raise_on_status=False
)
ONCE = urllib3.Retry(0)


def api(machine: Machine, tries: urllib3.Retry = PATIENT) -> client.ApiClient:
    return client_of(machine.url, machine.file("/etc/rancher/k3s/k3s.yaml").read_text(), tries)


@cache
def client_of(url: str, kubeconfig: str, tries: urllib3.Retry) -> client.ApiClient:
    loaded = yaml.safe_load(kubeconfig)
    loaded["clusters"][0]["cluster"]["server"] = url
    settings = client.Configuration()
    settings.retries = tries
    return config.new_client_from_config_dict(loaded, client_configuration=settings)


def core(machine: Machine) -> client.CoreV1Api:
    return client.CoreV1Api(api(machine))


def conditions(machine: Machine, node: str) -> dict[str, str]:
    found = core(machine).read_node(node)
    return {each.type: each.status for each in found.status.conditions}


def renewed(machine: Machine) -> dict[str, datetime]:
    found = client.CoordinationV1Api(api(machine)).list_namespaced_lease("kube-node-lease")
    return {each.metadata.name: each.spec.renew_time for each in found.items}


def heartbeats(machine: Machine, node: str) -> list[datetime]:
    kubelets = ("Ready", "MemoryPressure")
    found = core(machine).read_node(node).status.conditions
    return [each.last_heartbeat_time for each in found if each.type in kubelets]


def ready(machine: Machine, *nodes: str) -> None:
    eventually(lambda: all(conditions(machine, node).get("Ready") == "True" for node in nodes), 40)


def voting(machine: Machine, *nodes: str) -> None:
    eventually(
        lambda: all(conditions(machine, node).get("EtcdIsVoter") == "True" for node in nodes), 40
    )


def raw(
    machine: Machine,
    method: str,
    path: str,
    body: object = None,
    kind: str = "application/json",
    *,
    tries: urllib3.Retry = PATIENT,
) -> tuple[int, str]:
    link = api(machine, tries)
    text = None if body is None else json.dumps(body)
    url = link.configuration.host + path
    answer = link.call_api(method, url, {"Content-Type": kind}, text, _request_timeout=3)
    return answer.status, answer.read().decode()


def healthy(machine: Machine) -> bool:
    try:
        return raw(machine, "GET", "/readyz", tries=ONCE)[0] == 200
    except (OSError, urllib3.exceptions.HTTPError):
        return False


def trio(make: Make) -> list[Machine]:
    first = make("pi-1", cluster_init=True).start()
    ready(first, "pi-1")
    others = [make(name, server=first.url).start() for name in ("pi-2", "pi-3")]
    ready(first, "pi-2", "pi-3")
    voting(first, "pi-1", "pi-2", "pi-3")
    return [first, *others]


def test_a_server_waits_while_another_one_is_learning(make: Make) -> None:
    """As etcd takes one learner at a time (k3s-io/k3s pkg/etcd/etcd.go, Start)."""
    first = make("pi-1", cluster_init=True).start()
    ready(first, "pi-1")
    second = make("pi-2", server=first.url).start()
    assert second.process is not None
    eventually(lambda: "Adding member" in second.log)
    second.process.send_signal(signal.SIGSTOP)
    third = make("pi-3", server=first.url).start()
    eventually(lambda: "etcdserver: too many learner members in cluster" in third.log)
    assert "Adding member" not in third.log
    second.process.send_signal(signal.SIGCONT)
    voting(first, "pi-1", "pi-2", "pi-3")


def test_three_servers_vote_survive_one_loss_and_stop_without_a_majority(make: Make) -> None:
    one, two, three = trio(make)
    networks = sorted(node.spec.pod_cidr for node in core(one).list_node().items)
    assert networks == ["10.42.0.0/24", "10.42.1.0/24", "10.42.2.0/24"]
    core(two).create_namespace({"metadata": {"name": "kept"}})
    one.stop()
    eventually(lambda: healthy(two) and healthy(three), 15)
    assert core(three).read_namespace("kept")
    last = renewed(two)
    eventually(lambda: conditions(two, "pi-1")["Ready"] == "Unknown", 25)
    assert conditions(two, "pi-1")["EtcdIsVoter"] == "True", "it says membership, not life"
    now = renewed(two)
    assert [name for name in now if now[name] == last[name]] == ["pi-1"], "the dead renew nothing"
    core(two).create_namespace({"metadata": {"name": "while-away"}})
    three.stop()
    eventually(lambda: not healthy(two), 10)
    assert raw(two, "GET", "/api/v1/nodes", tries=ONCE)[0] == 503
    one.start()
    eventually(lambda: healthy(one) and healthy(two), 20)
    assert core(one).read_namespace("while-away")
    ready(one, "pi-1")


def test_a_kubelet_renews_its_lease_and_writes_its_status_only_when_that_changes(
    make: Make,
) -> None:
    one = make("pi-1").start()
    ready(one, "pi-1")
    said, first = heartbeats(one, "pi-1"), renewed(one)
    eventually(lambda: renewed(one) != first, 10)
    assert heartbeats(one, "pi-1") == said
    one.stop()
    one.start()
    eventually(lambda: healthy(one) and heartbeats(one, "pi-1") > said, 20)


def test_deleting_a_node_removes_the_member(make: Make) -> None:
    one, two, three = trio(make)
    three.stop()
    core(one).delete_node("pi-3")
    two.stop()
    eventually(lambda: not healthy(one), 10)  # two members are left, and one of them is down
    two.start()
    eventually(lambda: healthy(one) and healthy(two), 20)
    shutil.rmtree(three.root / "var")
    three.file("/etc/rancher/node/password").unlink()
    three.start()
    ready(one, "pi-3")
    voting(one, "pi-3")


def test_a_reflashed_server_is_refused_as_a_duplicate(make: Make) -> None:
    _, two, _ = trio(make)
    two.stop()
    shutil.rmtree(two.root / "var")
    assert two.start().process.wait(20) == 1
    assert "duplicate node name found" in two.log


def test_a_removed_member_rejoins_when_it_is_restarted(make: Make) -> None:
    one, _, three = trio(make)
    core(one).delete_node("pi-3")
    assert three.process.wait(20) == 1
    assert "removed from the cluster" in three.log
    three.start()
    ready(one, "pi-3")
    voting(one, "pi-3")


def test_agent_joins_and_a_foreign_password_is_refused(make: Make) -> None:
    one = make("pi-1").start()
    agent = make(
        "w-1", role="agent", server=one.url, node_label=["a=b"], node_taint=["k=v:NoSchedule"]
    )
    agent.start()
    ready(one, "pi-1", "w-1")
    node = core(one).read_node("w-1")
    assert node.metadata.labels["a"] == "b"
    assert node.spec.taints[0].key == "k"
    assert agent.file("/var/lib/rancher/k3s/agent/kubelet.kubeconfig").exists()
    assert one.file("/var/lib/rancher/k3s/server/db/state.db").exists()
    agent.stop()
    agent.file("/etc/rancher/node/password").write_text("other\n")
    agent.start()
    eventually(lambda: "Node password rejected, duplicate hostname" in agent.log)
    core(one).delete_node("w-1")
    ready(one, "w-1")


def test_tokens(make: Make) -> None:
    one = make("pi-1", cluster_init=True).start()
    ready(one, "pi-1")
    full = one.file("/var/lib/rancher/k3s/server/token").read_text().strip()
    assert full.startswith("K10")
    assert full.endswith("::server:sesame")
    wrong = make("pi-2", server=one.url, token="wrong").start()
    assert wrong.process.wait(20) == 1
    assert "401 Unauthorized" in wrong.log
    pinned = make("pi-3", server=one.url, token="K10" + "0" * 64 + "::server:sesame").start()
    assert pinned.process.wait(20) == 1
    assert "token CA hash does not match" in pinned.log
    right = make("pi-4", server=one.url, token=full).start()
    ready(one, "pi-4")
    right.stop()
    right.configure({"server": one.url, "token": "changed"})
    assert right.start().process.wait(20) == 1
    assert "encrypted with different token" in right.log
    stranger = make("w-1", role="agent", server=one.url, token="wrong").start()
    eventually(lambda: "401 Unauthorized" in stranger.log)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"tls-sans": "x"}, "flag provided but not defined: -tls-sans"),
        ({"server": "https://127.0.0.9:6443"}, "connect: connection refused"),
    ],
)
def test_refusals_at_start(make: Make, options: dict[str, object], line: str) -> None:
    machine = make("pi-1")
    machine.configure({"token": "sesame"} | options)
    assert machine.start().process.wait(20) == 1
    assert line in machine.log


@pytest.mark.parametrize(("said", "status"), [("level=fatal msg=gone", 1), ("panic: gone", 2)])
def test_it_ends_at_start_with_what_it_is_told_to_say(make: Make, said: str, status: int) -> None:
    one = make("pi-1")
    told = one.file("/etc/rancher/k3s/stand-in.crash")
    told.parent.mkdir(parents=True, exist_ok=True)
    told.write_text(f"{said}\n")
    assert one.start().process.wait(20) == status
    assert one.log.splitlines()[-1] == said


def test_no_memory_cgroup_and_a_taken_port(make: Make) -> None:
    one = make("pi-1")
    one.cgroups(0)
    assert one.start().process.wait(20) == 1
    assert "failed to find memory cgroup" in one.log
    one.cgroups(1)
    ready(one.start(), "pi-1")
    other = make("pi-2")
    other.ip = one.ip
    assert other.start().process.wait(20) == 1
    assert "6443: bind: address already in use" in other.log


def test_cluster_init_later_migrates(make: Make) -> None:
    one = make("pi-1").start()
    ready(one, "pi-1")
    core(one).create_namespace({"metadata": {"name": "kept"}})
    one.stop()
    one.configure({"token": "sesame", "cluster-init": True})
    one.start()
    ready(one, "pi-1")
    voting(one, "pi-1")
    assert core(one).read_namespace("kept")
    assert one.file("/var/lib/rancher/k3s/server/db/etcd").is_dir()
    assert not one.file("/var/lib/rancher/k3s/server/db/state.db").exists()


def test_snapshot_and_cluster_reset(make: Make) -> None:
    one, two, three = trio(make)
    core(one).create_namespace({"metadata": {"name": "before"}})
    saved = one.run("etcd-snapshot", "save", "--name", "s")
    assert saved.returncode == 0, saved.stderr
    path = saved.stdout.split()[1]
    core(one).create_namespace({"metadata": {"name": "after"}})
    for machine in (one, two, three):
        machine.stop()
    inside = "/" + str(Path(path).relative_to(one.root))
    reset = one.run("server", "--cluster-reset", f"--cluster-reset-restore-path={inside}")
    assert reset.returncode == 0, reset.stderr
    assert "restart without --cluster-reset flag" in reset.stderr
    ready(one.start(), "pi-1")
    names = [each.metadata.name for each in core(one).list_namespace().items]
    assert "before" in names
    assert "after" not in names
    shutil.rmtree(two.root / "var")
    two.start()
    ready(one, "pi-2")


def test_list_watch_and_server_side_apply(make: Make) -> None:
    one = make("pi-1").start()
    ready(one, "pi-1")
    v1 = core(one)
    assert v1.list_node(label_selector="kubernetes.io/hostname=pi-1").items
    assert not v1.list_node(field_selector="metadata.name=other").items
    since = v1.list_namespaced_config_map("default").metadata.resource_version

    def applied(data: dict[str, str], manager: str, query: str = "") -> tuple[int, str]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}
        path = f"/api/v1/namespaces/default/configmaps/c?fieldManager={manager}{query}"
        return raw(one, "PATCH", path, body, "application/apply-patch+yaml")

    assert applied({"a": "1", "b": "2"}, "one")[0] == 201
    assert applied({"a": "1"}, "one")[0] == 200
    status, body = applied({"a": "3"}, "two")
    assert status == 409
    cause = json.loads(body)["details"]["causes"][0]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.a")
    assert cause["message"] == 'conflict with "one" using v1'
    status, body = applied({"a": "3"}, "two", "&force=true&dryRun=All")
    assert json.loads(body)["data"] == {"a": "3"}
    assert v1.read_namespaced_config_map("c", "default").data == {"a": "1"}
    assert applied({"a": "3"}, "two", "&force=true")[0] == 200
    v1.delete_namespaced_config_map("c", "default")
    seen = [
        (event["type"], event["object"].data)
        for event in watch.Watch().stream(
            v1.list_namespaced_config_map, "default", resource_version=since, timeout_seconds=2
        )
    ]
    assert seen == [
        ("ADDED", {"a": "1", "b": "2"}),
        ("MODIFIED", {"a": "1"}),
        ("MODIFIED", {"a": "3"}),
        ("DELETED", {"a": "3"}),
    ]


def test_a_server_ends_when_told_to_whichever_of_its_threads_the_signal_comes_to(
    make: Make,
) -> None:
    """The kernel picks a thread, and Python acts in the main one, which nothing else may wake."""
    machine = make("pi-1").start()
    eventually(lambda: "stand-in is up and running" in machine.log)
    running = machine.process
    assert running is not None
    eventually(lambda: core(machine).read_node("pi-1"))
    other = max(int(each.name) for each in Path(f"/proc/{running.pid}/task").iterdir())
    assert other != running.pid
    assert ctypes.CDLL(None).tgkill(running.pid, other, signal.SIGTERM) == 0
    assert running.wait(10) == 0


def test_restarts_of_all_and_a_leader_that_hangs(make: Make) -> None:
    machines = trio(make)
    for machine in machines:
        machine.stop(signal.SIGTERM)
    for machine in machines:
        machine.start()
    eventually(lambda: all(healthy(machine) for machine in machines), 60)
    ready(machines[1], "pi-1", "pi-2", "pi-3")
    for number, machine in enumerate(machines):
        hung = machine.process
        hung.send_signal(signal.SIGSTOP)
        others = [other for other in machines if other is not machine]
        name = f"during-{number}"
        eventually(
            lambda o=others, n=name: core(o[0]).create_namespace({"metadata": {"name": n}}), 60
        )
        hung.send_signal(signal.SIGCONT)
        eventually(lambda m=machine, n=name: core(m).read_namespace(n), 60)
    eventually(lambda: all(healthy(machine) for machine in machines), 60)
    for machine in machines:
        names = {each.metadata.name for each in core(machine).list_namespace().items}
        assert {"during-0", "during-1", "during-2"} <= names
