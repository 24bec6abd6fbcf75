# dpkg notes unfinished work in /var/lib/dpkg/updates, under names of digits only; `--audit` lists
# what was unpacked and never configured. Fetching lists always touches lists/partial, even when
# every list turns out to be current; apt's pkgcache.bin is no witness, as installing touches it.
eval "set -- $PACKAGES"
# shellcheck disable=SC2016 # ${...} is dpkg-query's own
dpkg-query -W -f='have=${db:Status-Status} ${Package}\n' "$@" 2>/dev/null
# shellcheck disable=SC2010 # an empty glob is no file either
[ -z "$(dpkg --audit 2>/dev/null)" ] && ! ls /var/lib/dpkg/updates | grep -q '^[0-9]' ||
  echo interrupted=yes
newest=$(stat -c %Y /var/lib/apt/lists /var/lib/apt/lists/partial \
  /var/lib/apt/periodic/update-success-stamp 2>/dev/null | sort -n | tail -n 1)
echo "age=$(($(date +%s) - ${newest:-0}))"
ls /var/lib/apt/lists/*_Packages* /var/lib/apt/lists/*.lz4 >/dev/null 2>&1 || echo lists=none
