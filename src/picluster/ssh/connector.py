"""Logging in to nodes: Fabric for configuration, keys and jump hosts; our rules for host keys."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from picluster.engine.session import Traffic
from picluster.errors import AuthenticationFailed, NodeError, Unreachable
from picluster.once import Once
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys
from picluster.ssh.session import SshSession

if TYPE_CHECKING:
    import paramiko

    from picluster.secret import Secret

_ATTEMPTS = 3
_BANNER_SECONDS = 30.0
_KEEPALIVE_SECONDS = 15
_DEAD_PEER_MILLISECONDS = 60_000
# sshd drops connections at random once ten are half open (MaxStartups 10:30:100), and behind one
# jump host all of ours are.
_AT_ONCE_THROUGH_A_JUMP_HOST = 8
# What Paramiko says if there is neither a key nor a password; it has no class of its own for that.
_NO_KEYS = "No authentication methods available"


@dataclass(slots=True)
class SshConnector:
    """Opens sessions to the nodes of a cluster. Implements `engine.session.Connector`.

    `passphrase` is asked for a key file's passphrase, once per file.
    """

    endpoints: Mapping[str, Endpoint]
    host_keys: HostKeys
    passphrase: Callable[[str], str] | None = None
    traffic: Traffic = field(default_factory=Traffic)
    _jumps: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(_AT_ONCE_THROUGH_A_JUMP_HOST)
    )
    _keys: Once[str, paramiko.PKey] = field(default_factory=Once)
    _config: Once[str, Any] = field(default_factory=Once)

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
        if endpoint.key is None or endpoint.key.exists():
            with contextlib.suppress(AuthenticationFailed):
                return self.connect_by_key(node)
        return self._connect_patiently(endpoint, password())

    def connect_by_key(self, node: str) -> SshSession:
        """Log in to a node as `connect` does, but never by password."""
        return self._connect_patiently(self.endpoints[node], None)

    def _connect_patiently(self, endpoint: Endpoint, password: Secret | None) -> SshSession:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if endpoint.jump is None:
                    return self._connect(endpoint, password)
                with self._jumps:
                    return self._connect(endpoint, password)
            except Unreachable:
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(random.uniform(0.3, 0.8) * attempt)  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    def _connect(self, endpoint: Endpoint, password: Secret | None) -> SshSession:
        import paramiko  # noqa: PLC0415 - 0.2 s with Fabric, which only a connection needs

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        connection = self._connection(endpoint, password)
        try:
            connection.open()
        except NodeError:
            connection.close()
            raise
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            connection.close()
            user = connection.user
            raise explain_failure(endpoint, user, error, by_password=bool(password)) from error
        transport = connection.transport
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        self.traffic.add(connections=1)
        if password is not None and endpoint.sudo_password is None:
            endpoint = replace(endpoint, sudo_password=password)
        return SshSession(endpoint, connection.user, transport, connection, self.traffic)

    def _connection(self, endpoint: Endpoint, password: Secret | None) -> Any:
        import fabric  # noqa: PLC0415 - see above

        gateway = None
        if endpoint.jump is not None:
            jump = endpoint.jump
            gateway = fabric.Connection(
                jump.host, user=jump.user, port=jump.port, config=self._fabric_config()
            )
            self._apply_rules(gateway, f"jump host {jump}")
            gateway.connect_kwargs.update(self._gateway_credentials(endpoint, password))
        connection = fabric.Connection(
            endpoint.host,
            user=endpoint.user,
            port=endpoint.port,
            config=self._fabric_config(),
            gateway=gateway,
            connect_timeout=int(endpoint.connect_timeout),
        )
        connection.connect_kwargs.update(self._credentials(endpoint, password))
        self._apply_rules(connection, endpoint.node)
        return connection

    def _credentials(self, endpoint: Endpoint, password: Secret | None) -> dict[str, Any]:
        """Return what to log in with: the named key alone, or else agent and usual keys.

        With a password, that alone: the keys were refused before, or there are none.
        """
        given: dict[str, Any] = {
            "banner_timeout": _BANNER_SECONDS,
            "auth_timeout": _BANNER_SECONDS,
        }
        nothing_else = {"allow_agent": False, "look_for_keys": False}
        if password is not None:
            given |= {"password": password.reveal(), **nothing_else}
        elif endpoint.key is not None:
            given |= {"pkey": self._key(endpoint), **nothing_else}
        return given

    def _gateway_credentials(self, endpoint: Endpoint, password: Secret | None) -> dict[str, Any]:
        """Return what to log in to the jump host with: the keys, then the nodes' password."""
        if password is None:
            return self._credentials(endpoint, None)
        if endpoint.key is not None and not endpoint.key.exists():
            endpoint = replace(endpoint, key=None)
        return self._credentials(endpoint, None) | {"password": password.reveal()}

    def _key(self, endpoint: Endpoint) -> paramiko.PKey:
        """Load the private key that the file names, asking for its passphrase at most once."""
        path = str(endpoint.key)
        return self._keys.get(path, lambda: self._read_key(endpoint, path))

    def _read_key(self, endpoint: Endpoint, path: str) -> paramiko.PKey:
        import paramiko  # noqa: PLC0415 - see above

        try:
            return _load_key(path, None)
        except paramiko.PasswordRequiredException:
            if self.passphrase is None:
                raise AuthenticationFailed(
                    f"the key {path} needs its passphrase",
                    where=str(endpoint),
                    fix=f"`ssh-add {path}`, or run this in a terminal",
                ) from None
            return self._key_with_passphrase(endpoint, path)
        except (OSError, paramiko.SSHException, ValueError) as error:
            raise AuthenticationFailed(
                f"the key {path} cannot be used",
                where=str(endpoint),
                why=str(error),
                fix="correct ssh.key; `ssh-keygen -t ed25519` makes a new one",
            ) from error

    def _key_with_passphrase(self, endpoint: Endpoint, path: str) -> paramiko.PKey:
        import paramiko  # noqa: PLC0415 - see above

        assert self.passphrase is not None  # noqa: S101 - the caller has checked
        try:
            return _load_key(path, self.passphrase(f"Passphrase of {path}: "))
        except (paramiko.SSHException, ValueError):
            raise AuthenticationFailed(
                f"that is not the passphrase of {path}", where=str(endpoint), fix="try again"
            ) from None

    def _fabric_config(self) -> Any:
        """Return a copy of one configuration, read once; nobody's `~/.fabric.py` is run."""
        return self._config.get("fabric", _read_config).clone()

    def _apply_rules(self, connection: Any, node: str) -> None:
        """Check host keys our way, and do not let small packets wait for each other."""
        host, port = connection.host, connection.port or 22
        connection.client.set_missing_host_key_policy(_Policy(self.host_keys, node, host, port))
        pinned = self.host_keys.pinned(host, port)

        def make_transport(sock: Any, **options: Any) -> paramiko.Transport:
            return _transport(sock, pinned, options)

        connection.connect_kwargs = {**connection.connect_kwargs}
        connection.connect_kwargs["transport_factory"] = make_transport


class _Policy:
    """Hands every host key to our own check; paramiko calls it for all, as it is told of none."""

    def __init__(self, host_keys: HostKeys, node: str, host: str, port: int) -> None:
        self.host_keys = host_keys
        self.node = node
        self.host = host
        self.port = port

    def missing_host_key(self, client: object, hostname: str, key: paramiko.PKey) -> None:
        self.host_keys.check(self.node, self.host, self.port, key)


def _transport(
    sock: Any, pinned: Mapping[str, paramiko.PKey], options: dict[str, Any]
) -> paramiko.Transport:
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
    if pinned:
        security = transport.get_security_options()
        wanted = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}
        first = [name for kind in pinned for name in wanted.get(kind, (kind,))]
        offered = list(security.key_types)
        preferred = [name for name in first if name in offered]
        security.key_types = preferred + [name for name in offered if name not in preferred]
    return transport


def _read_config() -> Any:
    import fabric  # noqa: PLC0415 - see above

    config = fabric.Config(lazy=True)
    config.load_ssh_config()
    config.merge()
    return config


def _load_key(path: str, passphrase: str | None) -> paramiko.PKey:
    import paramiko  # noqa: PLC0415 - see above

    # Paramiko hands both on to `cryptography`: the passphrase, whatever Paramiko's own types say,
    # and the error for a key that has one when none is given.
    secret: Any = passphrase.encode() if passphrase else None
    try:
        return paramiko.PKey.from_path(path, secret)
    except TypeError:
        raise paramiko.PasswordRequiredException(f"{path} needs its passphrase") from None


def explain_failure(
    endpoint: Endpoint, user: str, error: Exception, *, by_password: bool = False
) -> NodeError:
    """Turn what Fabric and Paramiko raise into what happened, why, and what to do."""
    import paramiko  # noqa: PLC0415 - see above

    where = str(endpoint)
    if isinstance(error, NodeError):
        return error
    nothing_to_offer = _NO_KEYS in str(error)
    if isinstance(error, paramiko.AuthenticationException) or nothing_to_offer:
        offered = f"the key {endpoint.key}" if endpoint.key else "the agent's and the usual keys"
        return AuthenticationFailed(
            f"it does not let {user} in",
            where=where,
            why="there is no key to offer, in the agent or among the usual files"
            if nothing_to_offer
            else f"offered were {offered}" + (", then the password" if by_password else ""),
            fix=f"install the key: `ssh-copy-id {user}@{endpoint.host}`, or correct ssh.user and "
            "ssh.key",
        )
    why, fix = _network_cause(error)
    return Unreachable("it cannot be reached over SSH", where=where, why=why, fix=fix)


def _network_cause(error: Exception) -> tuple[str, str]:
    # Paramiko wraps what each of a host's addresses said, whatever it was.
    inner = getattr(error, "errors", None)
    if isinstance(inner, dict) and inner:
        return _network_cause(next(iter(inner.values())))
    if isinstance(error, socket.gaierror):
        return "its name does not resolve", "correct the node's address in the cluster file"
    if isinstance(error, TimeoutError):
        return "no answer in time", "is it powered, booted, and on this network?"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens on its SSH port", "is SSH enabled on it, and the port right?"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower(), "is it powered, booted, and on this network?"
    return (
        str(error) or "the connection was closed at once",
        "look at sshd on the node (`journalctl -u ssh`); a busy node may answer a minute later",
    )
