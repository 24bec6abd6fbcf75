# What K3s and the pods on it make of a running machine, and leave there when K3s stops: its units
# have KillMode=process. All of it is gone after a reboot. Each function prints what is there now,
# one thing a line, and changes nothing.
#
# DATA_DIR is K3s's data directory, SYS where sysfs is, VIP the cluster's own address or nothing.
# Where no source is named, it is K3s's k3s-killall.sh (install.sh of k3s-io/k3s).

# K3s brings iptables and ipset along for machines that have none.
for tools in "$DATA_DIR"/data/*/bin; do
  [ ! -d "$tools" ] || PATH=$PATH:$tools:$tools/aux
done

# Processes of K3s's own programs (containerd's shims among them), and those of its containers: what
# has an image in K3s's containerd for its root. A shim that was killed leaves its container behind.
processes() {
  {
    pgrep --ns $$ --nslist pid -f "^$DATA_DIR/data/"
    grep -lsE -e "^([^ ]+ ){4}/ .*$DATA_DIR/agent/containerd/" \
      -e "^([^ ]+ ){3}[^ ]*/k3s/agent/containerd/[^ ]* / " /proc/[0-9]*/mountinfo | cut -d/ -f3
  } | sort -un
}

# Control groups of pods, once nobody is in them. The kubelet calls them so.
control_groups() {
  for group in "$SYS"/fs/cgroup/kubepods* "$SYS"/fs/cgroup/*/kubepods*; do
    [ -d "$group" ] || continue
    [ -n "$(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null)" ] || echo "$group"
  done
}

# Sessions with Longhorn's volumes: its targets have this name (longhorn/go-iscsi-helper).
iscsi_sessions() {
  for session in "$SYS"/class/iscsi_session/session*; do
    ! grep -qs '^iqn\.2019-10\.io\.longhorn:' "$session/targetname" || echo "${session##*/session}"
  done
}

mounts() {
  awk '{print $2}' /proc/self/mounts |
    grep -E "^(/run/k3s|/var/lib/kubelet/|$DATA_DIR/)" |
    grep -v "^$DATA_DIR/storage" | sort -r
}

# Network namespaces of pods, once nobody lives there.
network_namespaces() {
  for space in /run/netns/cni-*; do
    [ -e "$space" ] || continue
    [ -n "$(ip netns pids "${space##*/}" 2>/dev/null)" ] || echo "${space##*/}"
  done
}

link_names() { awk '{sub(/[@:].*/, "", $2); print $2}'; }

# Pods' ends first. With flannel_backend "none" it may be Cilium or Calico; those, and NodeLocal
# DNS, are as in rke2-killall.sh (rancher/rke2). Cilium's take the whole machine off the network
# when its programs go and they stay (k3s-io/k3s#7618).
links() {
  ip -o link show master cni0 2>/dev/null | link_names
  ip -o link show | link_names | grep -xE -e 'cni0|flannel\.1|flannel-v6\.1|flannel-wg|flannel-wg-v6' \
    -e 'kube-ipvs0|nodelocaldns' -e 'cilium_(host|net|vxlan|wg0)' -e 'vxlan(-v6)?\.calico'
}

# In the formats of iptables-save: a chain of Kubernetes, of CNI plugins or of flannel, what is in
# it or leads to it, and rules without a chain of their own (kube-router's, older flannel's).
RULES='(^:|-A |-j |-g )((KUBE|CNI|FLANNEL)-|CILIUM_|cali-)'
RULES="$RULES|--comment \"?(KUBE-ROUTER |flanneld |NodeLocal DNS Cache: )"
TOOLS='iptables ip6tables iptables-legacy ip6tables-legacy'

filters() {
  for tool in $TOOLS; do
    count=$("$tool-save" 2>/dev/null | grep -cE -e "$RULES")
    [ "${count:-0}" = 0 ] || echo "$tool $count"
  done
}

# Tables of kube-proxy's and flannel's nftables modes, and of CNI's portmap where there is no
# iptables (flannel-io/flannel pkg/trafficmngr/nftables, containernetworking/plugins portmap).
nft_tables() {
  nft list tables 2>/dev/null | sed 's/^table //' |
    grep -xE '(ip|ip6|inet) (kube-proxy|flannel-ipv4|flannel-ipv6|cni_hostport)'
}

# Network policies' and kube-proxy's (cloudnativelabs/kube-router netpol: KUBE-SRC-, KUBE-DST-).
ip_sets() { ipset list -n 2>/dev/null | grep -E '^(inet6:)?KUBE-'; }

# kube-vip adds the address with the prefix that its manifest says, and a kube-vip that is killed
# leaves it: two machines answer for it then (kube-vip/kube-vip#996).
addresses() {
  [ -n "$VIP" ] || return 0
  ip -o addr show to "$VIP" | awk '$4 ~ "/(32|128)$" {print $4, $2}'
}

# What CNI keeps of pods that are gone: addresses that would stay taken. The network's name is that
# of K3s's own CNI configuration (k3s-io/k3s pkg/agent/flannel/setup_linux.go).
pod_records() {
  for path in /var/lib/cni/networks/cbr0 /var/lib/cni/flannel; do
    [ ! -e "$path" ] || echo "$path"
  done
}
