# Removes what `look_for_files.sh` prints, after K3s's own script has had its turn: it knows what
# newer releases leave behind.
[ ! -x /usr/local/bin/k3s-killall.sh ] || /usr/local/bin/k3s-killall.sh >/dev/null 2>&1 || true
for tool in $TOOLS_OF_K3S; do
  [ "$(readlink "/usr/local/bin/$tool")" != k3s ] || rm -f "/usr/local/bin/$tool"
done
for path in "$KUBELET_DIR" "$DATA_DIR"; do
  [ -d "$path" ] || continue
  find "$path" -mindepth 1 -maxdepth 1 ! -path "$VOLUMES" -exec rm -rf --one-file-system {} +
  rmdir "$VOLUMES" "$path" 2>/dev/null || true
done
for path in $FILES; do rm -rf --one-file-system "$path"; done
for path in /etc/rancher /var/lib/rancher /var/lib/picluster /usr/local/lib/picluster; do
  rmdir "$path" 2>/dev/null || true
done
systemctl daemon-reload
systemctl reset-failed k3s k3s-agent 2>/dev/null || true
