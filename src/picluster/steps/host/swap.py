"""Swap: off now and at every boot, whoever provides it."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Run, Satisfied
from picluster.engine.survey import Look
from picluster.facts.swap import SWAP, Swap

_PROVIDERS = {
    "fstab": """
[ -e /etc/fstab.picluster-backup ] || cp -p /etc/fstab /etc/fstab.picluster-backup
awk '!/^#/ && $3 == "swap" {printf "# picluster: "} {print}' /etc/fstab >/etc/fstab.picluster-new
chmod 644 /etc/fstab.picluster-new
sync /etc/fstab.picluster-new
mv -f /etc/fstab.picluster-new /etc/fstab
""",
    "dphys-swapfile": """
systemctl disable --now dphys-swapfile
! command -v dphys-swapfile >/dev/null || dphys-swapfile uninstall || true
""",
    "zram-tools": "systemctl disable --now zramswap\n",
    "rpi-swap": """
mkdir -p /etc/rpi/swap.conf.d
printf '# Written by picluster.\\n[Main]\\nMechanism=none\\n' \
  >/etc/rpi/swap.conf.d/90-picluster.conf
systemctl stop rpi-zram-writeback.timer 2>/dev/null || true
""",
    "zram-generator": """
[ ! -s /etc/systemd/zram-generator.conf ] || \
  mv /etc/systemd/zram-generator.conf /etc/systemd/zram-generator.conf.picluster-backup
: >/etc/systemd/zram-generator.conf
""",
}
# Whatever makes it at boot: a generator's unit of that name is overruled by a masked one.
_NO_UNIT_FOR = 'systemctl mask --quiet -- "$(systemd-escape -p --suffix=swap -- {device})"\n'
# A unit file of the administrator's in /etc is in the way of a mask, but can be disabled.
_NO_UNIT = "systemctl disable --now -- {unit} || systemctl mask --now -- {unit}\n"
_OFF_NOW = """
systemctl daemon-reload
swapoff -a || {
  echo "swap cannot be turned off: too little memory is free for what is in it; reboot" >&2
  exit 1
}
"""


@dataclass(frozen=True, slots=True)
class SwapOff:
    """No swap is on, and nothing turns it on at boot.

    Kubernetes tolerates swap under K3s, but memory limits and evictions mean little with it, and
    swapping wears an SD card out.
    """

    name: str = "swap"

    @property
    def title(self) -> str:
        return "swap is off, also after a reboot"

    def probe(self) -> ShellProbe[Swap]:
        return SWAP

    def decide(self, look: Look) -> Decision:
        swap = look.read(SWAP)
        if swap.off:
            return Satisfied()
        providers = [name for name in swap.providers if name in _PROVIDERS]
        script = "".join(_PROVIDERS[name] for name in providers)
        script += "".join(_NO_UNIT.format(unit=quote(unit)) for unit in swap.units)
        script += "".join(
            _NO_UNIT_FOR.format(device=quote(device))
            for device in swap.active
            if device.startswith("/dev/zram") or not (providers or swap.units)
        )
        reasons = [f"{', '.join(swap.active)} is on"] if swap.active else []
        reasons += [f"{name} turns it on at boot" for name in [*providers, *swap.units]]
        return Change(
            "turn swap off", (Run(script + _OFF_NOW, timeout=600),), reason="; ".join(reasons)
        )
