kib=
while read -r key value _; do
  [ "$key" != MemTotal: ] || { kib=$value; break; }
done </proc/meminfo
echo "kib=$kib"
