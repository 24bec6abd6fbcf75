# Prints, for the root, the logs and K3s's data: `at=` the mount that each lies on, and `disk=` the
# disk below that, whatever is stacked on it. A mount's device is that of what it mounts; of btrfs,
# which makes one up, the source's name tells.
disk_below() {
  disk=''
  cd -P "/sys/dev/block/$1" 2>/dev/null || {
    case $2 in /dev/?*) cd -P "/sys/class/block/${2##*/}" 2>/dev/null || return 0 ;; *) return 0 ;; esac
  }
  while :; do
    set -- slaves/*
    if [ -e partition ]; then cd ..
    elif [ -e "$1" ]; then cd -P "$1" || return 0
    else break; fi
  done
  [ ! -e device ] || disk=${PWD##*/}
}
inside=no
[ ! -e /run/systemd/container ] || inside=yes
echo "inside=$inside"
data=/
! cd -P /var/lib/rancher 2>/dev/null || data=$PWD
lies=$(awk -v data="$data" '
  BEGIN { path["root"] = "/"; path["logs"] = "/var/log"; path["data"] = data }
  {
    at = $5 == "/" ? "" : $5
    for (dash = 7; dash < NF && $dash != "-"; dash++);
    for (name in path)
      if (index(path[name] "/", at "/") == 1 && length(at) >= length(longest[name])) {
        longest[name] = at
        found[name] = $5 " " $3 " " $(dash + 1) " " $(dash + 2) " " $6 "," $(dash + 3)
      }
  }
  END { for (name in found) print name, found[name] }' /proc/self/mountinfo)
while read -r name at device kind source options; do
  [ -n "$name" ] || continue
  echo "at=$name $at $kind $source $options"
  disk_below "$device" "$source"
  [ -n "$disk" ] || continue
  bus=-
  case $disk:$PWD in
    nvme*) bus=nvme ;;
    mmcblk*) bus=mmc ;;
    *:*/usb*) bus=usb ;;
    *:*/ata*) bus=sata ;;
  esac
  card=-
  [ ! -r device/type ] || read -r card <device/type
  echo "disk=$name $disk $bus $card"
  # A container sees the counts of its host.
  if [ $inside = no ] && [ -r stat ]; then
    read -r counts <stat
    # shellcheck disable=SC2086 # words are what is wanted
    set -- $counts
    [ $# -lt 17 ] || echo "flushes=$name ${16} ${17}"
  fi
done <<LIES
$lies
LIES
