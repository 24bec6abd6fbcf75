#!/bin/sh
# Makes the unpacked packages a Debian, once, as the first program under the emulated kernel: no
# program for arm64 runs anywhere else. Then it is what Raspberry Pi OS is after its first boot: a
# user whom sudo asks for a password, swap in a file and in memory, a boot partition.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LANG=C
make_debian() {
  mkdir -p /etc/dpkg/dpkg.cfg.d
  echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/emulated
  /debootstrap/debootstrap --second-stage || { tail -n 40 /debootstrap/debootstrap.log; return 1; }
  rm -rf /var/cache/apt/archives/*.deb
  for kind in proc sysfs; do  # which debootstrap takes away again
    [ -e "/${kind%fs}/kernel" ] || [ -e "/${kind%fs}/self" ] || mount -t $kind $kind "/${kind%fs}"
  done
  depmod
  echo 'deb [trusted=yes] file:/var/lib/picluster-vm/packages ./' >/etc/apt/sources.list
  # Emulated on a busy computer, a disk may take longer to be seen than systemd waits for one.
  echo 'LABEL=BOOTFS /boot/firmware vfat defaults,x-systemd.device-timeout=15min 0 2
/var/swap none swap sw 0 0' >/etc/fstab
  fallocate -l 128M /var/swap && chmod 600 /var/swap && mkswap -q /var/swap
  printf '[zram0]\nzram-size = ram / 4\n' >/etc/systemd/zram-generator.conf
  useradd -m -s /bin/bash -G sudo "$PI_USER"
  echo "$PI_USER:$PI_PASSWORD" | chpasswd
  echo raspberrypi >/etc/hostname
  printf '127.0.0.1 localhost\n127.0.1.1 raspberrypi\n' >/etc/hosts
  echo "nameserver $NAME_SERVER" >/etc/resolv.conf
  # User-mode networking gives the machine this address, and nobody else is there.
  printf '[Match]\nName=e*\n[Network]\nAddress=%s/24\nGateway=%s\n' "$ADDRESS" "$GATEWAY" \
    >/etc/systemd/network/wired.network
  systemctl enable systemd-networkd ssh
  systemctl disable systemd-networkd-wait-online
  : >/etc/machine-id
}
make_debian && echo "$READY"
sync
echo u >/proc/sysrq-trigger
echo b >/proc/sysrq-trigger
