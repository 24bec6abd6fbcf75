# dpkg notes unfinished work in /var/lib/dpkg/updates, under names of digits only; `--audit` lists
# what was unpacked and never configured. Fetching lists always touches lists/partial, even when
# every list turns out to be current; apt's pkgcache.bin is no witness, as installing touches it.
# All of it is asked once, for all packages: probes share a shell.
if [ -z "$lists_age" ]; then
  # shellcheck disable=SC2016 # ${...} is dpkg-query's own
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
fi
eval "set -- $PACKAGES"
for name in "$@"; do
  # An architecture, a version or a release may follow the name.
  name=${name%%[:=/]*}
  case $LINE_END$packages$LINE_END in
    *"${LINE_END}installed $name$LINE_END"*) echo "have=installed $name" ;;
  esac
done
[ "$interrupted" = no ] || echo interrupted=yes
echo "age=$lists_age"
for list in /var/lib/apt/lists/*_Packages* /var/lib/apt/lists/*.lz4; do
  [ ! -e "$list" ] || return 0
done
echo lists=none
