echo "iscsid=$(systemctl is-active iscsid)"
echo "container=$(systemd-detect-virt -c 2>/dev/null)"
{ [ -d /sys/module/iscsi_tcp ] || modprobe -n -q iscsi_tcp; } && echo iscsi_tcp=yes
command -v mount.nfs4 >/dev/null && echo nfs=yes
echo "multipathd=$(systemctl is-active multipathd)"
grep -rqs 'longhorn\|devnode' /etc/multipath.conf /etc/multipath/conf.d && echo blacklist=yes
echo "propagation=$(findmnt -n -o PROPAGATION /)"
at=$DATA
while [ ! -d "$at" ]; do at=$(dirname "$at"); done
echo "free=$(df -B1 --output=avail "$at" | tail -n 1 | tr -d ' ')"
mountpoint -q "$DATA" && echo mounted=yes
true
