# Prints where the directory DATA really is, what it holds down to the second level, and how large
# that is: of OWN if any of it is there. MARK is the file that says who made the directory.
[ -d "$DATA" ] || exit 0
echo "real=$(readlink -f -- "$DATA")"
[ -z "$MARK" ] || [ ! -e "$DATA/$MARK" ] || echo marked=yes
find "$DATA/" -xdev -mindepth 1 -maxdepth 2 -printf 'entry=%P\n' | head -n 2000
eval "set -- $OWN"
for entry; do
  [ ! -e "$DATA/$entry" ] || set -- "$@" "$DATA/$entry"
  shift
done
[ $# -gt 0 ] || set -- "$DATA"
bytes=$(timeout "$SECONDS_TO_MEASURE" du -csb -- "$@" 2>/dev/null | tail -n 1 | cut -f1)
echo "bytes=$bytes"
