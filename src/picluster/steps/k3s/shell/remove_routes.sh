# Removes ROUTES: one a line, as DESTINATION GATEWAY INTERFACE.
printf '%s\n' "$ROUTES" | while read -r to by link; do
  [ -z "$to" ] || ip route del "$to" via "$by" dev "$link" || true
done
