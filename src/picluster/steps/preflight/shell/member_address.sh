# The address by which the other members of etcd know this server: from what K3s wrote for etcd at its
# last start, or else from its own configuration. Nothing where there is no etcd.
etcd=/var/lib/rancher/k3s/server/db/etcd
[ -d "$etcd" ] || return 0
echo member=yes
[ ! -r "$etcd/config" ] || sed -n 's|^advertise-client-urls: *https\{0,1\}://\(.*\):2379.*|address=\1|p' "$etcd/config"
[ ! -r /etc/rancher/k3s/config.yaml ] || sed -n "s|^node-ip: *['\"]\{0,1\}\([0-9A-Fa-f.:]*\).*|address=\1|p" /etc/rancher/k3s/config.yaml
