# Prints `address=` the machine's own, `route=` all it has, and `flannel=` what flannel last said
# its pods' networks are (flannel-io/flannel: /run/flannel/subnet.env).
# shellcheck disable=SC2154 # routes.sh says $addresses, $routes and $routes6
while read -r _ _ _ address _; do
  [ -z "$address" ] || echo "address=${address%%/*}"
done <<ADDRESSES
$addresses
ADDRESSES
while IFS= read -r line; do
  [ -z "$line" ] || printf '%s\n' "route=$line"
done <<ROUTES
$routes
$routes6
ROUTES
[ ! -r /run/flannel/subnet.env ] || while read -r line; do
  case $line in FLANNEL_NETWORK=* | FLANNEL_IPV6_NETWORK=*) ;; *) continue ;; esac
  networks=${line#*=},
  while [ -n "$networks" ]; do
    echo "flannel=${networks%%,*}"
    networks=${networks#*,}
  done
done </run/flannel/subnet.env
true
