# The shell reads all that it can by itself: each process costs a Pi a millisecond.
read -r uptime _ </proc/uptime && echo "uptime=${uptime%%.*}"
read -r load _ </proc/loadavg && echo "load=$load"
while read -r key size _; do
  case $key in
    MemTotal:) echo "memory=$size" ;;
    MemAvailable:) echo "available=$size" ;;
  esac
done </proc/meminfo
# shellcheck disable=SC2046 # two words of headings, and two of numbers
set -- $(df -k --output=size,avail /)
echo "disk=$3"
echo "free=$4"
for zone in /sys/class/thermal/thermal_zone*/temp; do
  { read -r degrees <"$zone"; } 2>/dev/null && echo "temperature=$degrees" && break
done
! command -v vcgencmd >/dev/null || vcgencmd get_throttled
# The device tree ends texts with a NUL instead of a line end, which `read` takes for a failure.
[ ! -r /proc/device-tree/model ] || { read -r model </proc/device-tree/model; echo "model=$model"; }
true
