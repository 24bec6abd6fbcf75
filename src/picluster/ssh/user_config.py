"""What the user's own SSH configuration says of hosts.

Where there is an `ssh`, it says so itself (`ssh -G`): Include, Match, tokens and all that a release
may learn. Elsewhere Paramiko's parser is asked, and what it cannot do is named.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.errors import NodeError
from picluster.once import Once

if TYPE_CHECKING:
    from picluster.model.ssh import JumpHost

AGENT_OF_THE_ENVIRONMENT = "SSH_AUTH_SOCK"
USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_DEFAULT_PORT = 22
_LAST_PORT = 65535
_SECONDS = 20
# What OpenSSH takes for a host name; nothing else gets near a command line or a ProxyCommand.
_HOST = re.compile(r"[A-Za-z0-9_.:%\[\]][A-Za-z0-9_.:%\[\]-]*")
_DEFAULT_KEY = re.compile(r"~/\.ssh/id_(rsa|dsa|ecdsa|ed25519|xmss)(_sk)?")
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]]+\]|[^:/\s]+)(?::(?P<port>\d+))?/?"
)
_TOKEN = re.compile(r"%(.)")
_LINE = re.compile(r"\s*(\w+)(?:\s*=\s*|\s+)(.*)")
# What Paramiko's parser judges by itself; other criteria it takes for fulfilled, or fails at.
_WITHOUT_VALUE = {"all", "canonical", "final"}
_JUDGED = {*_WITHOUT_VALUE, "host", "originalhost", "user", "localuser"}

Settings = Mapping[str, Sequence[str]]
"""Keywords in small letters, and every value that applies."""


@dataclass(frozen=True, slots=True)
class SshRoute:
    """How a host is reached: where, as whom, with which keys, through what.

    `named_keys` are those of `keys` that somebody wrote down: not only the usual files. `agent` is
    the path of its socket, empty for none. `command` stands in for a connection (ProxyCommand).
    `alias` is the name under which its host key is known, where that is another. `unread` says what
    of the configuration was not understood.
    """

    host: str
    port: int
    user: str
    keys: tuple[Path, ...] = ()
    named_keys: frozenset[Path] = frozenset()
    only_keys: bool = False
    agent: str = ""
    jumps: tuple[JumpHost, ...] = ()
    command: str = ""
    known_hosts: tuple[Path, ...] = ()
    alias: str = ""
    unread: tuple[str, ...] = ()

    @property
    def pinned_as(self) -> tuple[str, int]:
        """The name and the port that its host key is known by."""
        return (self.alias, _DEFAULT_PORT) if self.alias else (self.host, self.port)


@dataclass(frozen=True, slots=True)
class UserConfig:
    """The user's configuration; each host, user and port is asked about once.

    `ssh` is the program to ask, None for the parser. `file` stands for `~/.ssh/config`.
    """

    ssh: str | None = field(default_factory=lambda: shutil.which("ssh"))
    file: Path | None = None
    _asked: Once[tuple[str, str | None, int | None], SshRoute] = field(default_factory=Once)

    def route(self, host: str, user: str | None = None, port: int | None = None) -> SshRoute:
        """Return how a host is reached; a user or a port that is given is the one.

        Raises `NodeError` if the configuration cannot be understood.
        """
        return self._asked.get((host, user, port), lambda: self._ask(host, user, port))

    def _ask(self, host: str, user: str | None, port: int | None) -> SshRoute:
        if not _HOST.fullmatch(host):
            raise NodeError(
                f"{host!r} is no name of a host", fix="correct the address in the cluster file"
            )
        if self.ssh is not None:
            return route_of(host, self._said_by_ssh(self.ssh, host, user, port))
        settings, unread = self._parsed(host)
        given = {"user": [user] if user else [], "port": [str(port)] if port else []}
        merged = {**settings, **{name: value for name, value in given.items() if value}}
        return route_of(host, merged, unread)

    def _said_by_ssh(self, ssh: str, host: str, user: str | None, port: int | None) -> Settings:
        login = ["-l", user] if user else []
        login += ["-p", str(port)] if port else []
        try:
            done = subprocess.run(
                [ssh, "-G", "-T", *self._file_option(), *login, "--", host],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_understood(host, str(error)) from None
        if done.returncode != 0:
            raise _not_understood(host, done.stderr.decode("utf-8", "replace").strip())
        return read_settings(done.stdout.decode("utf-8", "replace"))

    def _file_option(self) -> list[str]:
        """Name the file where ssh would take another: it goes by the account, not by HOME."""
        file = self.file
        if file is None:
            if Path.home() == _home_of_the_account():
                return []
            file = Path.home() / ".ssh" / "config"
        return ["-F", str(file) if file.exists() else "none"]

    def _parsed(self, host: str) -> tuple[Settings, tuple[str, ...]]:
        import paramiko  # noqa: PLC0415 - 0.1 s, which only a computer without ssh needs

        file = self.file or Path.home() / ".ssh" / "config"
        try:
            text, unread = understood(file.read_text(errors="replace"), file)
            found = paramiko.SSHConfig.from_text(text).lookup(host)
        except OSError:
            return {}, ()
        except Exception as error:  # it lets slip whatever its tokens stumble over
            raise _not_understood(host, f"{file}: {error}") from None
        lists = {k: v if isinstance(v, list) else [v] for k, v in found.items() if v is not None}
        return lists, unread


@dataclass(frozen=True, slots=True)
class WrittenLogin:
    """Who logs in on a host, and with which private key; empty where nobody wrote it down."""

    user: str = ""
    key: str = ""


def login_of(host: str, path: Path | None = None) -> WrittenLogin:
    """Return what is configured for a host, in `path` or else in `~/.ssh/config`.

    A configuration that cannot be understood says nothing here; connecting tells of that.
    """
    try:
        route = UserConfig(file=path).route(host)
    except NodeError:
        return WrittenLogin()
    named = [key for key in route.keys if key in route.named_keys]
    user = "" if route.user == getpass.getuser() else route.user
    return WrittenLogin(user, str(named[0]) if named else "")


def read_settings(text: str) -> Settings:
    """Read what `ssh -G` prints: a keyword and its value on each line."""
    settings: dict[str, list[str]] = {}
    for line in text.replace("\0", "").splitlines():  # a path with one cannot even be looked for
        name, _, value = line.partition(" ")
        settings.setdefault(name.lower(), []).append(value)
    return settings


def understood(text: str, file: Path) -> tuple[str, tuple[str, ...]]:
    """Return the lines of a configuration that Paramiko's parser understands, and what else is in.

    A section whose condition it cannot judge is left out: taken for true, it would send every host
    through a gateway that is meant for another network.
    """
    kept: list[str] = []
    unread: list[str] = []
    skipping = False
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        name, value = (match[1].lower(), match[2]) if match else ("", "")
        if name in ("host", "match"):
            strange = [] if name == "host" else [c for c in _criteria(value) if c not in _JUDGED]
            skipping = bool(strange)
            unread += [f"Match {each} (line {number} of {file})" for each in strange]
        elif name == "include":
            unread.append(f"Include (line {number} of {file})")
            continue
        if not skipping:
            kept.append(line)
    return "\n".join(kept), tuple(unread)


def _criteria(text: str) -> list[str]:
    """Return the criteria of a Match line, without their values."""
    try:
        words = shlex.split(text)
    except ValueError:
        return [text]
    found = []
    while words:
        name, equals, _ = words.pop(0).lower().lstrip("!").partition("=")
        found.append(name)
        if name not in _WITHOUT_VALUE and not equals and words:
            words.pop(0)
    return found


def route_of(host: str, settings: Settings, unread: tuple[str, ...] = ()) -> SshRoute:
    """Return what the settings for a host come to."""

    def first(name: str, default: str = "") -> str:
        return next(iter(settings.get(name, ())), default)

    user = first("user") or getpass.getuser()
    port_text = first("port", str(_DEFAULT_PORT))
    port = _port(host, port_text)
    target = first("hostname", host)
    if not _HOST.fullmatch(target) or user.startswith("-"):
        raise _not_understood(host, f"it leads to {user}@{target}")
    tokens = {
        "%": "%",
        "d": str(Path.home()),
        "h": target,
        "i": str(os.getuid()) if hasattr(os, "getuid") else "",
        "k": first("hostkeyalias", host),
        "n": host,
        "p": str(port),
        "r": user,
        "u": getpass.getuser(),
    }
    usual = [f"~/.ssh/{name}" for name in USUAL_KEYS]
    keys = [name for name in settings.get("identityfile", usual) if name.lower() != "none"]
    named = [name for name in keys if not _DEFAULT_KEY.fullmatch(name)]
    jump = first("proxyjump", "none")
    command = first("proxycommand", "none")
    hosts = [*first("userknownhostsfile").split(), *first("globalknownhostsfile").split()]
    return SshRoute(
        target,
        port,
        user,
        keys=tuple(_path(name, tokens) for name in keys),
        named_keys=frozenset(_path(name, tokens) for name in named),
        only_keys=first("identitiesonly", "no").lower() in ("yes", "true"),
        agent=_agent(first("identityagent", AGENT_OF_THE_ENVIRONMENT), tokens),
        jumps=() if jump.lower() == "none" else tuple(_hop(host, hop) for hop in jump.split(",")),
        command="" if command.lower() == "none" else _expanded(command, tokens),
        known_hosts=tuple(_path(name, tokens) for name in hosts if name.lower() != "none"),
        alias=first("hostkeyalias"),
        unread=unread,
    )


def _hop(host: str, text: str) -> JumpHost:
    match = _JUMP.fullmatch(text.strip())
    name = match["host"].strip("[]") if match else ""
    if match is None or not _HOST.fullmatch(name):
        raise _not_understood(host, f"ProxyJump {text} is no host")
    from picluster.model.ssh import JumpHost  # noqa: PLC0415 - 0.1 s, which few routes need

    return JumpHost(name, match["user"], _port(host, match["port"]) if match["port"] else None)


def _port(host: str, text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) <= _LAST_PORT:
        raise _not_understood(host, f"Port {text} is no port")
    return int(text)


def _agent(text: str, tokens: Mapping[str, str]) -> str:
    if text.lower() == "none":
        return ""
    if text == AGENT_OF_THE_ENVIRONMENT:
        return os.environ.get(AGENT_OF_THE_ENVIRONMENT, "")
    if text.startswith("$"):
        return os.environ.get(text[1:].strip("{}"), "")
    return str(_path(text, tokens))


def _path(text: str, tokens: Mapping[str, str]) -> Path:
    """Expand a path; what the account's home holds is looked for in HOME, as everything here is."""
    path = Path(_expanded(text.strip('"'), tokens))
    if path.parts[:1] == ("~",):
        return Path.home().joinpath(*path.parts[1:])
    account = _home_of_the_account()
    if path.parent == account / ".ssh" and path.name.startswith("known_hosts"):
        return Path.home() / ".ssh" / path.name
    return Path(os.path.expanduser(path))  # noqa: PTH111 - it does not raise for a stranger's


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    return _TOKEN.sub(lambda match: tokens.get(match[1], match[0]), text)


def _home_of_the_account() -> Path:
    try:
        import pwd  # noqa: PLC0415 - not everywhere

        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except (ImportError, KeyError):
        return Path.home()


def _not_understood(host: str, why: str) -> NodeError:
    return NodeError(
        "its way in ~/.ssh/config cannot be understood",
        where=host,
        why=why,
        fix=f"correct that file until `ssh -G {host}` says how to reach it",
    )
