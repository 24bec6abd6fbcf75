# Providers are found by what they leave on a system, not by its name or version: two of them may
# be there after an upgrade. rpi-swap (Raspberry Pi OS on trixie) is configured by drop-ins.
while read -r device kind _; do
  [ "$kind" = Type ] || [ -z "$device" ] || echo "on=$device"
done </proc/swaps
if [ -e /etc/fstab ]; then
  while read -r device _ kind _; do
    case $device in '#'*) continue ;; esac
    [ "$kind" != swap ] || { echo provider=fstab; break; }
  done </etc/fstab
fi
! starts_at_boot dphys-swapfile || echo provider=dphys-swapfile
! starts_at_boot zramswap || echo provider=zram-tools
if [ -e /etc/rpi/swap.conf ] || [ -e /usr/lib/rpi-swap ] || [ -d /usr/lib/rpi/swap.conf.d ]; then
  provider=rpi-swap
  if [ -e /etc/rpi/swap.conf.d/90-picluster.conf ]; then
    while read -r line; do
      case $line in Mechanism=none*) provider= ;; esac
    done </etc/rpi/swap.conf.d/90-picluster.conf
  fi
  [ -z "$provider" ] || echo "provider=$provider"
fi
if [ -x /usr/lib/systemd/system-generators/zram-generator ]; then
  [ -e /etc/systemd/zram-generator.conf ] && ! [ -s /etc/systemd/zram-generator.conf ] ||
    echo provider=zram-generator
fi
# An enabled unit is one that another wants; a masked one is not started for all that.
for link in /etc/systemd/system/*.wants/*.swap /etc/systemd/system/*.requires/*.swap; do
  if [ -e "$link" ] && ! [ "/etc/systemd/system/${link##*/}" -ef /dev/null ]; then
    echo "unit=${link##*/}"
  fi
done
true
