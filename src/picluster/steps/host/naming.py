"""The machine's own name, time zone and locale."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Run, Satisfied, Script, WriteFile
from picluster.engine.survey import Look

HOSTNAME = "hostname"
CLOUD_INIT_FILE = "/etc/cloud/cloud.cfg.d/99-picluster.cfg"
_CLOUD_INIT = "# Written by picluster.\npreserve_hostname: true\nmanage_etc_hosts: false\n"


@dataclass(frozen=True, slots=True)
class Hostname:
    """The machine is called by its node name, now and after a reboot.

    K3s takes the node's name from it, and cloud-init would set it back at every boot.
    """

    host: str
    name: str = HOSTNAME

    @property
    def title(self) -> str:
        """State what is true."""
        return f"the host name is {self.host}"

    def probe(self) -> Script:
        """Print the name in force, the one after a reboot, and what cloud-init is told."""
        return Script(
            'echo "now=$(cat /proc/sys/kernel/hostname)"\n'
            'echo "boot=$(head -n 1 /etc/hostname 2>/dev/null)"\n'
            'echo "own=$(grep -c "^127\\.0\\.1\\.1[[:space:]]" /etc/hosts)"\n'
            f"[ ! -d /etc/cloud/cloud.cfg.d ] || grep -qs '^preserve_hostname: true' "
            f"{CLOUD_INIT_FILE} || echo cloud_init=yes"
        )

    def decide(self, look: Look) -> Decision:
        """Want both names, and cloud-init to leave them alone."""
        facts = look.own.facts
        actions: list[Run | WriteFile] = []
        reasons = []
        if (facts.get("now"), facts.get("boot")) != (self.host, self.host):
            actions.append(Run(_rename(self.host)))
            reasons.append(f"it is {facts.get('now') or 'unknown'}")
        if facts.get("cloud_init") == "yes":
            actions.append(WriteFile(CLOUD_INIT_FILE, _CLOUD_INIT))
            reasons.append("cloud-init would set it back at boot")
        if not actions:
            return Satisfied()
        return Change(
            f"set the host name to {self.host}",
            tuple(actions),
            reason="; ".join(reasons),
            retry_safe=True,
        )


def _rename(host: str) -> str:
    """Return shell that renames the machine; its own line in /etc/hosts follows, for sudo."""
    name = quote(host)
    return f"""
printf '%s\\n' {name} >/etc/hostname
hostname {name}
if grep -q '^127\\.0\\.1\\.1[[:space:]]' /etc/hosts; then
  copy=$(sed "s/^127\\.0\\.1\\.1[[:space:]].*/127.0.1.1\\t"{name}"/" /etc/hosts)
  printf '%s\\n' "$copy" >/etc/hosts.picluster-new
  chmod 644 /etc/hosts.picluster-new
  mv -f /etc/hosts.picluster-new /etc/hosts
fi
"""


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
        generated = self.locale in known or spelt in known or self.locale.startswith("C")
        if generated and f"lang={self.locale}" in look.own.lines:
            return Satisfied()
        return Change(
            f"set the locale to {self.locale}",
            (Run(_localise(self.locale), timeout=900),),
            reason="it is not the default" if generated else "it is not generated",
            retry_safe=True,
        )


def _localise(locale: str) -> str:
    name = quote(locale)
    charset = quote(f"{locale} {locale.partition('.')[2] or 'ISO-8859-1'}")
    return f"""
case {name} in C*) ;; *)
  grep -qxF {charset} /etc/locale.gen 2>/dev/null || printf '%s\\n' {charset} >>/etc/locale.gen
  locale-gen
esac
printf 'LANG=%s\\n' {name} >/etc/default/locale
"""
