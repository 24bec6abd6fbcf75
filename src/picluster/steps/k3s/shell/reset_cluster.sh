# Has K3s make the cluster's database anew from SNAPSHOT; it ends by itself. K3s refuses while its
# configuration CONFIG names a server to join, and where an earlier reset left its mark in DB and
# K3s was not started since.
systemctl stop k3s
umask 077
rm -rf "$STAGING/config.yaml" "$STAGING/config.yaml.d" "$DB/reset-flag"
grep -v '^server:' "$CONFIG" >"$STAGING/config.yaml"
for part in "$CONFIG".d/*.yaml; do
  [ -e "$part" ] || continue
  mkdir -p "$STAGING/config.yaml.d"
  grep -v '^server:' "$part" >"$STAGING/config.yaml.d/${part##*/}"
done
"$BINARY" server --config "$STAGING/config.yaml" --cluster-reset \
  --cluster-reset-restore-path="$SNAPSHOT" >"$STAGING/log" 2>&1 || {
  tail -n 40 "$STAGING/log" >&2
  exit 1
}
rm -rf "$STAGING"
