# Prints `left=KIND NAME` for each leftover.
{
  processes | while read -r pid; do
    echo "process $pid ($(cat "/proc/$pid/comm" 2>/dev/null))"
  done
  control_groups | sed 's/^/control group /'
  iscsi_sessions | sed 's/^/iSCSI session /'
  mounts | uniq | sed 's/^/mount /'
  network_namespaces | sed 's/^/network namespace /'
  links | sed 's/^/interface /'
  filters | sed 's/\(.*\) \(.*\)/\2 rules of \1/'
  nft_tables | sed 's/^/nft table /'
  ip_sets | sed 's/^/IP set /'
  addresses | sed 's/^\([^ ]*\) /address \1 on /'
  pod_records
} | sed 's/^/left=/'
