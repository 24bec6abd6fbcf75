# shellcheck disable=SC2154 # architecture.sh says $arch, units.sh $active and $enabled
echo "arch=${arch:-$(uname -m)}"
[ ! -r "$STAGING_DIR/install.sh" ] || echo installer=yes
[ ! -r "$STAGING_DIR/version" ] || { read -r line <"$STAGING_DIR/version"; echo "staged=$line"; }
digest=$(eval "$READ_AT_START")
digest=${digest%% *}
echo "on_disk=$digest"
version=''
for each in k3s k3s-agent; do
  [ -e "/etc/systemd/system/$each.service" ] || continue
  unit $each
  echo "unit=$each"
  echo "active=$active"
  echo "enabled=$enabled"
  [ ! -e "/etc/systemd/system/$each.service.d/10-picluster.conf" ] || [ ! -x "$RECORDER" ] ||
    echo recorder=yes
  loaded=$LOADED_DIR/$each.loaded
  [ ! -r "$loaded" ] || {
    { read -r line; read -r kind what noted _ || :; } <"$loaded"
    echo "loaded=$line"
    [ "$line $kind $what" != "$digest k3s version" ] || version=$noted
  }
done
# Nothing changed since the start: its version is what it was then. Else the program is asked, which
# takes a Pi half a second; the outer binary answers, and unpacks nothing on disk.
if [ -z "$version" ] && [ -x "$BINARY" ]; then
  # shellcheck disable=SC2046 # words are what is wanted
  set -- $("$BINARY" --version 2>/dev/null)
  [ "$1 $2" != "k3s version" ] || version=$3
fi
[ -z "$version" ] || echo "version=$version"
if [ -d "$SERVER_DIR/db/etcd" ]; then echo datastore=etcd
elif [ -e "$SERVER_DIR/db/state.db" ]; then echo datastore=sqlite
else echo datastore=none; fi
if [ -r "$SERVER_DIR/tls/server-ca.crt" ]; then
  digest=$(sha256sum <"$SERVER_DIR/tls/server-ca.crt")
  echo "ca=${digest%% *}"
fi
[ ! -e "$DATA_DIR/agent/kubelet.kubeconfig" ] || echo joined=yes
[ ! -e "$NODE_PASSWORD" ] || echo password=yes
