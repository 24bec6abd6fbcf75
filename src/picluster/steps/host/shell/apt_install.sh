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
if [ "$REPAIR" = True ]; then
  # What dpkg cannot configure for want of another package, apt completes.
  patiently dpkg --configure -a --force-confdef --force-confold || true
  apt --fix-broken install
fi
eval "set -- $PACKAGES"
[ $# -gt 0 ] || exit 0
if [ "$REFRESH" = True ]; then
  apt update
  apt --no-install-recommends install "$@"
else
  # Lists that seemed fresh may still name files that the mirror has replaced since.
  apt --no-install-recommends install "$@" || {
    apt update
    apt --no-install-recommends install "$@"
  }
fi
