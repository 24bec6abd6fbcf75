# Prints `unit=NAME ENABLED ACTIVE CONDITION` of each of DAEMONS that is installed, and not masked.
# shellcheck disable=SC2154 # units.sh says $enabled, $active and $condition
for daemon in $DAEMONS; do
  unit "$daemon" || continue
  case $enabled in '' | masked*) continue ;; esac
  echo "unit=$daemon $enabled $active $condition"
done
