# With version 2 only cgroup.controllers counts: /proc/cgroups may call it enabled and mean nothing.
if grep -qsw memory /sys/fs/cgroup/cgroup.controllers; then echo memory=yes
elif grep -qsE '^memory[[:space:]].*[[:space:]]1$' /proc/cgroups &&
  [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then echo memory=yes
else echo memory=no; fi
