set -e
[ "$BLANK" = True ] || wipefs -q -a "$DEVICE"
mkfs.ext4 -q -F -L "$LABEL" "$DEVICE"
udevadm settle 2>/dev/null || true
UUID=$(blkid -p -s UUID -o value "$DEVICE")
[ -n "$UUID" ] || {
  echo "no UUID after mkfs" >&2
  exit 1
}
