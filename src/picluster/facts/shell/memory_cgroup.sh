# With version 2 only cgroup.controllers counts: /proc/cgroups may call it enabled and mean nothing.
memory=no
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  controllers=
  read -r controllers </sys/fs/cgroup/cgroup.controllers
  case " $controllers " in *" memory "*) memory=yes ;; esac
elif [ -e /proc/cgroups ]; then
  while read -r name _ _ enabled; do
    [ "$name $enabled" != "memory 1" ] || memory=yes
  done </proc/cgroups
fi
echo "memory=$memory"
