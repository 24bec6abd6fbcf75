#!/bin/sh
# The floor of a bare `up`: what a person would write for the same cluster, over plain ssh, with
# nothing looked at before and nothing checked after. All nodes at once wherever that is possible:
# apt, files, the memory cgroup and its reboot, K3s copied and installed; the first server, and then
# everybody else beside each other, which K3s puts in order itself.
#
#   bare.sh WAY KEY KNOWN_HOSTS RELEASE NAME=ADDRESS... [-- NAME=ADDRESS...]
#
# RELEASE is a directory with `k3s` and `install.sh`; servers come first, agents after `--`. WAY is how
# K3s gets to the nodes: `chain`, from one to the next while it arrives; `each`, sent to all from here;
# or the address of a directory that each node downloads it from.
set -eu
way=$1 key=$2 known=$3 release=$4
shift 4
control=$(mktemp -d)
trap 'rm -rf "$control"' EXIT

on() { # ADDRESS SCRIPT: as root, over one connection that is kept
  ssh -n -q -i "$key" -o UserKnownHostsFile="$known" -o BatchMode=yes -o ConnectTimeout=2 \
    -o ControlMaster=auto -o ControlPath="$control/%h" -o ControlPersist=60 "pi@$1" sudo sh -ec "'$2'"
}
put() { # FILE ADDRESS PATH MODE
  ssh -q -i "$key" -o UserKnownHostsFile="$known" -o BatchMode=yes -o ControlPath="$control/%h" \
    "pi@$2" "sudo sh -ec 'umask 077; mkdir -p ${3%/*}; cat >$3; chmod $4 $3'" <"$1"
}
everywhere() { # COMMAND: for each node, all at once; fails if it fails anywhere
  jobs=
  for node in $servers $agents; do
    "$1" "${node%=*}" "${node#*=}" & jobs="$jobs $!"
  done
  for job in $jobs; do wait "$job"; done
}

servers='' agents='' hosts='' role=server
for word in "$@"; do
  if [ "$word" = -- ]; then role=agent; continue; fi
  hosts="$hosts${word#*=} ${word%=*}\\n"
  if [ $role = server ]; then servers="$servers $word"; else agents="$agents $word"; fi
done
first=${servers# } first=${first%% *}
version=$("$release/k3s" --version | sed -n 's/^k3s version \([^ ]*\).*/\1/p')
token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')

prepare() {
  on "$2" "
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update >/tmp/apt 2>&1
    apt-get -y -q --no-install-recommends install curl wget git nano htop socat conntrack ipset \
      open-iscsi nfs-common systemd-timesyncd >>/tmp/apt 2>&1
    swapoff -a
    hostnamectl set-hostname $1
    printf \"$hosts\" >>/etc/hosts
    printf \"br_netfilter\noverlay\niscsi_tcp\n\" >/etc/modules-load.d/k3s.conf
    printf \"net.ipv4.ip_forward = 1\n\" >/etc/sysctl.d/90-k3s.conf
    sysctl -q -p /etc/sysctl.d/90-k3s.conf || true
    systemctl enable -q --now iscsid systemd-timesyncd
    sed -i \"1s/\$/ cgroup_memory=1 cgroup_enable=memory/\" /boot/firmware/cmdline.txt
    cat /proc/sys/kernel/random/boot_id >/tmp/boot
  "
  boot=$(on "$2" "cat /proc/sys/kernel/random/boot_id")
  on "$2" "systemctl reboot" || true
  rm -f "$control/$2"
  until [ "$(on "$2" "cat /proc/sys/kernel/random/boot_id" 2>/dev/null || echo "$boot")" != "$boot" ]; do
    sleep 1
  done
}
# Nobody is asked who he is, and nothing is compared: it is a floor.
chain() {
  jobs='' take=cat
  rest="$servers $agents "
  for node in $servers $agents; do
    rest=${rest#*"$node "}
    next=${rest# } next=${next%% *}
    give="tee /usr/local/bin/k3s"
    [ -z "$next" ] || give="$give | socat -u - TCP:${next#*=}:9000,retry=100,interval=0.1"
    if [ "$take" = cat ]; then
      ssh -q -i "$key" -o UserKnownHostsFile="$known" -o BatchMode=yes \
        "pi@${node#*=}" "sudo sh -ec '$give' >/dev/null" <"$release/k3s" &
    else
      on "${node#*=}" "$take | $give >/dev/null" &
    fi
    jobs="$jobs $!" take="socat -u TCP-LISTEN:9000,reuseaddr,accept-timeout=60 -"
  done
  for job in $jobs; do wait "$job"; done
}
install() {
  role=server url="server: https://${first#*=}:6443"
  case " $agents " in *" $1=$2 "*) role=agent ;; esac
  [ "$1=$2" != "$first" ] || url='cluster-init: true'
  case $way in
    chain) ;;
    each) put "$release/k3s" "$2" /usr/local/bin/k3s 755 ;;
    *) on "$2" "curl -sSf -o /usr/local/bin/k3s $way/k3s" ;;
  esac
  put "$release/install.sh" "$2" /var/tmp/install.sh 700
  # The token goes by stdin: a command line is everybody's to read.
  printf 'node-name: %s\ntoken: %s\n%s\nkubelet-arg: [fail-cgroupv1=false]\n' "$1" "$token" "$url" |
    put /dev/stdin "$2" /etc/rancher/k3s/config.yaml 600
  on "$2" "
    chmod 755 /usr/local/bin/k3s
    INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true INSTALL_K3S_EXEC=$role \
      INSTALL_K3S_VERSION=$version sh /var/tmp/install.sh >/tmp/install 2>&1
  "
}
start() {
  unit=k3s
  case " $agents " in *" $1=$2 "*) unit=k3s-agent ;; esac
  on "$2" "systemctl is-active -q $unit || systemctl start $unit"
  until on "${first#*=}" "k3s kubectl get nodes" 2>/dev/null | grep -q "^$1 *Ready"; do sleep 1; done
}

everywhere prepare
[ "$way" != chain ] || chain
everywhere install
start "${first%=*}" "${first#*=}"
everywhere start
