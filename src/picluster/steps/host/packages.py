"""Debian packages, installed in one apt transaction that survives whatever interrupts it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.causes import packages as causes
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Run, Satisfied, Script
from picluster.engine.survey import Look

PACKAGES = "packages"

K3S_NEEDS = ("socat", "conntrack", "ipset", "open-iscsi", "nfs-common")
"""What K3s and Longhorn want on a node: https://longhorn.io/docs/ lists the last two."""

STAND_INS = {"systemd-timesyncd": ("chrony", "ntpsec", "ntp", "openntpd")}
"""Packages, and units of the same names, that another one would remove, as they do its work."""

_LOCK_SECONDS = 600
_APT_SECONDS = 3600.0

# dpkg notes unfinished work in /var/lib/dpkg/updates, under names of digits only; `--audit` lists
# what was unpacked and never configured. Fetching lists always touches lists/partial, even when
# every list turns out to be current; apt's pkgcache.bin is no witness, as installing touches it.
_PROBE = """
dpkg-query -W -f='have=${{db:Status-Status}} ${{Package}}\\n' {packages} 2>/dev/null
[ -z "$(dpkg --audit 2>/dev/null)" ] && ! ls /var/lib/dpkg/updates | grep -q '^[0-9]' \
  || echo interrupted=yes
newest=$(stat -c %Y /var/lib/apt/lists /var/lib/apt/lists/partial \
  /var/lib/apt/periodic/update-success-stamp 2>/dev/null | sort -n | tail -n 1)
echo "age=$(( $(date +%s) - ${{newest:-0}} ))"
ls /var/lib/apt/lists/*_Packages* /var/lib/apt/lists/*.lz4 >/dev/null 2>&1 || echo lists=none
"""

# A lost connection must not tear apt. Ours ends the process group of this script, so apt gets a
# session of its own, which also ignores the signals; and it writes to a file, because dpkg gives
# up when nobody reads what it prints. `tail` passes that on meanwhile, and may die of it. Only
# KILL and a power cut stop apt; what they leave behind, `interrupted` finds.
_DETACHED = """
log=/run/picluster-apt.log
rm -f $log
: >$log
setsid sh -c {work} >>$log 2>&1 </dev/null &
job=$!
tail -n +1 -f --pid=$job -s 0.2 $log 2>/dev/null &
shown=$!
status=0
wait $job || status=$?
wait $shown || true
[ $status -eq 0 ] || {{ grep -E '^(E:|dpkg:|debconf:)|rror' $log | tail -n 20 >&2; exit $status; }}
"""
# Only one of apt's locks, and none of dpkg's, can be waited for by option: at boot, apt-daily
# holds that of the lists.
_WORK = """
trap '' TERM HUP INT
set -e
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a UCF_FORCE_CONFFOLD=1
options='-y -q -o DPkg::Lock::Timeout={lock} -o APT::Acquire::Retries=3
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0'
patiently() {{
  waited=0
  until "$@"; do
    tail -n 5 /run/picluster-apt.log | grep -qE 'get lock|locked by|status database is locked' &&
      [ $waited -lt {lock} ] || return 1
    echo "waiting for another program to finish with the package system"
    waited=$((waited + 5)); sleep 5
  done
}}
"""
# What dpkg cannot configure for want of another package, apt completes.
_REPAIR = """
patiently dpkg --configure -a --force-confdef --force-confold || true
patiently apt-get $options --fix-broken install
"""
_REFRESH = "patiently apt-get $options update\n"
_INSTALL = "patiently apt-get $options --no-install-recommends install {packages}"
# Lists that seemed fresh may still name files that the mirror has replaced since.
_INSTALL_OR_REFRESH = "{install} || {{ patiently apt-get $options update; {install}; }}\n"


@dataclass(frozen=True, slots=True)
class Packages:
    """These packages are installed, and dpkg has nothing unfinished.

    The lists of what there is to install are fetched anew when they are older than
    `lists_max_age` seconds, and only if something has to be installed.
    """

    packages: Sequence[str]
    lists_max_age: float
    name: str = PACKAGES

    @property
    def title(self) -> str:
        """State what is true."""
        return f"{len(self.packages)} packages are installed"

    def probe(self) -> Script:
        """Ask dpkg about all of them at once, and look how old the package lists are."""
        names = [*self.packages, *(other for name in self.packages for other in _instead(name))]
        return Script(_PROBE.format(packages=" ".join(quote(name) for name in names)))

    def decide(self, look: Look) -> Decision:
        """Want every package installed and configured."""
        missing = self.missing(look.own.lines)
        interrupted = "interrupted=yes" in look.own.lines
        if not missing and not interrupted:
            return Satisfied()
        work = [_WORK.format(lock=_LOCK_SECONDS)]
        reasons = []
        if interrupted:
            work.append(_REPAIR.format(lock=_LOCK_SECONDS))
            reasons.append("an installation was interrupted")
        if missing:
            work.append(self._install(missing, look))
            reasons.append("not installed")
        return Change(
            f"install {', '.join(missing)}" if missing else "finish the interrupted installation",
            (Run(_DETACHED.format(work=quote("".join(work))), _APT_SECONDS, causes.PACKAGES),),
            reason="; ".join(reasons),
            retry_safe=True,
        )

    def missing(self, lines: Sequence[str]) -> list[str]:
        """Return the packages that dpkg does not list as installed, in the order asked for."""
        found = (re.fullmatch(r"have=installed (\S+)", line) for line in lines)
        present = {match[1] for match in found if match}
        return [
            name
            for name in self.packages
            if not present.intersection([_plain(name), *_instead(name)])
        ]

    def _install(self, missing: Sequence[str], look: Look) -> str:
        install = _INSTALL.format(packages=" ".join(quote(name) for name in missing))
        if self._lists_are_old(look):
            return f"{_REFRESH}{install}\n"
        return _INSTALL_OR_REFRESH.format(install=install)

    def _lists_are_old(self, look: Look) -> bool:
        age = look.own.facts.get("age", "")
        return (
            "lists=none" in look.own.lines
            or not age.lstrip("-").isdigit()
            or int(age) >= self.lists_max_age
        )


def _instead(package: str) -> Sequence[str]:
    return STAND_INS.get(package, ())


def _plain(package: str) -> str:
    """Return the name without an architecture or version that apt would accept after it."""
    return re.split("[:=/]", package, maxsplit=1)[0]
