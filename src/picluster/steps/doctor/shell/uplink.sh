# The device of the default route of the least metric, its speed, and whether it is Wi-Fi.
device='' least=''
while read -r name to _ _ _ _ metric mask _; do
  [ "$to $mask" = '00000000 00000000' ] && [ "$name" != '*' ] || continue
  [ -n "$device" ] && [ "$metric" -ge "$least" ] || { device=$name least=$metric; }
done </proc/net/route
[ -n "$device" ] || return 0
echo "device=$device"
{ read -r speed <"/sys/class/net/$device/speed"; } 2>/dev/null && echo "speed=$speed"
[ -d "/sys/class/net/$device/wireless" ] || return 0
echo wireless=yes
printf saving=
iw dev "$device" get power_save 2>/dev/null
true
