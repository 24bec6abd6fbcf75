systemctl stop docker.socket docker containerd 2>/dev/null || true
export DEBIAN_FRONTEND=noninteractive
eval "set -- $PACKAGES"
apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 purge -- "$@"
for directory in /var/lib/docker /var/lib/containerd; do
  [ ! -d $directory ] || find $directory -mindepth 1 -delete
  rmdir $directory 2>/dev/null || true
done
rm -rf /run/docker /etc/docker/key.json
# Docker's chains stay behind in the kernel, and its bridge. Only lines that name them are left out:
# all other rules of the host are put back as they are.
if command -v iptables-save >/dev/null; then
  for kind in iptables ip6tables; do
    $kind-save 2>/dev/null | grep -vE 'DOCKER|docker0' | $kind-restore 2>/dev/null || true
  done
fi
ip link delete docker0 2>/dev/null || true
