#!/bin/busybox sh
# The first program of the machine: mounts the root that the kernel's command line names.
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
# In the order in which they need each other; the name of each begins with its number.
for module in /modules/*; do /bin/busybox insmod "$module"; done
root='' first=/sbin/init
# shellcheck disable=SC2013 # words are what is wanted
for word in $(/bin/busybox cat /proc/cmdline); do
  case $word in
    root=*) root=${word#root=} ;;
    init=*) first=${word#init=} ;;
  esac
done
while [ ! -e "$root" ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 -o rw "$root" /root
for mounted in proc sys dev; do /bin/busybox mount -o move "/$mounted" "/root/$mounted"; done
exec /bin/busybox switch_root /root "$first"
