while read -r key _ user _; do [ "$key" != Uid: ] || break; done </proc/self/status
echo "user=$user"
read -r init </proc/1/comm
echo "init=$init"
command -v apt-get >/dev/null && command -v dpkg >/dev/null && echo apt=yes
# shellcheck disable=SC2154 # architecture.sh says $arch
echo "arch=$arch"
case $arch in arm64 | amd64) ;; *) echo "kernel=$(uname -m)" ;; esac
pretty=
[ ! -r /etc/os-release ] || while read -r line; do
  case $line in PRETTY_NAME=*) ;; *) continue ;; esac
  pretty=${line#PRETTY_NAME=}
  pretty=${pretty#[\"\']}
  pretty=${pretty%[\"\']}
done </etc/os-release
echo "pretty=$pretty"
