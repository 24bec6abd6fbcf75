# dpkg notes unfinished work in /var/lib/dpkg/updates, under names of digits only; what was unpacked
# and never configured has a status that says so, as `dpkg --audit` finds it (deb-triggers(5),
# dpkg(1)). Fetching lists always touches lists/partial, even when every list turns out to be current;
# apt's pkgcache.bin is no witness, as installing touches it.
# shellcheck disable=SC2016,SC2034 # ${...} is dpkg-query's own; for the scripts that follow
packages=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null)
interrupted=no
for update in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$update" ] || interrupted=yes; done
case $LINE_END$packages in
  *"${LINE_END}half-"* | *"${LINE_END}unpacked "* | *"${LINE_END}triggers-"*) interrupted=yes ;;
esac
newest=0
for time in $(stat -c %Y /var/lib/apt/lists /var/lib/apt/lists/partial \
  /var/lib/apt/periodic/update-success-stamp 2>/dev/null); do
  [ "$time" -le "$newest" ] || newest=$time
done
lists_age=$(($(date +%s) - newest))
