"""`k3s server`: brings up a server, alone or as a member of a cluster, and keeps it running."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

from . import certs, client, host, stamp
from .apiserver import Request
from .config import Options
from .flannel import make_tunnel
from .log import error, fatal, info, now
from .members import TOO_MANY_LEARNERS, Cluster
from .node import Registry, describe
from .resources import ApiError
from .store import Object, Store, write_atomically
from .supervisor import Handler, Supervisor, basic
from .system import furnish
from .wire import Client, listen, serving

_CAS = ("server-ca", "client-ca")
_QUORUM_LOG = 5.0
_REMOVED = "this node has been removed from the cluster please restart k3s to rejoin the cluster"
_RESET = (
    "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. "
    "Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes"
)


class Place:
    """Where a server keeps its things."""

    def __init__(self, options: Options) -> None:
        self.data = host.data(options)
        self.server = self.data / "server"
        self.tls = self.server / "tls"
        self.etcd = self.server / "db/etcd"
        self.sqlite = self.server / "db/state.db"
        self.tombstone = self.etcd / "tombstone"
        self.token = self.server / "token"

    def store(self, *, etcd: bool) -> Store:
        """Open the datastore."""
        if etcd:
            return Store(self.etcd / "member/snap/db", self.etcd / "member/wal/0.wal")
        return Store(self.sqlite, self.sqlite.with_name("state.db-wal"))

    def pair(self, name: str) -> tuple[Path, Path]:
        """Return the files of a certificate and its key."""
        return self.tls / f"{name}.crt", self.tls / f"{name}.key"

    def bootstrap(self) -> Object:
        """Return what every server of the cluster has in common."""
        files = [path for name in _CAS for path in self.pair(name)]
        return {"files": {path.name: path.read_text() for path in files}}

    def take_bootstrap(self, found: Object) -> None:
        """Keep what every server of the cluster has in common."""
        for name, text in found["files"].items():
            write_atomically(self.tls / name, text, 0o600 if name.endswith(".key") else 0o644)


class ServerProcess:
    """One server, from its options to running."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.place = Place(options)
        self.name, self.ip = host.node_name(options), host.node_ip(options)
        self.port = int(options.text("https-listen-port", "6443"))
        self.joins = options.text("server")
        self.etcd = bool(
            options.flag("cluster-init") or self.joins or (self.place.etcd / "member").exists()
        )
        self.backend = options.text("flannel-backend", "vxlan")
        self.secret = ""

    def run(self) -> None:
        """Start, and run until the process is stopped."""
        store = self._prepare()
        if self.options.flag("cluster-reset"):
            self._reset(store)
            return
        self._certify()
        peers = client.client(self.place.pair("server-ca")[0], "server", self.secret)
        votes = (self.place.etcd if self.etcd else self.place.server / "db") / "votes.json"
        cluster = Cluster(self._member_id(), store, peers, votes, self._on_removed)
        if store.index == 0 and not self.joins:
            self._found(cluster)
        self._serve(cluster, peers)
        self._write_kubeconfig()
        cluster.on_leading = lambda: furnish(cluster, self.options.items("disable"))
        cluster.start()
        threading.Thread(target=self.registry.watch, daemon=True).start()
        woken = self._on_signals(cluster)
        if cluster.me not in cluster.members and self.joins:
            self._join(peers, cluster)
        self._await_quorum(cluster)
        make_tunnel(self.backend)
        info("Kube API server is now running (stand-in)")
        info(f"k3s {stamp.VERSION} stand-in is up and running")
        host.notify("READY=1")
        about = describe(
            self.options,
            self.name,
            self.ip,
            etcd=self.etcd,
            member=self._member_id() if self.etcd else "",
        )
        agent = client.NodeAgent(about, host.password(), peers, [self._own_url()], self.place.data)
        agent.start()
        while True:
            os.read(woken, 1)

    # --- preparing ------------------------------------------------------------------------------

    def _prepare(self) -> Store:
        self._bury()
        fresh = not (self.place.etcd / "member").exists() and not self.place.sqlite.exists()
        given = host.token(self.options)
        restored = self.options.text("cluster-reset-restore-path")
        if self.joins and fresh and not self.options.flag("cluster-reset"):
            self._fetch_bootstrap(given)
        elif restored and fresh:
            self._restore_bootstrap(restored)
        known = self.place.token.read_text().strip() if self.place.token.exists() else ""
        secret = client.secret_of(given)
        if known and secret and client.secret_of(known) != secret:
            fatal(
                "starting kubernetes: preparing server: bootstrap data already found and "
                "encrypted with different token"
            )
        self.secret = client.secret_of(known) or secret or secrets.token_hex(16)
        for name in _CAS:
            cert, key = self.place.pair(name)
            if not cert.exists():
                certs.make_ca(cert, key, f"k3s-{name}@{int(time.time())}")
        self._write_tokens()
        if self.etcd and self.place.sqlite.exists():
            info("Migrating content from sqlite to etcd (stand-in)")
            old = self.place.store(etcd=False)
            store = self.place.store(etcd=True)
            state = old.dump()
            state["meta"]["members"] = {}
            store.restore(state)
            self.place.sqlite.replace(self.place.sqlite.with_name("state.db.migrated"))
            self.place.sqlite.with_name("state.db-wal").unlink(missing_ok=True)
        return self.place.store(etcd=self.etcd)

    def _bury(self) -> None:
        """A member that was removed starts anew, if it knows whom to join."""
        if not self.place.tombstone.exists():
            return
        if not self.joins:
            fatal(
                "starting kubernetes: preparing server: this server has been removed from the "
                "etcd cluster; remove server/db/etcd, or set --server to rejoin"
            )
        info("Removing the data of an etcd member that was removed, to rejoin (stand-in)")
        self.place.etcd.rename(self.place.etcd.with_name(f"etcd-old-{int(time.time())}"))

    def _fetch_bootstrap(self, token: str) -> None:
        if not token:
            fatal("starting kubernetes: preparing server: --token is required to join a server")
        ca = self.place.data / "agent/server-ca.crt"
        try:
            client.trusted_ca(self.joins, token, ca)
            link = client.client(ca, "server", client.secret_of(token))
            self.place.take_bootstrap(client.asked(link, self.joins, "server-bootstrap", {}))
        except client.Refused as why:
            client.fail_to_join(why)

    def _write_tokens(self) -> None:
        pin = certs.ca_hash(self.place.pair("server-ca")[0].read_bytes())
        full = f"K10{pin}::server:{self.secret}\n"
        if not self.place.token.exists() or self.place.token.read_text() != full:
            write_atomically(self.place.token, full)
        node_token = self.place.server / "node-token"
        if not node_token.is_symlink():
            node_token.unlink(missing_ok=True)
            node_token.symlink_to("token")

    def _certify(self) -> None:
        cluster_ip = self.options.text("service-cidr", "10.43.0.0/16").rsplit(".", 1)[0] + ".1"
        names = [
            "kubernetes", "kubernetes.default", "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1", "::1", cluster_ip,
            self.ip, self.name, socket.gethostname(), *self.options.items("tls-san"),
        ]  # fmt: skip
        cert, key = self.place.pair("serving-kube-apiserver")
        noted = self.place.tls / "serving.names"
        if not noted.exists() or noted.read_text() != "\n".join(names) or not cert.exists():
            certs.make_server(cert, key, self.place.pair("server-ca"), "k3s", names)
            write_atomically(noted, "\n".join(names))
        admin, admin_key = self.place.pair("client-admin")
        if not admin.exists():
            subject = "/O=system:masters/CN=system:admin"
            certs.make_client(admin, admin_key, self.place.pair("client-ca"), subject)

    def _member_id(self) -> str:
        if not self.etcd:
            return "sqlite"
        path = self.place.etcd / "name"
        if not path.exists():
            write_atomically(path, f"{self.name}-{secrets.token_hex(4)}")
        return path.read_text().strip()

    def _about(self) -> Object:
        host_part = f"[{self.ip}]" if ":" in self.ip else self.ip
        peer = f"https://{host_part}:{host.PEER_PORT}" if self.etcd else self._own_url()
        return {"name": self.name, "api": self._own_url(), "peer": peer}

    def _own_url(self) -> str:
        return f"https://{f'[{self.ip}]' if ':' in self.ip else self.ip}:{self.port}"

    def _found(self, cluster: Cluster) -> None:
        members = {cluster.me: {**self._about(), "voter": True}}
        identity = secrets.token_hex(8)
        operations = [["meta", "members", members], ["meta", "cluster-id", identity]]
        cluster.store.apply(1, 1, operations)

    # --- serving --------------------------------------------------------------------------------

    def _serve(self, cluster: Cluster, peers: Client) -> None:
        store = cluster.store
        if not cluster.members and not self.joins:  # migrated, or reset
            about = {cluster.me: {**self._about(), "voter": True}}
            fresh = [["meta", "members", about], ["meta", "cluster-id", secrets.token_hex(8)]]
            store.apply(store.term, store.index + 1, fresh)
        cert, key = self.place.pair("serving-kube-apiserver")
        tls = serving(cert, key, self.place.pair("client-ca")[0])
        ca = self.place.pair("server-ca")[0].read_bytes()
        supervisor = Supervisor(cluster, peers, self.secret, ca)
        network = self.options.text("cluster-cidr", "10.42.0.0/16")
        self.registry = Registry(cluster, self.backend, network)
        self._own_endpoints(supervisor, cluster)
        handler = type("BoundHandler", (Handler,), {"supervisor": supervisor})
        where = self.options.text("bind-address") or os.environ.get("STANDIN_BIND", "")
        for port in (self.port, host.PEER_PORT) if self.etcd else (self.port,):
            self._listen(where, port, handler, tls)

    def _listen(self, where: str, port: int, handler: type[Handler], tls: Any) -> None:
        for address in [where] if where else ["::", "0.0.0.0"]:
            try:
                listen(address, port, handler, tls)
            except OSError as problem:
                if problem.errno == 98:
                    fatal(f"listen tcp {where}:{port}: bind: address already in use")
                failure = problem
                continue
            return
        fatal(f"listen tcp {where}:{port}: bind: {failure}")

    def _own_endpoints(self, supervisor: Supervisor, cluster: Cluster) -> None:
        def only_servers(request: Request) -> None:
            if request.user not in ("server", "admin"):
                raise ApiError(403, "Forbidden", "not authorized")

        def bootstrap(request: Request, body: Object) -> Object:
            only_servers(request)
            if not self.etcd:
                raise ApiError(
                    400, "BadRequest", "server does not use embedded etcd: it cannot be joined"
                )
            return self.place.bootstrap()

        def join(request: Request, body: Object) -> Object:
            only_servers(request)
            try:
                cluster.add(body["id"], body["about"])
            except ValueError as problem:
                raise ApiError(409, "Conflict", str(problem)) from None
            return {}

        def snapshot(request: Request, body: Object) -> Object:
            only_servers(request)
            return {"name": self.snapshot(cluster.store, body["name"], body.get("dir", ""))}

        supervisor.own |= {
            "server-bootstrap": bootstrap,
            "join": join,
            "snapshot": snapshot,
            "register": lambda _, body: self.registry.register(body),
            "heartbeat": lambda _, body: self.registry.beat(body["name"], body["renewTime"]),
        }
        supervisor.tokens = lambda given: _is_bootstrap_token(cluster.store, given)

    def _join(self, peers: Client, cluster: Cluster) -> None:
        body = {"id": cluster.me, "about": self._about()}
        while True:
            try:
                client.asked(peers, self.joins, "join", body)
                break
            except client.Refused as why:
                # It waits for its turn (k3s-io/k3s pkg/etcd/etcd.go, Start).
                if TOO_MANY_LEARNERS in str(why):
                    info(f"Waiting for other members to finish joining etcd cluster: {why}")
                    time.sleep(1)
                    continue
                shutil.rmtree(self.place.etcd, ignore_errors=True)
                client.fail_to_join(client.Refused(f"etcd cluster join failed: {why}"))
        info(f"Adding member {cluster.me}={self._about()['peer']} to etcd cluster (stand-in)")

    def _await_quorum(self, cluster: Cluster) -> None:
        while not cluster.wait(_QUORUM_LOG):
            error(
                "Failed to test etcd connection: context deadline exceeded: etcdserver: no leader"
            )

    def _on_removed(self) -> None:
        error(_REMOVED)
        if self.etcd:
            write_atomically(self.place.tombstone, now())
        os._exit(1)

    def _on_signals(self, cluster: Cluster) -> int:
        """Stop when told to; return what the main thread must read from to hear of it.

        Python runs a handler in the main thread's next bytecode, and a signal that comes just
        before that thread goes to sleep, or to another thread, wakes nobody by itself.
        """

        def stop(number: int, frame: Any) -> None:
            threading.Thread(target=lambda: (cluster.stop(), os._exit(0)), daemon=True).start()

        woken, waking = os.pipe()
        os.set_blocking(waking, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        return woken

    def _write_kubeconfig(self) -> None:
        path = host.at(self.options.text("write-kubeconfig", "/etc/rancher/k3s/k3s.yaml"))
        mode = int(self.options.text("write-kubeconfig-mode", "600") or "600", 8)
        write_atomically(path, kubeconfig(self.place, self.port), mode)

    # --- snapshots ------------------------------------------------------------------------------

    def snapshot(self, store: Store, name: str, directory: str) -> str:
        """Write a snapshot of everything, with what is needed to start from it elsewhere."""
        full = f"{name}-{self.name}-{int(time.time())}"
        where = host.at(directory) if directory else self.place.server / "db/snapshots"
        content = {
            "stand-in": stamp.VERSION,
            "state": store.dump(),
            "bootstrap": self.place.bootstrap(),
            "secret": self.secret,
        }
        write_atomically(where / full, json.dumps(content))
        info(f"Saving etcd snapshot to {where / full} (stand-in)")
        return str(where / full)

    def _snapshot_at(self, path: str) -> Object:
        try:
            found: Object = json.loads(host.at(path).read_text())
        except (OSError, ValueError):
            fatal(f"etcd: snapshot path does not exist or is no snapshot: {path}")
        return found

    def _restore_bootstrap(self, path: str) -> None:
        content = self._snapshot_at(path)
        given = client.secret_of(host.token(self.options))
        if given and given != content["secret"]:
            fatal("bootstrap data already found and encrypted with different token")
        self.place.take_bootstrap(content["bootstrap"])
        self.secret = content["secret"]
        self._write_tokens()

    def _reset(self, store: Store) -> None:
        self.etcd = True
        restored = self.options.text("cluster-reset-restore-path")
        if restored:
            state = self._snapshot_at(restored)["state"]
            if self.place.etcd.exists():
                self.place.etcd.rename(self.place.etcd.with_name(f"etcd-old-{int(time.time())}"))
            store = self.place.store(etcd=True)
        else:
            if store.index == 0:
                fatal("cluster-reset: there is no etcd data to reset")
            state = store.dump()
        members = {self._member_id(): {**self._about(), "voter": True}}
        meta = {**state["meta"], "members": members, "cluster-id": secrets.token_hex(8)}
        store.restore({**state, "meta": meta, "term": state["term"] + 1})
        self.place.tombstone.unlink(missing_ok=True)
        info(_RESET + " (stand-in)")


def _is_bootstrap_token(store: Store, given: str) -> bool:
    return any(
        key[3].startswith("bootstrap-token-") and given == basic("node", _plain(secret))
        for key, secret in store.listed("", "secrets", "kube-system")
    )


def _plain(secret: Object) -> str:
    data = secret.get("data") or {}
    parts = (data.get("token-id", ""), data.get("token-secret", ""))
    return ".".join(base64.b64decode(part).decode() for part in parts)


def kubeconfig(place: Place, port: int) -> str:
    """Return the administrator's kubeconfig, as K3s writes it."""

    def encoded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    cert, key = place.pair("client-admin")
    return f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {encoded(place.pair("server-ca")[0])}
    server: https://127.0.0.1:{port}
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {{}}
users:
- name: default
  user:
    client-certificate-data: {encoded(cert)}
    client-key-data: {encoded(key)}
"""
