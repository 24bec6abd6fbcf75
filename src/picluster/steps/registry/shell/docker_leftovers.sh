[ -s "$MARK" ] || exit 0
while read -r package; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)
  case $state in "" | not-installed) ;; *) echo "package=$package" ;; esac
done <"$MARK"
docker ps -a --format '{{.Names}}' 2>/dev/null | grep -vE "$OURS" | sed 's/^/other=/'
true
