"""A double of the Kubernetes API over real TLS, and of a session's tunnel to it.

Chosen over kmock, whose emulator knows neither TLS client certificates, nor field ownership and
conflicts of server-side apply, nor resourceVersion preconditions, nor field selectors: just what is
tested here.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import datetime
import ipaddress
import json
import socket
import ssl
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from picluster.engine.session import Completed, OnOutput
from picluster.kube.access import KubeAccess
from picluster.kube.link import Server

# ------------------------------------------------------------------ certificates


@dataclass(frozen=True)
class Identity:
    certificate: str
    key: str


class Authority:
    """A CA like K3s's: it signs the API's certificate (for 127.0.0.1 only) and the admin's."""

    def __init__(self, name: str = "k3s-server-ca") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._sign(self._name, self._key, [(constraints, True)])
        self.ca = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, name: str, address: str = "", *, days: tuple[int, int] = (-1, 1)) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        extensions: list[tuple[x509.ExtensionType, bool]] = []
        if address:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            extensions.append((names, False))
        return Identity(
            self._sign(subject, key, extensions, days)
            .public_bytes(serialization.Encoding.PEM)
            .decode(),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            ).decode(),
        )

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extensions: list[tuple[x509.ExtensionType, bool]],
        days: tuple[int, int] = (-1, 1),
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def k3s_yaml(authority: Authority, admin: Identity) -> str:
    """What K3s writes to /etc/rancher/k3s/k3s.yaml."""
    return f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {b64(authority.ca)}
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: {b64(admin.certificate)}
    client-key-data: {b64(admin.key)}
"""


# ------------------------------------------------------------------ the cluster's objects


class No(Exception):
    """A refusal, as a Kubernetes Status."""

    def __init__(self, code: int, reason: str, message: str, causes: list[Any] | None = None):
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": code,
            "reason": reason,
            "message": message,
            "details": {"causes": causes or []},
        }


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {
        deeper: leaf
        for key, inner in value.items()
        for deeper, leaf in leaves(inner, f"{path}.{key}").items()
    }


def merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def without(value: Any, path: list[str]) -> Any:
    result = dict(value)
    if len(path) == 1:
        result.pop(path[0], None)
    elif isinstance(result.get(path[0]), dict):
        result[path[0]] = without(result[path[0]], path[1:])
        if not result[path[0]]:
            del result[path[0]]
    return result


@dataclass
class Store:
    """Objects by path, with versions and with the owners of their fields."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    owners: dict[str, dict[str, str]] = field(default_factory=dict)
    kinds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    version: int = 100
    meddle: deque[Any] = field(default_factory=deque)
    """Called with the store before a patch: what somebody else does at that moment."""

    def put(self, path: str, manifest: dict[str, Any], owner: str = "") -> None:
        self.version += 1
        manifest = copy.deepcopy(manifest)
        manifest.setdefault("metadata", {})["resourceVersion"] = str(self.version)
        self.objects[path] = manifest
        if owner:
            self.owners[path] = dict.fromkeys(leaves(manifest.get("data", {}), ".data"), owner)

    def node(self, name: str, **parts: Any) -> None:
        self.put(f"/api/v1/nodes/{name}", node(name, **parts))

    def get(self, path: str) -> dict[str, Any]:
        if path not in self.objects:
            raise No(404, "NotFound", f"{path.rsplit('/', maxsplit=1)[-1]} not found")
        return self.objects[path]

    def list(self, path: str, selector: str) -> dict[str, Any]:
        wanted = dict(each.split("=", 1) for each in selector.split(",") if each)
        found = []
        for key, item in self.objects.items():
            if key.rsplit("/", 1)[0] == path or (path == "/api/v1/events" and "/events/" in key):
                about = item.get("involvedObject", {})
                if all(about.get(name.split(".")[1]) == value for name, value in wanted.items()):
                    found.append(item)
        return {"kind": "List", "items": found}

    def merge(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        if self.meddle:
            self.meddle.popleft()(self)
        seen = self.get(path)
        wanted = patch.get("metadata", {}).get("resourceVersion")
        if wanted is not None and wanted != seen["metadata"]["resourceVersion"]:
            raise No(409, "Conflict", "the object has been modified")
        self.put(path, merged(seen, patch))
        return self.objects[path]

    def apply(
        self, path: str, manifest: dict[str, Any], manager: str, *, force: bool, dry: bool
    ) -> tuple[int, dict[str, Any]]:
        self._need_namespace(path)
        live = self.objects.get(path)
        owners = dict(self.owners.get(path, {}))
        wanted = leaves({key: value for key, value in manifest.items() if key != "metadata"})
        wanted |= leaves(
            {key: manifest["metadata"].get(key, {}) for key in ("labels", "annotations")},
            ".metadata",
        )
        now = leaves(live or {})
        rivals = [
            {
                "reason": "FieldManagerConflict",
                "message": f'conflict with "{owners[each]}" using v1',
                "field": each,
            }
            for each in wanted
            if owners.get(each, manager) != manager and now.get(each) != wanted[each]
        ]
        if rivals and not force:
            raise No(409, "Conflict", "Apply failed with conflicts", rivals)
        result = merged(live or {}, manifest)
        for each, owner in list(owners.items()):
            if owner == manager and each not in wanted:
                result = without(result, each.strip(".").split("."))
                del owners[each]
        owners |= dict.fromkeys(wanted, manager)
        result["metadata"].setdefault("uid", "1234")
        if not dry:
            self.put(path, result)
            self.owners[path] = owners
        return (200 if live else 201), result

    def _need_namespace(self, path: str) -> None:
        parts = path.split("/")
        if "namespaces" in parts and len(parts) > parts.index("namespaces") + 2:
            name = parts[parts.index("namespaces") + 1]
            if f"/api/v1/namespaces/{name}" not in self.objects:
                raise No(404, "NotFound", f'namespaces "{name}" not found')


def node(
    name: str,
    *,
    ready: str = "True",
    reason: str = "KubeletReady",
    version: str = "v1.32.3+k3s1",
    roles: tuple[str, ...] = (),
    voter: str = "",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    taints: list[dict[str, str]] | None = None,
    conditions: tuple[tuple[str, str], ...] = (),
) -> dict[str, Any]:
    """A node object as K3s and the kubelet fill it in."""
    listed = [{"type": kind, "status": status} for kind, status in conditions]
    listed.append({"type": "Ready", "status": ready, "reason": reason, "message": "kubelet says"})
    if voter:
        why = "MemberNotLearner" if voter == "True" else "MemberIsLearner"
        listed.append({"type": "EtcdIsVoter", "status": voter, "reason": why})
    marks = {f"node-role.kubernetes.io/{role}": "true" for role in roles}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, **marks, **(labels or {})},
            "annotations": annotations or {},
        },
        "spec": {"taints": taints} if taints else {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "conditions": listed,
            "nodeInfo": {
                "architecture": "arm64",
                "bootID": "c0ffee00-0000-4000-8000-000000000000",
                "containerRuntimeVersion": "containerd://2.0.2-k3s2",
                "kernelVersion": "6.6.74+rpt-rpi-v8",
                "kubeProxyVersion": version,
                "kubeletVersion": version,
                "machineID": "deadbeef",
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "systemUUID": "deadbeef",
            },
        },
    }


# ------------------------------------------------------------------ the server


_LISTS = (
    "/api/v1/nodes",
    "/api/v1/namespaces/picluster/configmaps",
    "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
)


class FakeApi:
    """One server's API on 127.0.0.1; several may share a store, as the servers of a cluster do.

    `trouble` holds what the next requests meet instead of an answer: a status with a body, `cut`
    (the connection ends), `mute` (nothing comes) or `drip` (a header without an end comes).
    `/readyz` has its own answer.
    """

    def __init__(
        self,
        authority: Authority,
        store: Store | None = None,
        *,
        address: str = "127.0.0.1",
        identity: Identity | None = None,
    ) -> None:
        self.store = store or Store()
        self.readyz: tuple[int, str] = (200, "ok")
        self.trouble: deque[Any] = deque()
        self.requests: list[str] = []
        self.handshakes = 0
        self.garble = False
        self.date = ""
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer((address, 0), self._handler())
        self._server.daemon_threads = True
        identity = identity or authority.issue("k3s", "127.0.0.1")
        self._server.socket = _tls(authority, identity).wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(
        self, method: str, target: str, body: bytes, kind: str
    ) -> tuple[int, dict[str, Any] | str]:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        try:
            return self._answer(method, url.path, query, json.loads(body or b"null"), kind)
        except No as no:
            return no.code, no.status

    def _answer(
        self, method: str, path: str, query: dict[str, str], body: Any, kind: str
    ) -> tuple[int, dict[str, Any] | str]:
        store = self.store
        if path in store.kinds:
            return 200, {"kind": "APIResourceList", "resources": store.kinds[path]}
        if method == "GET":
            if path in _LISTS or path.endswith("/events"):
                return 200, store.list(path, query.get("fieldSelector", ""))
            return 200, store.get(path)
        if method == "DELETE":
            store.get(path)
            del store.objects[path]
            return 200, {"kind": "Status", "status": "Success"}
        if kind == "application/apply-patch+yaml":
            force, dry = query.get("force") == "true", query.get("dryRun") == "All"
            return store.apply(path, body, query["fieldManager"], force=force, dry=dry)
        assert kind == "application/merge-patch+json", kind
        return 200, store.merge(path, body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one class in a function
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def setup(self) -> None:
                fake.handshakes += 1
                super().setup()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

            def date_time_string(self, timestamp: float | None = None) -> str:
                return fake.date or super().date_time_string(timestamp)

            def _serve(self) -> None:  # noqa: PLR0911 - one for each kind of trouble
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = urlsplit(self.path).path
                if path != "/readyz":
                    fake.requests.append(f"{self.command} {self.path}")
                if not self.connection.getpeercert():
                    return self._send(401, {"kind": "Status", "reason": "Unauthorized"})
                if path == "/readyz":
                    return self._send(*fake.readyz)
                trouble = fake.trouble.popleft() if fake.trouble else None
                if trouble == "cut":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return None
                if trouble == "mute":
                    fake._stop.wait(5)
                    self.close_connection = True
                    return None
                if trouble == "drip":
                    with contextlib.suppress(OSError):
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                        while not fake._stop.wait(0.02):
                            self.wfile.write(b"x")
                    self.close_connection = True
                    return None
                if trouble is not None:
                    return self._send(*trouble)
                kind = self.headers.get("Content-Type", "")
                return self._send(*fake.answer(self.command, self.path, body, kind))

            def _send(self, status: int, content: dict[str, Any] | str, **extra: str) -> None:
                text = content if isinstance(content, str) else json.dumps(content)
                text = text[:-1] if fake.garble else text
                kind = "text/plain" if isinstance(content, str) else "application/json"
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PATCH = do_POST = do_DELETE = do_PUT = _serve  # noqa: N815

        return Handler


def _tls(authority: Authority, identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authority.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    with tempfile.TemporaryDirectory() as private:
        file = Path(private, "server.pem")
        file.write_text(identity.certificate + identity.key)
        context.load_cert_chain(file)
    return context


# ------------------------------------------------------------------ sessions and their tunnels


class TunnelDouble:
    """A local port whose bytes go to another port, as an SSH forward's do."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._pairs: list[socket.socket] = []
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        self.closed = True
        self.cut()

    def cut(self) -> None:
        """End what is connected; others may connect."""
        for end in self._pairs:
            _cut(end)

    def _accept(self) -> None:
        with self._listener:
            while not self.closed:
                try:
                    near, _ = self._listener.accept()
                except TimeoutError:
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._target), 1)
                except OSError:
                    near.close()  # what sshd's refusal of a channel looks like from here
                    continue
                self._pairs += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _cut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        source.settimeout(None)
        sink.settimeout(None)
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        _cut(source)
        _cut(sink)


@dataclass
class SessionDouble:
    """A session in memory: it can forward to the port that stands for the node's API."""

    node: str
    api_port: int
    asked: list[tuple[str, int]] = field(default_factory=list)
    tunnels: list[TunnelDouble] = field(default_factory=list)

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        raise AssertionError("the API is not reached by scripts")

    def upload(
        self, source: Path, path: str, *, sha256: str, mode: int, owner: str, timeout: float
    ) -> None:
        raise AssertionError("the API is not reached by uploads")

    def forward(self, host: str, port: int) -> TunnelDouble:
        self.asked.append((host, port))
        self.tunnels.append(TunnelDouble(self.api_port))
        return self.tunnels[-1]

    def close(self) -> None:
        for tunnel in self.tunnels:
            tunnel.close()


# ------------------------------------------------------------------ a whole cluster


class Cluster:
    """Servers s1, s2, ... with one store, their sessions, and an access to them."""

    def __init__(self, authority: Authority, admin_yaml: str, count: int) -> None:
        self.store = Store()
        self.apis = {f"s{n}": FakeApi(authority, self.store) for n in range(1, count + 1)}
        self.sessions = {name: SessionDouble(name, api.port) for name, api in self.apis.items()}
        self.pauses: list[float] = []
        self.opened: list[str] = []
        self.access = KubeAccess(
            [Server(name) for name in self.apis],
            self.session,
            admin_yaml,
            pause=self.pauses.append,
        )

    def session(self, node: str) -> SessionDouble:
        self.opened.append(node)
        return self.sessions[node]

    def stop(self, *names: str) -> None:
        for name in names:
            self.apis[name].close()
            self.sessions[name].close()

    def close(self) -> None:
        self.access.close()
        self.stop(*self.apis)
