# shellcheck disable=SC2154 # units.sh says $active
unit iscsid
echo "iscsid=$active"
echo "container=$(systemd-detect-virt -c 2>/dev/null)"
{ [ -d /sys/module/iscsi_tcp ] || modprobe -n -q iscsi_tcp; } && echo iscsi_tcp=yes
command -v mount.nfs4 >/dev/null && echo nfs=yes
unit multipathd
echo "multipathd=$active"
[ "$active" = active ] && grep -rqs 'longhorn\|devnode' /etc/multipath.conf /etc/multipath/conf.d &&
  echo blacklist=yes
echo "propagation=$(findmnt -n -o PROPAGATION /)"
at=$DATA
while [ ! -d "$at/" ]; do at=${at%/*}; done
# shellcheck disable=SC2046 # words are what is wanted: a heading, and the bytes
set -- $(df -B1 --output=avail "$at/")
echo "free=$2"
mountpoint -q "$DATA" && echo mounted=yes
true
