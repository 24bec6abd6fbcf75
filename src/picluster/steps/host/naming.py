"""The machine's own name, time zone and locale."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Diff, Run, Satisfied, Script, WriteFile
from picluster.engine.survey import Look
from picluster.steps.host.text import decoded

HOSTNAME = "hostname"
HOSTNAME_FILE = "/etc/hostname"
CLOUD_INIT = "cloud-init"
CLOUD_INIT_FILE = "/etc/cloud/cloud.cfg.d/99-picluster.cfg"


@dataclass(frozen=True, slots=True)
class CloudInitLeavesNames:
    """cloud-init, where it is installed, undoes none of our names at the next boot.

    `keep_hostname` says whether the host name is ours too, besides /etc/hosts.
    """

    keep_hostname: bool
    name: str = CLOUD_INIT
    title: str = "cloud-init leaves names alone"

    def probe(self) -> Script:
        """See whether it is installed, and what it is told."""
        return Script(
            "[ -d /etc/cloud/cloud.cfg.d ] || exit 0\n"
            "echo installed=yes\n"
            f'[ ! -e {CLOUD_INIT_FILE} ] || echo "text=$(base64 -w0 <{CLOUD_INIT_FILE})"'
        )

    def decide(self, look: Look) -> Decision:
        """Want our drop-in there if cloud-init is."""
        facts = look.own.facts
        present = decoded(facts.get("text", ""))
        if facts.get("installed") != "yes" or present == self._wanted:
            return Satisfied()
        return Change(
            f"write {CLOUD_INIT_FILE}",
            (WriteFile(CLOUD_INIT_FILE, self._wanted),),
            reason="cloud-init would set names back at boot",
            diff=Diff(present, self._wanted),
            retry_safe=True,
        )

    @property
    def _wanted(self) -> str:
        hostname = "preserve_hostname: true\n" if self.keep_hostname else ""
        return f"# Written by picluster.\n{hostname}manage_etc_hosts: false\n"


@dataclass(frozen=True, slots=True)
class Hostname:
    """The machine is called by its node name, now and after a reboot.

    It comes after the hosts file: sudo looks up the machine's name, and is slow if it cannot.
    """

    host: str
    name: str = HOSTNAME

    @property
    def title(self) -> str:
        """State what is true."""
        return f"the host name is {self.host}"

    def probe(self) -> Script:
        """Print the name in force, and the one after a reboot."""
        return Script(
            'echo "now=$(cat /proc/sys/kernel/hostname)"\n'
            f"echo \"boot=$(sed -n '/^[^#]/{{p;q}}' {HOSTNAME_FILE} 2>/dev/null)\""
        )

    def decide(self, look: Look) -> Decision:
        """Want both names."""
        facts = look.own.facts
        now, boot = facts.get("now", ""), facts.get("boot", "").strip()
        if now == boot == self.host:
            return Satisfied()
        return Change(
            f"set the host name to {self.host}",
            (
                WriteFile(HOSTNAME_FILE, f"{self.host}\n"),
                Run(f"hostname {quote(self.host)}"),
            ),
            reason=f"it is {now or 'unknown'}"
            if now != self.host
            else f"it would be {boot or 'nothing'} after a reboot",
            retry_safe=True,
        )


@dataclass(frozen=True, slots=True)
class Timezone:
    """The machine's time zone, for its logs and timers."""

    zone: str
    name: str = "timezone"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"the time zone is {self.zone}"

    def probe(self) -> Script:
        """Print where /etc/localtime leads, and whether the zone is known here."""
        return Script(
            'echo "zone=$(readlink -f /etc/localtime | sed s,.*/zoneinfo/,,)"\n'
            f'echo "wanted=$(readlink -f /usr/share/zoneinfo/{quote(self.zone)} '
            '| sed s,.*/zoneinfo/,,)"'
        )

    def decide(self, look: Look) -> Decision:
        """Want the zone, whichever of its names it goes by."""
        facts = look.own.facts
        if facts.get("zone") in (self.zone, facts.get("wanted")):
            return Satisfied()
        zone = quote(self.zone)
        return Change(
            f"set the time zone to {self.zone}",
            (
                Run(
                    f"[ -e /usr/share/zoneinfo/{zone} ] || "
                    f'{{ echo "this system knows no time zone "{zone} >&2; exit 1; }}\n'
                    f"ln -sfn /usr/share/zoneinfo/{zone} /etc/localtime\n"
                    f"printf '%s\\n' {zone} >/etc/timezone"
                ),
            ),
            reason=f"it is {facts.get('zone') or 'not set'}",
            retry_safe=True,
        )


@dataclass(frozen=True, slots=True)
class SystemLocale:
    """The machine's locale is generated and the default."""

    locale: str
    name: str = "locale"

    @property
    def title(self) -> str:
        """State what is true."""
        return f"the locale is {self.locale}"

    def probe(self) -> Script:
        """Print the default, and the generated locales."""
        return Script(
            "sed -n 's/^LANG=\"\\{0,1\\}\\([^\"]*\\).*/lang=\\1/p' "
            "/etc/default/locale /etc/locale.conf 2>/dev/null\n"
            "locale -a 2>/dev/null | sed 's/^/known=/'"
        )

    def decide(self, look: Look) -> Decision:
        """Want it generated, and the default; `locale -a` spells UTF-8 as utf8."""
        known = {line.removeprefix("known=") for line in look.own.lines}
        spelt = self.locale.replace("UTF-8", "utf8")
        generated = self.locale in known or spelt in known or is_built_in(self.locale)
        if generated and f"lang={self.locale}" in look.own.lines:
            return Satisfied()
        return Change(
            f"set the locale to {self.locale}",
            (Run(_localise(self.locale), timeout=900),),
            reason="it is not the default" if generated else "it is not generated",
            retry_safe=True,
        )


def is_built_in(locale: str) -> bool:
    """Whether the C library has the locale without generating it."""
    return locale in ("C", "POSIX") or locale.upper() in ("C.UTF-8", "C.UTF8")


def _localise(locale: str) -> str:
    name = quote(locale)
    if is_built_in(locale):
        generate = ""
    else:
        charset = locale.partition(".")[2].partition("@")[0] or "ISO-8859-1"
        entry = quote(f"{locale} {charset}")
        generate = f"""
grep -qxF {entry} /etc/locale.gen 2>/dev/null || printf '%s\\n' {entry} >>/etc/locale.gen
locale-gen
"""
    return f"""{generate}
[ ! -e /etc/default/locale ] || sed -i --follow-symlinks '/^LANG=/d' /etc/default/locale
printf 'LANG=%s\\n' {name} >>/etc/default/locale
"""
