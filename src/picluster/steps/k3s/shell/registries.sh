# How registries.yaml is. What others wrote, and what may hold a password, stays where it is.
[ -f "$FILE" ] || exit 0
stat -c 'access=%a %U:%G' "$FILE"
sum=$(sha256sum <"$FILE")
echo "sha256=${sum%% *}"
[ "$(head -n 1 "$FILE")" = "$HEADER" ] || exit 0
echo ours=yes
[ "${sum%% *}" = "$WANTED" ] || grep -q 'auth:\|password' "$FILE" || echo "content=$(base64 -w0 <"$FILE")"
