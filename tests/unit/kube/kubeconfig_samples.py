"""What K3s writes, what a user may have, and an entry of ours."""

from __future__ import annotations

from tests.unit.kube.kube_double import b64

from picluster.kube.kubeconfig import AdminKubeconfig, KubeconfigEntry, rewrite
from picluster.secret import Secret

KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIKeyKeyKeyKey\n-----END EC PRIVATE KEY-----\n"


def admin(ca: str = "CA-ONE", certificate: str = "CERT", key: str = KEY) -> AdminKubeconfig:
    return AdminKubeconfig("https://127.0.0.1:6443", ca, certificate, Secret(key))


def entry(
    name: str = "home", server: str = "https://192.0.2.10:6443", **kw: str
) -> KubeconfigEntry:
    return rewrite(admin(**kw), name, server)


K3S = f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {b64("CA-ONE")}
    server: https://127.0.0.1:6444
  name: default
contexts:
- context: {{cluster: default, user: default}}
  name: default
current-context: default
kind: Config
preferences: {{}}
users:
- name: default
  user:
    client-certificate-data: {b64("CERT")}
    client-key-data: {b64(KEY)}
"""

USER = """\
# my clusters
apiVersion: v1
kind: Config
current-context: work
preferences: {colors: true}
clusters:
  - name: work
    cluster:
      server: https://work.example:443
      certificate-authority: /etc/work.pem
contexts:
  - {name: work, context: {cluster: work, user: me, namespace: dev}}
users:
  - name: me
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: get-token
        args: [--expiry, 2024-01-02, --port, 0123, --ratio, 1e3, --at, 12:30:45, --yes, yes]
"""
