# Ends a look here, with `in_use=UNIT`, on a machine that has K3s or another Kubernetes: what would
# be left over elsewhere may be at work there.
for unit in /etc/systemd/system/k3s*.service; do
  [ ! -e "$unit" ] || { echo "in_use=${unit##*/}"; return 0; }
done
for unit in kubelet snap.microk8s.daemon-kubelite k0scontroller k0sworker rke2-server rke2-agent; do
  for units in /etc/systemd/system /lib/systemd/system /usr/local/lib/systemd/system; do
    [ ! -e "$units/$unit.service" ] || { echo "in_use=$unit"; return 0; }
  done
done
# K3s names its process so; somebody may have started it by hand.
! pgrep --ns $$ --nslist pid -x 'k3s-(server|agent)' >/dev/null || { echo in_use=k3s; return 0; }
