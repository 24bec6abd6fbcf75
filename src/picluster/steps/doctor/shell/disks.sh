# Prints what the root, the logs and K3s's data lie on: the mount, the disk below that, whatever is
# stacked on it, and how long its flushes took. A mount's device is that of what it mounts; of
# btrfs, which makes one up, the source's name tells.
disk_below() {
  disk=- bus=- card=- flushes=0 took=0
  cd -P "/sys/dev/block/$1" 2>/dev/null || {
    case $2 in /dev/?*) cd -P "/sys/class/block/${2##*/}" 2>/dev/null || return 0 ;; *) return 0 ;; esac
  }
  while :; do
    set -- slaves/*
    if [ -e partition ]; then cd ..
    elif [ -e "$1" ]; then cd -P "$1" || return 0
    else break; fi
  done
  [ -e device ] || return 0
  disk=${PWD##*/}
  case $disk:$PWD in
    nvme*) bus=nvme ;;
    mmcblk*)
      bus=mmc
      [ ! -r device/type ] || read -r card <device/type
      ;;
    *:*/usb*) bus=usb ;;
    *:*/ata*) bus=sata ;;
  esac
  # A container sees the counts of its host.
  [ ! -e /run/systemd/container ] && [ -r stat ] && read -r counts <stat || return 0
  # shellcheck disable=SC2086 # words are what is wanted
  set -- $counts
  [ $# -lt 17 ] || flushes=${16} took=${17}
}
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
  disk_below "$device" "$source"
  echo "lies=$name $at $kind $source $options $disk $bus $card $flushes $took"
done <<LIES
$lies
LIES
