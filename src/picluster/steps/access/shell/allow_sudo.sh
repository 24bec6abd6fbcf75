# sudo skips files with a dot in their name. A file that is wrong would lock everybody out of sudo:
# it is checked before it is in the directory, and all of them together afterwards.
# shellcheck disable=SC2154 # who.sh says $user
file=/etc/sudoers.d/010-picluster-$(printf %s "$user" | tr -c 'A-Za-z0-9_-' _)
part=$(mktemp /etc/.picluster-sudoers.XXXXXX)
trap 'rm -f "$part"' EXIT
name=$(printf %s "$user" | sed 's/[^A-Za-z0-9_.-]/\\&/g')
printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$name" >"$part"
chmod 0440 "$part"
visudo -c -q -f "$part"
[ -d /etc/sudoers.d ] || mkdir -m 0750 /etc/sudoers.d
mv "$part" "$file"
if ! visudo -c -q; then
  rm -f "$file"
  exit 1
fi
if ! runuser -u "$user" -- sudo -k -n true; then
  rm -f "$file"
  echo "a rule of another file wins, or /etc/sudoers does not include /etc/sudoers.d" >&2
  exit 1
fi
