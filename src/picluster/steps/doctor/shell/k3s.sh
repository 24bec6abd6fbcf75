# What reads the JOURNAL of a $unit is only run where something is wrong.
for unit in k3s k3s-agent; do
  [ -f /etc/systemd/system/$unit.service ] || continue
  echo "unit=$unit"
  well=yes
  for said in $(systemctl show --property=ActiveState,SubState,NRestarts $unit); do
    echo "$said"
    case $said in
      ActiveState=active | NRestarts=[0-2]) ;;
      ActiveState=* | NRestarts=*) well=no ;;
    esac
  done
  [ $well = yes ] || echo "journal=$(eval "$JOURNAL" | tail -c 120000 | base64 -w0)"
  break
done
