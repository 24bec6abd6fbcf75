# dpkg notes unfinished work in /var/lib/dpkg/updates, under names of digits only; `--audit` lists
# what was unpacked and never configured. Fetching lists always touches lists/partial, even when
# every list turns out to be current; apt's pkgcache.bin is no witness, as installing touches it.
# shellcheck disable=SC2016,SC2034 # ${...} is dpkg-query's own; for the scripts that follow
packages=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null)
interrupted=no
for update in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$update" ] || interrupted=yes; done
[ $interrupted = yes ] || [ -z "$(dpkg --audit 2>/dev/null)" ] || interrupted=yes
newest=0
for time in $(stat -c %Y /var/lib/apt/lists /var/lib/apt/lists/partial \
  /var/lib/apt/periodic/update-success-stamp 2>/dev/null); do
  [ "$time" -le "$newest" ] || newest=$time
done
lists_age=$(($(date +%s) - newest))
