# Prints what there is of K3s: its release, units, and what identifies the data of its cluster.
# FINGERPRINT is the command that digests what K3s reads at start.
echo "arch=$(dpkg --print-architecture 2>/dev/null || uname -m)"
# The outer binary answers this, and unpacks nothing on the disk.
[ ! -x "$BINARY" ] || echo "version=$("$BINARY" --version 2>/dev/null |
  sed -n '1s/^k3s version \([^ ]*\).*/\1/p')"
[ ! -r "$STAGING_DIR/install.sh" ] || echo installer=yes
[ ! -r "$STAGING_DIR/version" ] || echo "staged=$(cat "$STAGING_DIR/version")"
for unit in k3s k3s-agent; do
  [ -e "/etc/systemd/system/$unit.service" ] || continue
  echo "unit=$unit"
  echo "active=$(systemctl is-active "$unit")"
  echo "enabled=$(systemctl is-enabled "$unit" 2>/dev/null)"
  [ ! -e "/etc/systemd/system/$unit.service.d/10-picluster.conf" ] || [ ! -x "$RECORDER" ] ||
    echo recorder=yes
  [ ! -r "$LOADED_DIR/$unit.loaded" ] || echo "loaded=$(cat "$LOADED_DIR/$unit.loaded")"
done
echo "on_disk=$(eval "$FINGERPRINT")"
if [ -d "$SERVER_DIR/db/etcd" ]; then echo datastore=etcd
elif [ -e "$SERVER_DIR/db/state.db" ]; then echo datastore=sqlite
else echo datastore=none; fi
[ ! -r "$SERVER_DIR/tls/server-ca.crt" ] ||
  echo "ca=$(sha256sum <"$SERVER_DIR/tls/server-ca.crt" | cut -d' ' -f1)"
[ ! -e "$DATA_DIR/agent/kubelet.kubeconfig" ] || echo joined=yes
[ ! -e "$NODE_PASSWORD" ] || echo password=yes
