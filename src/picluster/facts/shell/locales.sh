# The default locales that files name, and those that are generated.
for file in /etc/default/locale /etc/locale.conf; do
  [ -e $file ] || continue
  while read -r line || [ -n "$line" ]; do
    case $line in LANG=*) ;; *) continue ;; esac
    line=${line#LANG=}
    line=${line#\"}
    echo "lang=${line%%\"*}"
  done <$file
done
for locale in $(locale -a 2>/dev/null); do echo "known=$locale"; done
