# Puts what `arriving` prints in place as TARGET once it has the digest. Until then it is PART, which
# is its owner's alone.
set -e
mkdir -p "$DIRECTORY"
umask 077
trap 'rm -f "$PART"' EXIT
rm -f "$PART"
set -C
arriving >"$PART"
echo "$SHA256  $PART" | sha256sum -c --status || { echo "the checksum differs" >&2; exit 1; }
chown "$OWNER" "$PART"
chmod "$MODE" "$PART"
sync "$PART"
mv -f "$PART" "$TARGET"
