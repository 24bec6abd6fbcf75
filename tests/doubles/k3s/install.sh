#!/bin/sh
# K3s stand-in: installs the stand-in as the official script installs K3s, as far as picluster goes.
set -e

info() { echo "[INFO]  $* (stand-in)"; }
fatal() { echo "[ERROR] $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fatal "the install script must run as root"

bin=${INSTALL_K3S_BIN_DIR:-/usr/local/bin}
units=${INSTALL_K3S_SYSTEMD_DIR:-/etc/systemd/system}

# The command: from INSTALL_K3S_EXEC, then from arguments; K3S_URL makes an agent.
# shellcheck disable=SC2086 # words, as K3s's own script reads them
set -- ${INSTALL_K3S_EXEC:-} "$@"
case "${1:-}" in
  server|agent) role=$1; shift ;;
  *)
    role=server
    if [ -n "${K3S_URL:-}" ]; then
      [ -n "${K3S_TOKEN:-}${K3S_TOKEN_FILE:-}" ] ||
        fatal "Defaulted k3s exec command to 'agent' because K3S_URL is defined, but K3S_TOKEN or K3S_TOKEN_FILE is not defined."
      role=agent
    fi ;;
esac
name=k3s
[ "$role" = server ] || name=k3s-agent
[ -z "${INSTALL_K3S_NAME:-}" ] || name="k3s-$INSTALL_K3S_NAME"
uninstall="$bin/$name-uninstall.sh"

case "${INSTALL_K3S_SKIP_DOWNLOAD:-}" in
  true|binary)
    [ -x "$bin/k3s" ] || fatal "Executable k3s binary not found at $bin/k3s"
    info "Skipping k3s download and verify" ;;
  *)
    [ -n "${INSTALL_K3S_RELEASE_URL:-}" ] ||
      fatal "the stand-in is not on GitHub: set INSTALL_K3S_SKIP_DOWNLOAD=true, or INSTALL_K3S_RELEASE_URL"
    [ -n "${INSTALL_K3S_VERSION:-}" ] || fatal "INSTALL_K3S_VERSION is not set"
    suffix=
    case "$(uname -m)" in aarch64|arm64) suffix=-arm64 ;; esac
    url="$INSTALL_K3S_RELEASE_URL/$(echo "$INSTALL_K3S_VERSION" | sed 's/+/%2B/g')/k3s$suffix"
    info "Downloading binary $url"
    curl -sfL -o "$bin/k3s.new" "$url" || fatal "Download failed"
    chmod 755 "$bin/k3s.new"
    mv -f "$bin/k3s.new" "$bin/k3s" ;;
esac

for tool in kubectl crictl ctr; do
  if [ -L "$bin/$tool" ] || ! command -v "$tool" >/dev/null 2>&1; then
    info "Creating $bin/$tool symlink to k3s"
    ln -sf k3s "$bin/$tool"
  else
    info "Skipping $bin/$tool symlink to k3s, command exists in PATH"
  fi
done

info "Creating killall script $bin/k3s-killall.sh"
cat >"$bin/k3s-killall.sh" <<KILLALL
#!/bin/sh
# K3s stand-in: stops what runs, pods too, and takes the network down, as far as K3s's own does:
# it leaves host-gw's routes (k3s-io/k3s#2808).
[ "\$(id -u)" = 0 ] || exec sudo "\$0" "\$@"
for unit in $units/k3s*.service; do
  [ -e "\$unit" ] && systemctl stop "\$(basename "\$unit")"
done
pkill -KILL -f '^/var/lib/rancher/k3s/data/[^/]*/bin/containerd-shim'
grep -oE ' (/run/k3s|/var/lib/kubelet/(pods|plugins))[^ ]*' /proc/mounts | sort -r |
  while read -r at; do umount -f "\$at"; done
for space in /run/netns/cni-*; do
  [ ! -e "\$space" ] || ip netns delete "\${space##*/}"
done
for link in \$(ip -o link show master cni0 2>/dev/null | sed 's/^[0-9]*: //; s/[@:].*//') \
  cni0 flannel.1 flannel-v6.1 kube-ipvs0 flannel-wg flannel-wg-v6; do
  ip link delete "\$link" 2>/dev/null
done
rm -rf /var/lib/cni/
for tool in iptables ip6tables; do
  ! command -v "\$tool-save" >/dev/null ||
    "\$tool-save" | grep -vE 'KUBE-|CNI-|[Ff][Ll][Aa][Nn][Nn][Ee][Ll]' | "\$tool-restore"
done
exit 0
KILLALL
chmod 755 "$bin/k3s-killall.sh"

info "Creating uninstall script $uninstall"
cat >"$uninstall" <<UNINSTALL
#!/bin/sh
# K3s stand-in: removes everything, data included.
set -x
[ "\$(id -u)" = 0 ] || exec sudo "\$0" "\$@"
$bin/k3s-killall.sh
systemctl disable $name
systemctl reset-failed $name
systemctl daemon-reload
rm -f $units/$name.service $units/$name.service.env
rm -rf $units/$name.service.d
systemctl daemon-reload
remove_uninstall() { rm -f $uninstall; }
trap remove_uninstall EXIT
if ls $units/k3s*.service >/dev/null 2>&1; then
  set +x; echo 'Additional k3s services installed, skipping uninstall of k3s'; set -x
  exit
fi
for tool in kubectl crictl ctr; do
  [ -L $bin/\$tool ] && rm -f $bin/\$tool
done
rm -rf /etc/rancher/k3s /run/k3s /run/flannel /var/lib/rancher/k3s /var/lib/kubelet
rm -f $bin/k3s $bin/k3s-killall.sh
UNINSTALL
chmod 755 "$uninstall"

info "env: Creating environment file $units/$name.service.env"
umask_before=$(umask)
umask 077
env | grep '^K3S_' | grep -v '^K3S_NODE_NAME=$' | sed 's/=\(.*\)/="\1"/' >"$units/$name.service.env" || true
env | grep -Ei '^(NO|HTTP|HTTPS)_PROXY' >>"$units/$name.service.env" || true
chmod 600 "$units/$name.service.env"
umask "$umask_before"

after=
for argument in "$@"; do after="$after '$argument'"; done
info "systemd: Creating service file $units/$name.service"
cat >"$units/$name.service" <<UNIT
[Unit]
Description=Lightweight Kubernetes (K3s stand-in)
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-$units/$name.service.env
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=$bin/k3s $role$after
UNIT
chmod 644 "$units/$name.service"

if [ "${INSTALL_K3S_SKIP_ENABLE:-}" != true ]; then
  info "systemd: Enabling $name unit"
  systemctl enable "$units/$name.service" >/dev/null
  systemctl daemon-reload >/dev/null
  if [ "${INSTALL_K3S_SKIP_START:-}" != true ]; then
    info "systemd: Starting $name"
    systemctl restart "$name"
  fi
fi
