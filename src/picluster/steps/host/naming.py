"""The machine's own name, time zone and locale."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Run, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.names import (
    HOST_NAME,
    HOSTNAME_FILE,
    LOCALES,
    HostName,
    Locales,
    Zone,
    time_zone,
)


@dataclass(frozen=True, slots=True)
class Hostname:
    """The machine is called by its node name, now and after a reboot.

    It comes after the hosts file: sudo looks up the machine's name, and is slow if it cannot.
    """

    host: str
    name: str = HOST_NAME.name

    @property
    def title(self) -> str:
        return f"the host name is {self.host}"

    def probe(self) -> ShellProbe[HostName]:
        return HOST_NAME

    def decide(self, look: Look) -> Decision:
        host = look.read(HOST_NAME)
        if host.now == host.at_boot == self.host:
            return Satisfied()
        return Change(
            f"set the host name to {self.host}",
            (WriteFile(HOSTNAME_FILE, f"{self.host}\n"), Run(f"hostname {quote(self.host)}")),
            reason=f"it is {host.now or 'unknown'}"
            if host.now != self.host
            else f"it would be {host.at_boot or 'nothing'} after a reboot",
        )


@dataclass(frozen=True, slots=True)
class Timezone:
    """The machine's time zone, for its logs and timers."""

    zone: str
    name: str = "timezone"

    @property
    def title(self) -> str:
        return f"the time zone is {self.zone}"

    def probe(self) -> ShellProbe[Zone]:
        return time_zone(self.zone)

    def decide(self, look: Look) -> Decision:
        """Want the zone, whichever of its names it goes by."""
        found = look.read(self.probe())
        if found.zone in (self.zone, found.wanted):
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
            reason=f"it is {found.zone or 'not set'}",
        )


@dataclass(frozen=True, slots=True)
class SystemLocale:
    """The machine's locale is generated and the default."""

    locale: str
    name: str = "locale"

    @property
    def title(self) -> str:
        return f"the locale is {self.locale}"

    def probe(self) -> ShellProbe[Locales]:
        return LOCALES

    def decide(self, look: Look) -> Decision:
        """Want it generated, and the default; `locale -a` spells UTF-8 as utf8."""
        locales = look.read(LOCALES)
        spellings = {self.locale, self.locale.replace("UTF-8", "utf8")}
        generated = is_built_in(self.locale) or not spellings.isdisjoint(locales.generated)
        if generated and self.locale in locales.default:
            return Satisfied()
        return Change(
            f"set the locale to {self.locale}",
            (Run(_localise(self.locale), timeout=900),),
            reason="it is not the default" if generated else "it is not generated",
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
