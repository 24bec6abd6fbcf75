"""Which keys are offered to a server, in OpenSSH's order, and what was refused.

OpenSSH offers first what the agent has of the keys that are named, then the agent's others (never
with IdentitiesOnly), then the files whose key the agent does not have: a server hears few keys
before it hangs up (MaxAuthTries).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.engine.probe import shown
from picluster.errors import AuthenticationFailed, Unreachable
from picluster.once import Once
from picluster.ssh.user_config import AGENT_OF_THE_ENVIRONMENT, SshRoute

if TYPE_CHECKING:
    import paramiko

    from picluster.secret import Secret

_MAGIC = b"openssh-key-v1\0"
_MOST_TOLD = 8
# What Paramiko says if an agent refuses, as after `ssh-add -c` without a yes.
_NO_SIGNATURE = "key cannot be used for signing"
# systemd's notes for it, at boot and at shutdown, both end with this (units/tmpfiles, logind).
_NO_LOGIN = "pam_nologin(8)"


def fingerprint(blob: bytes) -> str:
    """Return a public key's SHA-256 fingerprint as `ssh-keygen -l` prints it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


@dataclass(frozen=True, slots=True)
class Offer:
    """A key that can be offered; `origin` says where it is kept."""

    key: paramiko.PKey
    origin: str

    def __str__(self) -> str:
        return f"{fingerprint(self.key.asbytes())} ({self.origin})"


@dataclass(frozen=True, slots=True)
class Offers:
    """What can be offered, in order, and what cannot, each with its reason."""

    offers: tuple[Offer, ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(slots=True)
class KeyRing:
    """The keys of this computer. `passphrase` is asked for a key file's, once per file."""

    passphrase: Callable[[str], str] | None = None
    _read: Once[Path, paramiko.PKey] = field(default_factory=Once)

    def for_route(self, route: SshRoute, required: Path | None = None) -> Offers:
        """Return what to offer on a way; `required` is a file that has to be one of them.

        Raises `AuthenticationFailed` if the required one cannot be used.
        """
        offers: list[Offer] = []
        held, withheld = _in_agent(route.agent)
        here = [path for path in route.keys if path == required or path.is_file()]
        halves = {path: public_half(path) for path in here}
        wanted = {half for half in halves.values() if half}
        named = [each for each in held if each.key.asbytes() in wanted]
        offers += named if route.only_keys else [*named, *(o for o in held if o not in named)]
        for path in here:
            if any(each.key.asbytes() == halves[path] for each in held):
                continue
            try:
                offers.append(Offer(self._key(path, ask=path in route.named_keys), str(path)))
            except AuthenticationFailed as error:
                if path == required:
                    raise
                withheld.append(f"{error.what}{f' ({error.why})' if error.why else ''}")
        return Offers(tuple(offers), tuple(withheld))

    def _key(self, path: Path, *, ask: bool) -> paramiko.PKey:
        return self._read.get(path, lambda: self._load(path, ask=ask))

    def _load(self, path: Path, *, ask: bool) -> paramiko.PKey:
        import paramiko  # noqa: PLC0415 - 0.1 s that only a connection needs

        try:
            return _loaded(path, None)
        except paramiko.PasswordRequiredException:
            if self.passphrase is None or not ask:
                raise AuthenticationFailed(
                    f"the key {path} needs its passphrase",
                    fix=f"`ssh-add {path}`, or run this in a terminal",
                ) from None
        except (OSError, paramiko.SSHException, ValueError) as error:
            raise AuthenticationFailed(
                f"the key {path} cannot be used",
                why=_no_key(path, error),
                fix="correct ssh.key; `ssh-keygen -t ed25519` makes a new one",
            ) from error
        try:
            return _loaded(path, self.passphrase(f"Passphrase of {path}: "))
        except (paramiko.SSHException, ValueError):
            what = f"that is not the passphrase of {path}"
            raise AuthenticationFailed(what, fix="try again") from None


@dataclass(slots=True)
class Authentication:
    """Logs one user in: every key in turn, then the password if there is one.

    `host` is the name that the user knows the machine by, `where` how messages call it.
    Paramiko's `auth_strategy`: it calls `authenticate` with a transport whose host key is checked.
    """

    user: str
    host: str
    where: str
    offers: Offers
    password: Secret | None = None
    refused: list[str] = field(default_factory=list)

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Log in. Raises `AuthenticationFailed` if nothing was let in; its `why` tells of each.

        Raises `Unreachable` if the node lets nobody in, as it is starting or going down.
        """
        missing = self._by_key(transport)
        if missing is None:
            return
        if self.password is None:
            raise self.refusal(missing)
        if not transport.is_active():
            raise self.refusal("it hung up before it could be told the password")
        self._by_password(transport, self.password)

    def _by_key(self, transport: paramiko.Transport) -> str | None:
        """Offer every key; return what is missing, None if nothing is."""
        import paramiko  # noqa: PLC0415 - loaded long before, by the connection

        for offer in self.offers.offers:
            try:
                further = transport.auth_publickey(self.user, offer.key)
            except paramiko.BadAuthenticationType as error:
                return f"it takes {_words(error.allowed_types)}, no keys"
            except paramiko.AuthenticationException:
                self.refused.append(str(offer))
                if not transport.is_active():
                    self._check_its_state(transport)
                    return _hung_up(len(self.refused))
            except paramiko.SSHException as error:
                if _NO_SIGNATURE not in str(error):
                    raise
                return f"{offer} cannot be used: the agent does not sign with it"
            else:
                return f"it wants {_words(further)} besides the key" if further else None
        return ""

    def _check_its_state(self, transport: paramiko.Transport) -> None:
        """Raise `Unreachable` if the node hung up as it lets nobody in while it starts or ends.

        sshd says so in a banner (auth2.c), in the words that systemd left for pam_nologin(8); a
        transport that is closed does not hand it out any more.
        """
        said = getattr(transport.auth_handler, "banner", None) or b""
        words = " ".join(said.decode("utf-8", "replace").split())
        if _NO_LOGIN in words:
            raise Unreachable(
                "it lets nobody in just now",
                where=self.where,
                why=f"it says: {shown(words)}",
                fix="run the same command again once it has started",
            )

    def _by_password(self, transport: paramiko.Transport, password: Secret) -> None:
        import paramiko  # noqa: PLC0415 - loaded long before, by the connection

        try:
            further = transport.auth_password(self.user, password.reveal())
        except paramiko.BadAuthenticationType as error:
            raise self.refusal(f"it takes {_words(error.allowed_types)}, no password") from None
        except paramiko.AuthenticationException:
            self.refused.append("the password")
            raise self.refusal("") from None
        if further:
            raise self.refusal(f"it wants {_words(further)} besides the password")

    def refusal(self, besides: str) -> AuthenticationFailed:
        """Return the failure: what was offered and from where, what could not be, and what else."""
        told = self.refused[:_MOST_TOLD]
        if len(self.refused) > _MOST_TOLD:
            told.append(f"{len(self.refused) - _MOST_TOLD} more")
        parts = [f"offered were {_words(told)}"] if told else []
        if not told and not besides:
            parts = ["there is no key to offer, in the agent or among the usual files"]
        parts += [besides] if besides else []
        parts += [f"not offered: {each}" for each in self.offers.withheld]
        return AuthenticationFailed(
            f"it does not let {self.user} in",
            where=self.where,
            why="; ".join(parts),
            fix=f"install the key: `ssh-copy-id {self.user}@{self.host}`, or correct ssh.user and "
            "ssh.key",
        )


def _hung_up(many: int) -> str:
    if many == 1:
        return "then it hung up"
    return (
        f"after {many} of them it hung up, as sshd does (MaxAuthTries): name the right one as "
        "ssh.key, or as IdentityFile with IdentitiesOnly"
    )


def _words(items: list[str]) -> str:
    *first, last = items or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def public_half(path: Path) -> bytes | None:
    """Return the public half of a key file, which needs no passphrase; None if it cannot be told.

    It is beside the file as .pub, or (`PROTOCOL.key` of OpenSSH) in clear in the file itself.
    """
    beside = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    for read, file in ((_of_public, beside), (_of_private, path)):
        try:
            return read(file.read_text(errors="replace"))
        except (OSError, ValueError, IndexError, struct.error, binascii.Error):
            continue
    return None


def _of_public(text: str) -> bytes:
    return base64.b64decode(text.split()[1], validate=True)


def _of_private(text: str) -> bytes:
    lines = [line for line in text.splitlines() if line and not line.startswith("-----")]
    data = base64.b64decode("".join(lines), validate=True)
    if not data.startswith(_MAGIC):
        raise ValueError("another format")
    rest = data[len(_MAGIC) :]
    for _ in ("cipher", "key derivation", "its options"):
        _, rest = _field(rest)
    return _field(rest[4:])[0]


def _field(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">I", data[:4])
    return data[4 : 4 + length], data[4 + length :]


def _in_agent(path: str) -> tuple[list[Offer], list[str]]:
    """Return what the agent has, and what is wrong with it."""
    import paramiko  # noqa: PLC0415 - 0.1 s that only a connection needs

    try:
        keys = list(_agent_keys(path))
    except (OSError, EOFError, paramiko.SSHException) as error:
        return [], [f"the agent's keys: {path} does not answer ({error})"]
    return [Offer(key, f"{key.comment or 'no comment'}, from the agent") for key in keys], []


def _agent_keys(path: str) -> Iterator[paramiko.AgentKey]:
    import paramiko  # noqa: PLC0415 - see above
    from paramiko.agent import AgentSSH  # noqa: PLC0415

    if path == os.environ.get(AGENT_OF_THE_ENVIRONMENT, ""):
        yield from paramiko.Agent().get_keys()  # on Windows there are agents without a socket
    elif path:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(path)
        agent = AgentSSH()
        agent._connect(connection)  # type: ignore[attr-defined]  # there is no other way in
        yield from agent.get_keys()


def _no_key(path: Path, error: Exception) -> str:
    """Say why a file is no key; what the library says of it is about its own innards."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    half = ": the private one has no .pub in its name" if path.suffix == ".pub" else ""
    return f"it is no private key in a form that OpenSSH reads{half}"


def _loaded(path: Path, passphrase: str | None) -> paramiko.PKey:
    import paramiko  # noqa: PLC0415 - see above

    # Paramiko hands both on to `cryptography`: the passphrase, whatever Paramiko's own types say,
    # and the error for a key that has one when none is given.
    secret: str | None = passphrase.encode() if passphrase else None  # type: ignore[assignment]
    try:
        return paramiko.PKey.from_path(str(path), secret)
    except TypeError:
        raise paramiko.PasswordRequiredException(f"{path} needs its passphrase") from None
