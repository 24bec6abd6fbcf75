"""What lab tests ask a cluster for, from a server of it and without picluster."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.bench import Pi


def nodes_seen_by(pi: Pi) -> dict[str, dict[str, object]]:
    """What the cluster says of its nodes: Ready, version, vote, cordon."""
    listed = json.loads(pi.sh("k3s kubectl get nodes -o json"))["items"]
    return {item["metadata"]["name"]: _summary(item) for item in listed}


def _summary(item: dict[str, Any]) -> dict[str, object]:
    conditions = {each["type"]: each["status"] for each in item["status"]["conditions"]}
    return {
        "ready": conditions["Ready"],
        "version": item["status"]["nodeInfo"]["kubeletVersion"],
        "voter": conditions.get("EtcdIsVoter"),
        "cordoned": bool(item["spec"].get("unschedulable")),
    }


def create_namespace(name: str) -> str:
    """Shell that makes a namespace through the API, with the server's own kubeconfig."""
    body = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return ask("POST", "/api/v1/namespaces", body)


def delete_namespace(name: str) -> str:
    """Shell that deletes one."""
    return ask("DELETE", f"/api/v1/namespaces/{name}", "{}")


def fetched(pi: Pi, path: str) -> dict[str, Any]:
    """Return what the API has at a path, asked with the server's own kubeconfig."""
    answer = pi.sh(ask("GET", path))
    found: dict[str, Any] = json.loads(answer)
    return found


def ask(method: str, path: str, body: str = "") -> str:
    """Shell that sends a request to the API, with the server's own kubeconfig."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    data = f"-d '{body}'" if body else ""
    return f"""
set -e
at=$(mktemp -d)
for part in certificate-authority client-certificate client-key; do
  sed -n "s/^ *$part-data: //p" /etc/rancher/k3s/k3s.yaml | base64 -d >$at/$part
done
curl -sf -X {method} --cacert $at/certificate-authority --cert $at/client-certificate \
  --key $at/client-key -H 'Content-Type: {kind}' {data} https://127.0.0.1:6443{path}
rm -r $at
"""
