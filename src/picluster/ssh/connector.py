"""Logging in to nodes: the user's SSH says how, Fabric connects, our rules hold for host keys."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from picluster.engine.session import Traffic
from picluster.errors import AuthenticationFailed, NodeError, Unreachable
from picluster.once import Once
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys
from picluster.ssh.keys import Authentication, KeyRing, Offers
from picluster.ssh.session import SshSession
from picluster.ssh.user_config import SshRoute, UserConfig

if TYPE_CHECKING:
    from pathlib import Path

    import paramiko

    from picluster.secret import Secret

_ATTEMPTS = 3
_BANNER_SECONDS = 30.0
_KEEPALIVE_SECONDS = 15
_DEAD_PEER_MILLISECONDS = 60_000
# sshd drops connections at random once ten are half open (MaxStartups 10:30:100), and behind one
# jump host all of ours are.
_AT_ONCE_THROUGH_A_JUMP_HOST = 8


@dataclass(slots=True)
class SshConnector:
    """Opens sessions to the nodes of a cluster. Implements `engine.session.Connector`.

    `passphrase` is asked for a key file's passphrase, once per file.
    """

    endpoints: Mapping[str, Endpoint]
    host_keys: HostKeys
    passphrase: InitVar[Callable[[str], str] | None] = None
    traffic: Traffic = field(default_factory=Traffic)
    config: UserConfig = field(default_factory=UserConfig)
    keys: KeyRing = field(init=False)
    _jumps: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(_AT_ONCE_THROUGH_A_JUMP_HOST)
    )
    _config: Once[str, Any] = field(default_factory=Once)

    def __post_init__(self, passphrase: Callable[[str], str] | None) -> None:
        self.keys = KeyRing(passphrase)

    def connect(self, node: str) -> SshSession:
        """Log in to a node. Raises a `NodeError` that says why not.

        Keys are tried first, and the password only where none is let in; then it is sudo's too,
        unless that has one of its own. What may be passing (a busy sshd, a lost packet) is tried
        again; a refused key or password never is, because servers count failures and shut clients
        out.
        """
        endpoint = self.endpoints[node]
        password = endpoint.password
        if password is None:
            return self.connect_by_key(node)
        by_key = ""
        if endpoint.key is None or endpoint.key.exists():
            try:
                return self.connect_by_key(node)
            except AuthenticationFailed as error:
                by_key = error.why
        try:
            return self._connect_patiently(endpoint, password())
        except AuthenticationFailed as error:
            error.why = "; ".join(each for each in (by_key, error.why) if each)
            raise

    def connect_by_key(self, node: str) -> SshSession:
        """Log in to a node as `connect` does, but never by password."""
        return self._connect_patiently(self.endpoints[node], None)

    def _connect_patiently(self, endpoint: Endpoint, password: Secret | None) -> SshSession:
        route = self.route(endpoint)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if not route.jumps:
                    return self._connect(endpoint, route, password)
                with self._jumps:
                    return self._connect(endpoint, route, password)
            except Unreachable:
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(random.uniform(0.3, 0.8) * attempt)  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    def route(self, endpoint: Endpoint) -> SshRoute:
        """Return how a node is reached: as the cluster file says, else as the user's SSH does.

        Raises `NodeError` if the user's configuration cannot be understood.
        """
        route = self.config.route(endpoint.host, endpoint.user, endpoint.port)
        route = _with_key(route, endpoint.key)
        if endpoint.jump is not None:
            route = replace(route, jumps=(endpoint.jump,), command="")
        return route

    def _connect(self, endpoint: Endpoint, route: SshRoute, password: Secret | None) -> SshSession:
        import paramiko  # noqa: PLC0415 - 0.2 s with Fabric, which only a connection needs

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        connection = None
        try:
            connection = self._connection(endpoint, route, password)
            connection.open()
        except (NodeError, paramiko.SSHException, OSError, EOFError, ValueError) as error:
            _Way(connection).close()
            raise explain_failure(endpoint, route, error, _said_on_the_way(connection)) from error
        transport = connection.transport
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        spent = self.traffic.of(endpoint.node)
        spent.add(connections=1)
        if password is not None and endpoint.sudo_password is None:
            endpoint = replace(endpoint, sudo_password=password)
        return SshSession(endpoint, connection.user, transport, _Way(connection), spent)

    def _connection(self, endpoint: Endpoint, route: SshRoute, password: Secret | None) -> Any:
        """Return a connection to a node that is not open yet."""
        gateway = self._gateway(endpoint, route, password)
        # With a password, that alone: the keys were refused before, or there are none.
        offers = self.keys.for_route(route, endpoint.key) if password is None else Offers()
        login = Authentication(route.user, endpoint.host, str(endpoint), offers, password)
        return self._through(gateway, endpoint.node, route, login, endpoint.connect_timeout)

    def _gateway(
        self,
        endpoint: Endpoint,
        route: SshRoute,
        password: Secret | None,
        reached: frozenset[tuple[str, int]] = frozenset(),
    ) -> Any:
        """Return the connection to the last of the jump hosts, each through the one before.

        They are offered the node's own key, or what the user's configuration says of them, and then
        the nodes' password. `reached` are the hosts that come later: `Host *` with a ProxyJump is
        about the jump host as well, which is no way to itself.
        """
        gateway = None
        reached |= {(route.host, route.port)}
        key = endpoint.key if endpoint.key and endpoint.key.exists() else None
        for hop in route.jumps:
            way = self.config.route(hop.host, hop.user, hop.port)
            if key is not None:
                named = way.named_keys | {key}
                way = replace(way, keys=(key, *way.keys), named_keys=named)
            if (way.host, way.port) in reached:
                continue
            if gateway is None:
                gateway = self._gateway(endpoint, way, password, reached)
            name = f"jump host {hop}"
            login = Authentication(way.user, hop.host, name, self.keys.for_route(way), password)
            gateway = self._through(gateway, name, way, login, endpoint.connect_timeout)
        return gateway

    def _through(
        self, gateway: Any, name: str, route: SshRoute, login: Authentication, timeout: float
    ) -> Any:
        import fabric  # noqa: PLC0415 - see above

        connection = fabric.Connection(
            route.host,
            user=route.user,
            port=route.port,
            config=self._config.get("fabric", _empty_config).clone(),
            gateway=gateway,
            connect_timeout=int(timeout),
        )
        policy = _Policy(self.host_keys, name, route)
        connection.client.set_missing_host_key_policy(policy)
        connection.connect_kwargs = {
            "banner_timeout": _BANNER_SECONDS,
            "auth_timeout": _BANNER_SECONDS,
            "auth_strategy": login,
            "transport_factory": partial(_transport, policy.kinds()),
        }
        if route.command and gateway is None:
            from picluster.ssh.proxy_command import ProxyCommand  # noqa: PLC0415 - see above

            connection.connect_kwargs["sock"] = ProxyCommand(route.command)
        return connection


@dataclass(frozen=True, slots=True)
class _Way:
    """A connection, which may be half open, with those that it goes through."""

    connection: Any

    def close(self) -> None:
        """Close them all; Fabric leaves jump hosts connected."""
        link = self.connection
        while link is not None:
            link.client.close()
            link = link.gateway


def _with_key(route: SshRoute, key: Path | None) -> SshRoute:
    """Return the way with one key only, the one that the cluster file names."""
    if key is None:
        return route
    return replace(route, keys=(key,), named_keys=frozenset((key,)), only_keys=True)


@dataclass(frozen=True, slots=True)
class _Policy:
    """Hands every host key to our own check; paramiko calls it for all, as it is told of none."""

    host_keys: HostKeys
    node: str
    route: SshRoute

    def missing_host_key(self, client: object, hostname: str, key: paramiko.PKey) -> None:
        self.host_keys.check(self.node, *self.route.pinned_as, key, self.route.known_hosts)

    def kinds(self) -> list[str]:
        """Return the types of the keys that are pinned."""
        pins = self.host_keys.pinned(*self.route.pinned_as, self.route.known_hosts)
        return [each.kind for each in pins]


def _transport(pinned: Sequence[str], sock: Any, **options: Any) -> paramiko.Transport:
    """Make a transport that sends at once and asks first for the key types that are pinned.

    Without TCP_NODELAY every command waits 40 ms for a delayed ACK; paramiko never sets it. A node
    that is pinned by its ed25519 key must not be asked for its ecdsa key: the answer would look
    like a changed key (k0sctl#813). Through a jump host `sock` is a channel.
    """
    import paramiko  # noqa: PLC0415 - see above

    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MILLISECONDS)
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    # Paramiko checks any other cipher's packets in Python, byte by byte.
    security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
    if pinned:
        wanted = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}
        first = [name for kind in pinned for name in wanted.get(kind, (kind,))]
        offered = list(security.key_types)
        preferred = [name for name in dict.fromkeys(first) if name in offered]
        security.key_types = preferred + [name for name in offered if name not in preferred]
    return transport


def _empty_config() -> Any:
    """Return a configuration of Fabric's that reads no file: nobody's `~/.fabric.py` is run."""
    import fabric  # noqa: PLC0415 - see above
    import paramiko  # noqa: PLC0415

    return fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig())


def _said_on_the_way(connection: Any) -> str:
    """Return what the command said that stood in for the connection, if there was one."""
    command = connection.connect_kwargs.get("sock") if connection is not None else None
    return command.last_words if command is not None else ""


def explain_failure(
    endpoint: Endpoint, route: SshRoute, error: Exception, said: str = ""
) -> NodeError:
    """Turn what a login raised into what happened, why, and what to do.

    `said` is what a ProxyCommand said at its end.
    """
    unread = ""
    if route.unread:
        unread = (
            f"there is no `ssh` here to ask, so it counts for nothing: {', '.join(route.unread)}"
        )
    if isinstance(error, NodeError):
        failure = error
        failure.where = failure.where or str(endpoint)
    else:
        why, fix = _network_cause(error)
        if route.command:
            why = f"its ProxyCommand in ~/.ssh/config, `{route.command}`: {said or why}"
        what = "it cannot be reached over SSH"
        failure = Unreachable(what, where=str(endpoint), why=why, fix=fix)
    if unread and unread not in failure.why:
        failure.why = "; ".join(each for each in (failure.why, unread) if each)
    return failure


def _network_cause(error: Exception) -> tuple[str, str]:
    # Paramiko wraps what each of a host's addresses said, whatever it was.
    inner = getattr(error, "errors", None)
    if isinstance(inner, dict) and inner:
        return _network_cause(next(iter(inner.values())))
    if isinstance(error, socket.gaierror):
        return (
            "its name does not resolve",
            "correct the node's address in the cluster file; a .local name is only known while the "
            "machine is on, and its IP address always",
        )
    if isinstance(error, TimeoutError):
        return "no answer in time", "is it powered, booted, and on this network?"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens on its SSH port", "is SSH enabled on it, and the port right?"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower(), "is it powered, booted, and on this network?"
    said = str(error) or "the connection was closed at once"
    if "protocol banner" in said or "protocol version" in said:
        said = "something took the connection, and did not greet as an SSH server"
    return (
        said,
        "look at sshd on the node (`journalctl -u ssh`); a busy node may answer a minute later",
    )
