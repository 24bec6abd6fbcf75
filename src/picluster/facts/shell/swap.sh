# Providers are found by what they leave on a system, not by its name or version: two of them may
# be there after an upgrade. rpi-swap (Raspberry Pi OS on trixie) is configured by drop-ins.
tail -n +2 /proc/swaps | awk '{print "on=" $1}'
awk '!/^#/ && $3 == "swap" {found = 1} END {exit !found}' /etc/fstab 2>/dev/null &&
  echo provider=fstab
systemctl is-enabled dphys-swapfile >/dev/null 2>&1 && echo provider=dphys-swapfile
systemctl is-enabled zramswap >/dev/null 2>&1 && echo provider=zram-tools
if [ -e /etc/rpi/swap.conf ] || [ -e /usr/lib/rpi-swap ] || [ -d /usr/lib/rpi/swap.conf.d ]; then
  grep -qs '^Mechanism=none' /etc/rpi/swap.conf.d/90-picluster.conf || echo provider=rpi-swap
fi
if [ -x /usr/lib/systemd/system-generators/zram-generator ]; then
  [ -e /etc/systemd/zram-generator.conf ] && ! [ -s /etc/systemd/zram-generator.conf ] ||
    echo provider=zram-generator
fi
for unit in $(systemctl list-unit-files '*.swap' --state=enabled --no-legend 2>/dev/null |
  cut -d' ' -f1); do echo "unit=$unit"; done
true
