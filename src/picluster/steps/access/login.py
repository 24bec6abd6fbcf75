"""The user who logs in may do so by key, and becomes root without a password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.pool import Sessions
from picluster.engine.quote import quote
from picluster.engine.session import Session
from picluster.engine.step import Call, Change, Decision, Progress, Run, Satisfied, Script
from picluster.engine.survey import Look
from picluster.errors import ActionFailed, NodeError
from picluster.steps.access.own_key import public_key

ByKey = Callable[[str], Session]
"""Opens another connection to a node, by key and never by password. Raises a `NodeError`."""

# Scripts run as root; sudo says who logged in.
WHO = """
user=${SUDO_USER:-root}
home=$(getent passwd "$user" | cut -d: -f6)
"""
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KeyInstalled:
    """The user's authorized_keys has this computer's key; every other line stays as it is."""

    node: str
    key: Path
    sessions: Sessions
    by_key: ByKey
    name: str = "key-installed"
    title: str = "the key is let in"

    def probe(self) -> Script:
        """Look for the key among the lines that are no comments."""
        if not self.key.exists():
            return Script("echo known=no")
        public = quote(public_key(self.key))
        return Script(
            f"{WHO}"
            "grep -v '^[[:space:]]*#' \"$home/.ssh/authorized_keys\" 2>/dev/null "
            f"| grep -qF -- {public} && echo installed=yes\ntrue"
        )

    def decide(self, look: Look) -> Decision:
        """Want it there."""
        facts = look.own.facts
        if facts.get("installed") == "yes":
            return Satisfied()
        return Change(
            f"install the key {self.key} for the user who logs in",
            (Call("installing the key", self._install),),
            reason="it is not made yet" if facts.get("known") == "no" else "it is not installed",
            retry_safe=True,
        )

    def _install(self, progress: Progress) -> None:
        done = self.sessions.get(self.node).run(_installing(public_key(self.key)), timeout=_SECONDS)
        if done.status != 0:
            said = done.err.decode("utf-8", "replace").strip()
            raise ActionFailed(
                "the key cannot be installed",
                where=self.node,
                why=said,
                fix="is the disk full, or ~/.ssh not the user's own?",
            )
        progress.report("logging in with it")
        try:
            self.by_key(self.node).close()
        except NodeError as error:
            raise ActionFailed(
                "the key was installed, and is not let in",
                where=self.node,
                why=error.why or error.what,
                fix="look at AuthorizedKeysFile and PubkeyAuthentication in `sshd -T`, and at who "
                "may write to the user's home",
            ) from error


def _installing(public: str) -> str:
    """Return shell that adds a line as the user, who may not be root: it is the user's file."""
    line = quote(f"{public} picluster")
    return f"""{WHO}
[ -d "$home" ] || {{ echo "$user has no home directory" >&2; exit 1; }}
runuser -u "$user" -- env HOME="$home" sh -ec '
  umask 077
  mkdir -p "$HOME/.ssh"
  file=$HOME/.ssh/authorized_keys
  if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi
  printf "%s\\n" "$1" >>"$file"
' sh {line}
"""


@dataclass(frozen=True, slots=True)
class SudoWithoutPassword:
    """sudo does not ask the user who logs in: judged by trying it, whatever allows it."""

    name: str = "sudo-without-password"
    title: str = "sudo asks for no password"

    def probe(self) -> Script:
        """Try it, as that user and without what sudo remembers of an earlier password."""
        return Script(
            f'{WHO}[ "$user" = root ] || runuser -u "$user" -- sudo -k -n true 2>/dev/null '
            "|| echo asks=yes\ntrue"
        )

    def decide(self, look: Look) -> Decision:
        """Want it not to ask."""
        if look.own.facts.get("asks") != "yes":
            return Satisfied()
        return Change(
            "let the user who logs in use sudo without a password (/etc/sudoers.d)",
            (Run(_ALLOWING),),
            reason="it asks for one",
            retry_safe=True,
        )


# sudo skips files with a dot in their name. A file that is wrong would lock everybody out of sudo:
# it is checked before it is in the directory, and all of them together afterwards.
_ALLOWING = f"""{WHO}
file=/etc/sudoers.d/010-picluster-$(printf %s "$user" | tr -c 'A-Za-z0-9_-' _)
part=$(mktemp /etc/.picluster-sudoers.XXXXXX)
trap 'rm -f "$part"' EXIT
name=$(printf %s "$user" | sed 's/[^A-Za-z0-9_.-]/\\\\&/g')
printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\\n' "$name" >"$part"
chmod 0440 "$part"
visudo -c -q -f "$part"
mkdir -p -m 0750 /etc/sudoers.d
mv "$part" "$file"
if ! visudo -c -q; then rm -f "$file"; exit 1; fi
if ! runuser -u "$user" -- sudo -k -n true; then
  rm -f "$file"
  echo "a rule of another file wins, or /etc/sudoers does not include /etc/sudoers.d" >&2
  exit 1
fi
"""
