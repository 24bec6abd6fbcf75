"""How a node speaks to a cluster that it joins or belongs to: trust, token, registration."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .certs import ca_hash
from .flannel import Network
from .log import error, fatal, info, now_exactly
from .node import RENEWAL
from .pace import paced
from .store import Object, write_atomically
from .supervisor import basic
from .wire import Answer, Client, go_dial_error, trusting

_RETRY = paced(5.0)
_FAILURES = (OSError, http.client.HTTPException)


class Refused(Exception):
    """The server does not want this node, or cannot be trusted or reached; says why."""


def secret_of(token: str) -> str:
    """Return what was chosen of a token: `K10<hash>::server:<secret>`."""
    return re.sub(r"^K10[0-9a-f]+::(?:[^:]*:)?", "", token)


def trusted_ca(server: str, token: str, keep: Path) -> None:
    """Fetch a cluster's CA, compare it with the token's digest, and keep it. Raises `Refused`."""
    url = f"{server.rstrip('/')}/cacerts"
    try:
        pem = Client(trusting(None)).call("GET", url).body
    except _FAILURES as problem:
        raise Refused(
            f'failed to get CA certs: Get "{url}": {go_dial_error(url, problem)}'
        ) from None
    match = re.match(r"K10([0-9a-f]+)::", token)
    found = ca_hash(pem)
    if match and match[1] != found:
        raise Refused(
            f"token CA hash does not match the Cluster CA certificate hash: {match[1]} != {found}"
        )
    write_atomically(keep, pem.decode(), 0o644)


def client(ca: Path, user: str, secret: str) -> Client:
    """Return a client that trusts the cluster and shows the token."""
    return Client(trusting(ca), {"Authorization": basic(user, secret)})


def asked(client: Client, server: str, name: str, body: Object) -> Object:
    """Ask a K3s endpoint of a server. Raises `Refused`."""
    url = f"{server.rstrip('/')}/v1-k3s/{name}"
    try:
        answer: Answer = client.call("POST", url, body, timeout=10.0)
    except _FAILURES as problem:
        raise Refused(f'Post "{url}": {go_dial_error(url, problem)}') from None
    if answer.status == 401:
        # K3s tells the status alone (k3s pkg/clientaccess/token.go).
        raise Refused(f"{url}: 401 Unauthorized")
    found: Object = answer.json()
    if answer.status != 200:
        raise Refused(str(found.get("message") or f"{url}: {answer.status}"))
    return found


class NodeAgent:
    """Keeps one node registered and heard, through whichever server answers."""

    def __init__(
        self, about: Object, password: str, client: Client, servers: list[str], data: Path
    ) -> None:
        self._about, self._password, self._client = about, password, client
        self._servers, self._data = servers, data
        self._network = Network(about["name"])

    def run(self, on_ready: Callable[[], None]) -> None:
        """Register, retrying as long as it takes, and then send heartbeats for ever."""
        self._register()
        kubeconfig = self._data / "agent/kubelet.kubeconfig"
        write_atomically(kubeconfig, "# stand-in\napiVersion: v1\nkind: Config\n")
        on_ready()
        while True:
            time.sleep(RENEWAL / 2)
            try:
                self._ask("heartbeat", {"name": self._about["name"], "renewTime": now_exactly()})
            except Refused as why:
                error(f"Error updating node status (stand-in): {why}")
            time.sleep(RENEWAL / 2)

    def start(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run in the background."""
        threading.Thread(target=self.run, args=(on_ready,), daemon=True).start()

    def _register(self) -> None:
        while True:
            try:
                told = {"password": self._password, "renewTime": now_exactly()}
                self._ask("register", {**self._about, **told})
            except Refused as why:
                info(f"Waiting to retrieve agent configuration; server is not ready: {why}")
                time.sleep(_RETRY)
                continue
            info(f"Successfully registered node {self._about['name']} (stand-in)")
            return

    def _ask(self, name: str, body: Object) -> None:
        why: Refused | None = None
        for server in list(self._servers):
            try:
                found = asked(self._client, server, name, body)
            except Refused as problem:
                why = why or problem
                continue
            others = [url for url in found.get("servers", ()) if url != server]
            self._servers = [server, *others] if others else self._servers
            self._network.follow(found["flannel"])
            return
        raise why or Refused("no server is known")


def fail_to_join(why: Refused) -> None:
    """End as K3s does when it cannot join; systemd tries again."""
    fatal(f"starting kubernetes: preparing server: {why}")
