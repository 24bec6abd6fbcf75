"""The user who logs in may do so by key, and becomes root without a password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place
from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.session import Session
from picluster.engine.shell import shell
from picluster.engine.step import Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.errors import ActionFailed, NodeError
from picluster.steps.access.own_key import public_key

WHO = shell(__package__, "who")
"""Shell that says who logged in, as `$user`, and where that user's home is, as `$home`."""

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KeyLogin:
    """A tool: opens another connection to a node by key, never by password."""

    open: Callable[[str], Session]
    """Raises a `NodeError` that says why the node does not let the key in."""


@dataclass(frozen=True, slots=True)
class InstallKey:
    """Add the public half of a key to the user's authorized_keys, and log in with it."""

    key: Path
    title: str = "installing the key"

    def perform(self, place: Place) -> None:
        """Install it and prove that it is let in. Raises `ActionFailed`."""
        line = f"{public_key(self.key)} picluster"
        script = shell(__package__, "who", "install_key", LINE=line)
        done = place.sessions.get(place.target).run(script, timeout=_SECONDS)
        if done.status != 0:
            raise ActionFailed(
                "the key cannot be installed",
                where=place.target,
                why=done.errors,
                fix="is the disk full, or ~/.ssh not the user's own?",
            )
        place.progress.report("logging in with it")
        try:
            place.tools.get(KeyLogin).open(place.target).close()
        except NodeError as error:
            raise ActionFailed(
                "the key was installed, and is not let in",
                where=place.target,
                why=error.why or error.what,
                fix="look at AuthorizedKeysFile and PubkeyAuthentication in `sshd -T`, and at who "
                "may write to the user's home",
            ) from error


@dataclass(frozen=True, slots=True)
class KeyInstalled:
    """The user's authorized_keys has this computer's key; every other line stays as it is."""

    key: Path
    name: str = "key-installed"
    title: str = "the key is let in"

    def probe(self) -> ShellProbe[bool]:
        public = quote(public_key(self.key)) if self.key.exists() else ""
        look = (
            f"{WHO}"
            "grep -v '^[[:space:]]*#' \"$home/.ssh/authorized_keys\" 2>/dev/null "
            f"| grep -qF -- {public} && echo installed=yes\ntrue"
        )
        return ShellProbe(self.name, look if public else "", lambda seen: seen.flag("installed"))

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()):
            return Satisfied()
        return Change(
            f"install the key {self.key} for the user who logs in",
            (InstallKey(self.key),),
            reason="it is not installed" if self.key.exists() else "it is not made yet",
        )


SUDO_ASKS = ShellProbe(
    "sudo-without-password",
    f'{WHO}[ "$user" = root ] || runuser -u "$user" -- sudo -k -n true 2>/dev/null '
    "|| echo asks=yes\ntrue",
    lambda seen: seen.flag("asks"),
)
"""Whether sudo asks for a password: tried as the user, without what sudo remembers of one."""

ALLOW_SUDO = Run(shell(__package__, "who", "allow_sudo"))


@dataclass(frozen=True, slots=True)
class SudoWithoutPassword:
    """sudo does not ask the user who logs in: judged by trying it, whatever allows it."""

    name: str = SUDO_ASKS.name
    title: str = "sudo asks for no password"

    def probe(self) -> ShellProbe[bool]:
        return SUDO_ASKS

    def decide(self, look: Look) -> Decision:
        if not look.read(SUDO_ASKS):
            return Satisfied()
        return Change(
            "let the user who logs in use sudo without a password (/etc/sudoers.d)",
            (ALLOW_SUDO,),
            reason="it asks for one",
        )
