"""sshd refuses passwords: switched off only while a way back is armed on the node itself."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.place import Place
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.step import Blocked, Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.errors import ActionFailed, NodeError
from picluster.steps.access.login import KeyLogin

FILE = "/etc/ssh/sshd_config.d/00-picluster.conf"
"""sshd takes the first value that it reads, and reads these files by name."""
TEXT = """\
# Managed by picluster (bootstrap.disable_password_login); delete it to allow passwords again.
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
_SECONDS = 60.0
_REVERT_AFTER = 120
_UNIT = "picluster-sshd-revert"
# A connection that is lost between the change and its proof leaves a node that takes passwords.
_REVERT = f"rm -f {FILE}; systemctl reload ssh 2>/dev/null || systemctl reload sshd"


@dataclass(frozen=True, slots=True)
class PasswordLogins:
    """Whether sshd takes passwords, reads its directory of files, and has ours in it."""

    allowed: bool
    directory_read: bool
    refused_by_us: bool


def _parse(seen: Observation) -> PasswordLogins:
    ways = (seen.text(f"{way}authentication", "") for way in ("password", "kbdinteractive"))
    return PasswordLogins(
        any(way != "no" for way in ways), seen.flag("included"), seen.flag("written")
    )


PASSWORD_LOGINS = ShellProbe(
    "password-login-off",
    'sshd -T 2>/dev/null | awk \'$1 == "passwordauthentication" || '
    '$1 == "kbdinteractiveauthentication" { print $1 "=" $2 }\'\n'
    "grep -qiE '^[[:space:]]*Include[[:space:]]+.*sshd_config\\.d' /etc/ssh/sshd_config "
    f"&& echo included=yes\ncmp -s {FILE} - <<'END' && echo written=yes\n{TEXT}END\ntrue",
    _parse,
)


@dataclass(frozen=True, slots=True)
class RefusePasswords:
    """Have sshd refuse passwords, log in by key to prove that it works, and only then keep it."""

    title: str = "switching password logins off"

    def perform(self, place: Place) -> None:
        """Do it, or leave the node as it was. Raises `ActionFailed`."""
        _run(place, arming(_REVERT_AFTER))
        place.progress.report("logging in by key, while the way back is armed")
        try:
            place.tools.get(KeyLogin).open(place.target).close()
        except NodeError as error:
            _run(place, _REVERT)
            raise ActionFailed(
                "password logins were switched on again: the key alone is not let in",
                where=place.target,
                why=error.why or error.what,
                fix="`picluster phase bootstrap` with ssh.password installs the key",
            ) from error
        _run(place, shell(__package__, "keep_passwords_refused", REVERT=_REVERT, UNIT=_UNIT))


def _run(place: Place, script: str) -> None:
    done = place.sessions.get(place.target).run(script, timeout=_SECONDS)
    if done.status != 0:
        raise ActionFailed(
            "sshd's settings could not be changed",
            where=place.target,
            why=done.errors,
            fix="`sshd -t` on it says what is wrong with /etc/ssh/sshd_config",
        )


def arming(seconds: int) -> str:
    """Return shell that refuses passwords, and allows them again after that time unless stopped."""
    return shell(
        __package__,
        "refuse_passwords",
        FILE=FILE,
        TEXT=TEXT,
        UNIT=_UNIT,
        REVERT=_REVERT,
        SECONDS_TO_PROVE_IT=seconds,
    )


@dataclass(frozen=True, slots=True)
class PasswordLoginOff:
    """Nobody logs in by password, and the key is known to work without it."""

    name: str = PASSWORD_LOGINS.name
    title: str = "nobody logs in by password"

    def probe(self) -> ShellProbe[PasswordLogins]:
        return PASSWORD_LOGINS

    def decide(self, look: Look) -> Decision:
        logins = look.read(PASSWORD_LOGINS)
        if not logins.allowed:
            return Satisfied()
        if not logins.directory_read:
            return Blocked(
                "/etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf",
                "add `Include /etc/ssh/sshd_config.d/*.conf` at its top, or set "
                "`PasswordAuthentication no` yourself",
            )
        if logins.refused_by_us:
            return Blocked(
                f"{FILE} says no, and sshd still takes passwords",
                "an earlier line wins: `grep -ri passwordauthentication /etc/ssh` on the node",
            )
        return Change(
            "refuse logins by password, and prove that the key still works",
            (RefusePasswords(),),
            reason="passwords are let in",
        )
