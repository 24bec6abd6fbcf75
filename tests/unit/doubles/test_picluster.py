"""picluster's own way to the API, against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doubles.k3s.machines import Machine, eventually, loopback_net

from picluster.kube.access import KubeAccess
from picluster.kube.apply import Applied, Conflicted, apply, ensure_namespace
from picluster.kube.health import readyz
from picluster.kube.labels import parse_taint, settle_node
from picluster.kube.link import Server
from picluster.kube.nodes import delete_node, get_node, list_nodes


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "pi-1", "pi-1", f"{loopback_net()}.1")
    made.configure({"token": "sesame", "cluster-init": True, "disable": ["servicelb", "traefik"]})
    made.start()
    yield made
    made.stop()


def no_session(node: str) -> None:
    raise AssertionError(f"the API of {node} is reachable directly")


def test_nodes_marks_and_apply(machine: Machine) -> None:
    kubeconfig = machine.file("/etc/rancher/k3s/k3s.yaml")
    eventually(kubeconfig.exists)
    with KubeAccess(
        [Server("pi-1", machine.ip)], no_session, kubeconfig.read_text(), direct=True
    ) as api:
        node = eventually(lambda: (n := get_node(api, "pi-1")) and n.ready and n)
        assert node.version == "v1.33.5+k3s1"
        assert node.voter is True
        assert node.roles == {"control-plane", "master", "etcd"}
        assert readyz(api).ok
        settle_node(api, "pi-1", {"disk": "ssd"}, [parse_taint("a=b:NoSchedule")])
        settled = list_nodes(api)["pi-1"]
        assert settled.labels["disk"] == "ssd"
        assert [str(taint) for taint in settled.taints] == ["a=b:NoSchedule"]
        first = ensure_namespace(api, "apps", labels={"x": "y"})
        assert isinstance(first, Applied)
        assert first.outcome == "created"
        assert ensure_namespace(api, "apps", labels={"x": "y"}).outcome == "unchanged"
        manifest = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "apps"},
            "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
        }
        assert apply(api, manifest, dry_run=True).outcome == "created"
        assert apply(api, manifest).outcome == "created"
        assert apply(api, manifest).outcome == "unchanged"
        path = "/api/v1/namespaces/apps/services/web"
        edit = {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}
        api.call(
            "PATCH", path, body=edit, query={"fieldManager": "human"},
            content_type="application/strategic-merge-patch+json",
        )  # fmt: skip
        manifest["spec"]["ports"][0]["targetPort"] = 9090
        refused = apply(api, manifest)
        assert isinstance(refused, Conflicted)
        assert str(refused).endswith(".targetPort is managed by human")
        assert apply(api, manifest, force=True).outcome == "changed"
        assert delete_node(api, "pi-1") is True
