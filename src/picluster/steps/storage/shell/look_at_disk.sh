device=$(readlink -f "$DEVICE" 2>/dev/null)
if [ -b "$device" ]; then
  echo "device=$device"
  echo "disk=$(lsblk -J -b -o NAME,PATH,TYPE,SIZE,FSTYPE,LABEL,UUID,MOUNTPOINTS,RO "$device" |
    tr -d '\n')"
  echo "above=$(lsblk -s -J -o PATH,MOUNTPOINTS "$device" | tr -d '\n')"
  # Not udev's memory of it, which lsblk reads: that can be of before a format.
  echo "probed=$(blkid -p -o export "$device" 2>/dev/null | tr '\n' ' ')"
fi
echo "mounted=$(findmnt -n -o UUID --mountpoint "$DATA" 2>/dev/null)"
mountpoint -q "$DATA" || { [ -n "$(ls -A "$DATA" 2>/dev/null)" ] && echo content=yes; }
sed -n "/^$MARK/{n;s/^/line=/;p;}" /etc/fstab
true
