"""sshd refuses passwords: switched off only while a way back is armed on the node itself."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.pool import Sessions
from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Call, Change, Decision, Progress, Satisfied, Script
from picluster.engine.survey import Look
from picluster.errors import ActionFailed, NodeError
from picluster.steps.access.login import ByKey

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
_RELOAD = "systemctl reload ssh 2>/dev/null || systemctl reload sshd"


@dataclass(frozen=True, slots=True)
class PasswordLoginOff:
    """Nobody logs in by password, and the key is known to work without it."""

    node: str
    sessions: Sessions
    by_key: ByKey
    name: str = "password-login-off"
    title: str = "nobody logs in by password"

    def probe(self) -> Script:
        """Ask sshd what is in force, and whether it reads the directory."""
        return Script(
            'sshd -T 2>/dev/null | awk \'$1 == "passwordauthentication" || '
            '$1 == "kbdinteractiveauthentication" { print $1 "=" $2 }\'\n'
            "grep -qiE '^[[:space:]]*Include[[:space:]]+.*sshd_config\\.d' /etc/ssh/sshd_config "
            f"&& echo included=yes\ncmp -s {FILE} - <<'END' && echo written=yes\n{TEXT}END\ntrue"
        )

    def decide(self, look: Look) -> Decision:
        """Want both ways to ask for a password closed."""
        facts = look.own.facts
        passwords = facts.get("passwordauthentication"), facts.get("kbdinteractiveauthentication")
        if passwords == ("no", "no"):
            return Satisfied()
        if facts.get("included") != "yes":
            return Blocked(
                "/etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf",
                "add `Include /etc/ssh/sshd_config.d/*.conf` at its top, or set "
                "`PasswordAuthentication no` yourself",
            )
        if facts.get("written") == "yes":
            return Blocked(
                f"{FILE} says no, and sshd still takes passwords",
                "an earlier line wins: `grep -ri passwordauthentication /etc/ssh` on the node",
            )
        return Change(
            "refuse logins by password, and prove that the key still works",
            (Call("switching password logins off", self._switch_off),),
            reason="passwords are let in",
            retry_safe=True,
        )

    def _switch_off(self, progress: Progress) -> None:
        self._run(arming(_REVERT_AFTER))
        progress.report("logging in by key, while the way back is armed")
        try:
            self.by_key(self.node).close()
        except NodeError as error:
            self._run(_REVERT)
            raise ActionFailed(
                "password logins were switched on again: the key alone is not let in",
                where=self.node,
                why=error.why or error.what,
                fix="`picluster phase bootstrap` with ssh.password installs the key",
            ) from error
        self._run(_KEPT)

    def _run(self, script: str) -> None:
        done = self.sessions.get(self.node).run(script, timeout=_SECONDS)
        if done.status != 0:
            said = done.err.decode("utf-8", "replace").strip()
            raise ActionFailed(
                "sshd's settings were not changed",
                where=self.node,
                why=said,
                fix="`sshd -t` on it says what is wrong with /etc/ssh/sshd_config",
            )


# A connection that is lost between the change and its proof leaves a node that takes passwords.
_REVERT = f"rm -f {FILE}; {_RELOAD}"


def arming(seconds: int) -> str:
    """Return shell that refuses passwords, and allows them again after that time unless stopped."""
    return f"""
set -e
part=$(mktemp /etc/ssh/.picluster-sshd.XXXXXX)
trap 'rm -f "$part"' EXIT
printf %s {quote(TEXT)} >"$part"
chmod 0644 "$part"
systemctl stop {_UNIT}.timer 2>/dev/null || true
systemctl reset-failed {_UNIT}.service 2>/dev/null || true
systemd-run -q --unit={_UNIT} --on-active={seconds} sh -c {quote(_REVERT)}
mv "$part" {FILE}
if ! sshd -t; then rm -f {FILE}; systemctl stop {_UNIT}.timer; exit 1; fi
{_RELOAD}
"""


_KEPT = f"""
set -e
sshd -T | grep -qx 'passwordauthentication no' || {{
  {_REVERT}
  echo "sshd still takes passwords: an earlier line of its configuration wins" >&2
  exit 1
}}
systemctl stop {_UNIT}.timer
"""
