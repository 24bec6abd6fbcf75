"""Who may speak to the registry: one user, whose password reaches nodes only inside files."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import bcrypt

from picluster.engine.place import Place
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.step import Change, Decision, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.errors import ConfigInvalid
from picluster.secret import Secret, remember
from picluster.steps.files import absent, send_file
from picluster.steps.registry import paths

USERS = "registry-users"

_PRIVATE = 0o600
_LONGEST = 72  # bytes; bcrypt does not look further
# Every request of a pull is checked anew, on a Pi: this is what htpasswd itself uses.
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and its password."""

    username: str
    password: Secret

    @property
    def header(self) -> Secret:
        """The value of an HTTP `Authorization` header."""
        pair = f"{self.username}:{self.password.reveal()}".encode()
        return Secret(f"Basic {base64.b64encode(pair).decode()}")


def credentials(
    username: str | None, password: Secret | None, where: str = "registry.password"
) -> Credentials | None:
    """Return what the registry asks for; None if it asks for nothing.

    Raises `ConfigInvalid` for a password that bcrypt or HTTP cannot take; it is never shown.
    """
    if username is None or password is None:
        return None
    text = password.reveal()
    if len(text.encode()) > _LONGEST or not text.isprintable():
        raise ConfigInvalid(
            "the password of a registry cannot be used",
            where=where,
            why=f"it is longer than {_LONGEST} bytes"
            if text.isprintable()
            else "it has a line break or another control character",
            fix=f"choose one of at most {_LONGEST} bytes, on one line",
        )
    remember(curl_quoted(text))
    return Credentials(username, password)


def curl_quoted(text: str) -> str:
    """Return a text as a quoted value of a curl configuration file."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def new_line(wanted: Credentials) -> str:
    """Return a line of an htpasswd file; another one each time, as bcrypt salts it."""
    digest = bcrypt.hashpw(wanted.password.reveal().encode(), bcrypt.gensalt(_ROUNDS))
    return f"{wanted.username}:{digest.decode()}\n"


def lets_in(line: str, wanted: Credentials) -> bool:
    """Whether a line of an htpasswd file is for this user and this password."""
    user, _, digest = line.strip().partition(":")
    try:
        right = bcrypt.checkpw(wanted.password.reveal().encode(), digest.encode())
    except ValueError:
        return False
    return user == wanted.username and right


@dataclass(frozen=True, slots=True)
class KnownUsers:
    """Who may read the file of users, and its lines; no access where there is no file."""

    access: str = ""
    lines: tuple[str, ...] = ()


def _known_users(seen: Observation) -> KnownUsers:
    access, *lines = seen.lines or [""]
    return KnownUsers(access, tuple(lines))


KNOWN_USERS = ShellProbe(
    USERS,
    f"[ ! -e {paths.HTPASSWD} ] || "
    f"{{ stat -c '%a %U:%G' {paths.HTPASSWD}; cat {paths.HTPASSWD}; }}",
    _known_users,
    secret=True,
)


@dataclass(frozen=True, slots=True)
class SendUsers:
    """Let this user in and nobody else, by a new hash of the password."""

    wanted: Credentials
    title: str = "sending the registry's users"

    def perform(self, place: Place) -> None:
        """Send the file. Raises `ActionFailed`."""
        line = Secret.around(new_line(self.wanted))
        send_file(place.sessions, place.target, WriteFile(paths.HTPASSWD, line, _PRIVATE))


@dataclass(frozen=True, slots=True)
class Users:
    """The registry knows one user, by a hash of the password; without `wanted` there is no file."""

    wanted: Credentials | None
    name: str = USERS

    @property
    def title(self) -> str:
        return f"the registry knows {self.wanted.username}" if self.wanted else "it has no users"

    def probe(self) -> ShellProbe[KnownUsers]:
        return KNOWN_USERS

    def decide(self, look: Look) -> Decision:
        known = look.read(KNOWN_USERS)
        if self.wanted is None:
            reason = "the file has no registry.username"
            return absent(paths.HTPASSWD, present=bool(known.access), reason=reason)
        right = len(known.lines) == 1 and lets_in(known.lines[0], self.wanted)
        if right and known.access == "600 root:root":
            return Satisfied()
        return Change(
            f"write {paths.HTPASSWD} (only root can read it)",
            (SendUsers(self.wanted),),
            reason=self._reason(known.access, right=right),
        )

    def _reason(self, access: str, *, right: bool) -> str:
        if not access:
            return "it is missing"
        return f"its mode and owner are {access}" if right else "user or password differ"
