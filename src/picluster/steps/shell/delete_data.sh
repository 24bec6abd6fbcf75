# Deletes OWN in the directory DATA, or all of it if OWN names nothing. What else is there stays, as
# does what is mounted below. A link that has come in between is not followed.
[ "$(readlink -f -- "$DATA")" = "$DATA" ] || { echo "$DATA leads elsewhere" >&2; exit 1; }
eval "set -- $OWN"
[ $# -gt 0 ] || find "$DATA" -xdev -mindepth 1 ! -path "$DATA/lost+found" -delete
for entry; do
  rm -rf --one-file-system -- "${DATA:?}/$entry"
  above=$(dirname -- "$entry")
  [ "$above" = . ] || rmdir -- "$DATA/$above" 2>/dev/null || true
done
[ -z "$MARK" ] || rm -f -- "$DATA/$MARK"
mountpoint -q -- "$DATA" || rmdir -- "$DATA" 2>/dev/null || true
