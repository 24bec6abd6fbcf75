echo "uptime=$(cut -d. -f1 /proc/uptime)"
echo "load=$(cut -d' ' -f1 /proc/loadavg)"
sed -n 's/^MemTotal: *\([0-9]*\) kB/memory=\1/p
        s/^MemAvailable: *\([0-9]*\) kB/available=\1/p' /proc/meminfo
df -Pk / | awk 'NR == 2 {print "disk=" $2; print "free=" $4}'
for zone in /sys/class/thermal/thermal_zone*; do
  [ -r "$zone/temp" ] || continue
  echo "temperature=$(cat "$zone/temp")"
  break
done
! command -v vcgencmd >/dev/null || vcgencmd get_throttled
[ ! -r /proc/device-tree/model ] || echo "model=$(tr -d '\0' </proc/device-tree/model)"
