# shellcheck disable=SC2154 # units.sh says $active
for each in $KUBERNETES; do
  unit "$each" && [ "$active" = active ] && echo "kubernetes=$each"
done
for each in $FIREWALLS; do
  unit "$each" && [ "$active" = active ] && echo "firewall=$each"
done
! [ -e /etc/ufw/ufw.conf ] || while read -r line; do
  case $line in ENABLED=no*) echo ufw=off ;; esac
done </etc/ufw/ufw.conf
true
