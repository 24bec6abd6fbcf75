trap '' TERM HUP INT
set -e
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a UCF_FORCE_CONFFOLD=1
# Only one of apt's locks, and none of dpkg's, can be waited for by option: at boot, apt-daily
# holds that of the lists.
patiently() {
  waited=0
  until "$@"; do
    tail -n 5 /run/picluster-apt.log | grep -qE 'get lock|locked by|status database is locked' &&
      [ $waited -lt "$LOCK_SECONDS" ] || return 1
    echo "picluster: waiting for another program to finish with the package system"
    waited=$((waited + 5))
    sleep 5
  done
}
apt() {
  patiently apt-get -y -q -o DPkg::Lock::Timeout="$LOCK_SECONDS" -o APT::Acquire::Retries=3 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@"
}
# Debian calls its releases otherwise as they age, which apt wants to have accepted. That is, and no
# other change of a repository: who signs it may be somebody else now.
aged() {
  for step in testing:stable stable:oldstable oldstable:oldoldstable; do
    old=${step%:*}
    case $1 in
      "$old" | "$old"-*) [ "$2" != "${step#*:}${1#"$old"}" ] || return 0 ;;
    esac
  done
  return 1
}
update() {
  apt update && return 0
  changed=$(sed -n "s/^E: Repository '.*' changed its '\(.*\)' value from '\(.*\)' to '\(.*\)'\$/\1 \2 \3/p" \
    /run/picluster-apt.log | sort -u)
  [ -n "$changed" ] || return 1
  while read -r field from to; do
    { [ "$field" = Suite ] && aged "$from" "$to"; } || return 1
    echo "picluster: what was $from is $to now, as Debian has had a new release: accepted"
  done <<EOF
$changed
EOF
  apt --allow-releaseinfo-change-suite update
}
if [ "$REPAIR" = True ]; then
  # What dpkg cannot configure for want of another package, apt completes.
  patiently dpkg --configure -a --force-confdef --force-confold || true
  apt --fix-broken install
fi
eval "set -- $PACKAGES"
[ $# -gt 0 ] || exit 0
if [ "$REFRESH" = True ]; then
  update
  apt --no-install-recommends install "$@"
else
  # Lists that seemed fresh may still name files that the mirror has replaced since.
  apt --no-install-recommends install "$@" || {
    update
    apt --no-install-recommends install "$@"
  }
fi
