# What reads the JOURNAL of the unit $name is only run where something is wrong.
# shellcheck disable=SC2154 # units.sh says what `unit` sets
for name in k3s k3s-agent; do
  unit $name || continue
  echo "unit=$name"
  echo "state=$active"
  echo "substate=$substate"
  echo "restarts=$restarts"
  case $active:$restarts in
    active:[0-2]) ;;
    *) echo "journal=$(eval "$JOURNAL" | tail -c 120000 | base64 -w0)" ;;
  esac
  break
done
