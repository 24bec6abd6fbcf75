set -e
mkdir -p "$DATA"
[ -e /etc/fstab.picluster-backup ] || cp -p /etc/fstab /etc/fstab.picluster-backup
part=$(mktemp /etc/.fstab.XXXXXX)
sed "/^$MARK/,+1d" /etc/fstab >"$part"
printf '%s\nUUID=%s %s ext4 %s 0 2\n' "$MARK" "$UUID" "$DATA" "$OPTIONS" >>"$part"
chmod --reference=/etc/fstab "$part"
chown --reference=/etc/fstab "$part"
sync "$part"
mv "$part" /etc/fstab
systemctl daemon-reload
mountpoint -q "$DATA" || mount "UUID=$UUID" "$DATA" -o "$OPTIONS" -t ext4
mountpoint -q "$DATA"
