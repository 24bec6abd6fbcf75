for unit in kubelet snap.microk8s.daemon-kubelite k0scontroller k0sworker rke2-server rke2-agent; do
  [ "$(systemctl is-active $unit)" != active ] || echo "kubernetes=$unit"
done
for unit in ufw firewalld nftables; do
  [ "$(systemctl is-active $unit)" != active ] || echo "firewall=$unit"
done
! grep -qs '^ENABLED=no' /etc/ufw/ufw.conf || echo ufw=off
