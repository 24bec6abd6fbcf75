# What matters only where the memory cgroup is off, as memory_cgroup.sh says. Ubuntu keeps the file
# in current/, and a kernel that it has not tried yet in new/, which replaces current/ after the next
# boot. Bookworm moved the file and left a note in its old place, which is not a command line.
for directory in /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/agent/kubelet.kubeconfig; do
  [ ! -e $directory ] || { echo cluster=yes; break; }
done
# shellcheck disable=SC2154 # memory_cgroup.sh says $memory
[ "$memory" = no ] || return 0
ignored=no
# shellcheck disable=SC2013 # words are what is wanted
for word in $(cat /proc/cmdline); do
  case $word in
    cgroup_enable=memory) ignored=yes ;;
    cgroup_disable=memory) ignored=no ;;
  esac
done
echo "ignored=$ignored"
[ ! -d /boot/firmware/current ] || [ ! -d /boot/firmware/new ] || echo untried=yes
for file in /boot/firmware/current/cmdline.txt /boot/firmware/cmdline.txt /boot/cmdline.txt; do
  [ -f $file ] && [ ! -L $file ] || continue
  ! grep -qi 'moved to' $file || continue
  echo "file=$file"
  echo "text=$(base64 -w0 <$file)"
  echo "mode=$(stat -c %a $file)"
  break
done
