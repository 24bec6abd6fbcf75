# As the user, who may not be root: it is the user's file.
# shellcheck disable=SC2154 # who.sh says $user and $home
[ -d "$home" ] || {
  echo "$user has no home directory" >&2
  exit 1
}
# shellcheck disable=SC2016 # it is the inner shell's to expand
runuser -u "$user" -- env HOME="$home" sh -ec '
  umask 077
  mkdir -p "$HOME/.ssh"
  file=$HOME/.ssh/authorized_keys
  if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi
  printf "%s\n" "$1" >>"$file"
' sh "$LINE"
