# A module is there by effect: loaded or built in with parameters (/sys/module), listed as built
# in, or, for a kernel that says neither, by the files that it makes.
# shellcheck disable=SC2154 # uname.sh says $kernel
builtin=/lib/modules/$kernel/modules.builtin
if [ ! -e "$builtin" ]; then
  set -- /lib/modules/*
  if [ ! -e "$1" ] || systemd-detect-virt -qc; then echo modules=none
  else echo "modules=other than for $kernel"; fi
fi
knows_overlay() {
  while read -r _ name; do [ "$name" != overlay ] || return 0; done </proc/filesystems
  return 1
}
eval "set -- $MODULES"
for module in "$@"; do
  # The kernel writes `_` where a file may have `-`.
  word=$module
  while :; do
    case $word in *-*) word=${word%%-*}_${word#*-} ;; *) break ;; esac
  done
  if [ -d "/sys/module/$word" ]; then echo "there=$module"
  elif [ -e "$builtin" ] && tr - _ <"$builtin" | grep -q "/$word\\.ko"; then echo "there=$module"
  elif [ "$word" = br_netfilter ] && [ -d /proc/sys/net/bridge ]; then echo "there=$module"
  elif [ "$word" = nf_conntrack ] && [ -d /proc/sys/net/netfilter ]; then echo "there=$module"
  elif [ "$word" = overlay ] && knows_overlay; then echo "there=$module"
  elif modprobe -qn "$module" 2>/dev/null; then echo "can=$module"; fi
done
