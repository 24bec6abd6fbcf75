# Makes a fresh lab card of Debian trixie what Raspberry Pi OS's image of 2026-06-18 is before its first
# boot, as far as its public sources tell; the parts that are ours are stand-ins, and named here.
# - cloud-init reads the boot partition (rpi-cloud-init-mods: 99_raspberry-pi.cfg) and leaves the
#   network to NetworkManager's own settings (cloudinit/distros/raspberry_pi_os.py)
# - there is a user `pi` without a password, for whom sudo asks one, and no sshd (pi-gen: stage1 and
#   stage2, 01-sys-tweaks)
# - a wizard waits for a user (userconf-pi: userconfig.service); `cancel-rename` ends that
# - rpi-swap makes swap by a generator, and has a timer that writes it to the card
set -e
rm -r /etc/cloud/cloud-init.disabled /etc/sudoers.d/010_pi-nopasswd /home/pi/.ssh /etc/ssh/ssh_host_*
systemctl --quiet disable ssh
echo raspberrypi >/etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n' >/etc/hosts
cat >/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg <<'END'
datasource_list: [NoCloud, None]
datasource: {NoCloud: {seedfrom: file:///boot/firmware}}
network: {config: disabled}
END
cat >/boot/firmware/cmdline.txt <<'END'
console=serial0,115200 console=tty1 root=PARTUUID=0badcafe-02 rootfstype=ext4 fsck.repair=yes rootwait resize
END
echo '# all comments' >/boot/firmware/network-config
echo '#cloud-config' >/boot/firmware/user-data
printf 'dsmode: local\ninstance_id: rpios-image\n' >/boot/firmware/meta-data

cat >/etc/systemd/system/userconfig.service <<'END'
[Unit]
After=systemd-user-sessions.service
[Service]
Type=oneshot
ExecStart=sleep infinity
[Install]
WantedBy=multi-user.target
END
echo 'Banner /etc/issue' >/etc/ssh/sshd_config.d/rename_user.conf
cat >/usr/bin/cancel-rename <<'END'
#!/bin/sh
rm -f /etc/ssh/sshd_config.d/rename_user.conf
systemctl --quiet disable userconfig
END

cat >/usr/lib/systemd/system-generators/rpi-swap-generator <<'END'
#!/bin/sh
! grep -qs '^Mechanism=none' /etc/rpi/swap.conf.d/*.conf || exit 0
mkdir -p "$1/multi-user.target.wants"
for unit in rpi-swap-stand-in.service rpi-zram-writeback.timer; do
  ln -s "/usr/lib/systemd/system/$unit" "$1/multi-user.target.wants/$unit"
done
END
mkdir -p /etc/rpi
echo '[Main]' >/etc/rpi/swap.conf
printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/sbin/swapon /dev/zram0\n' \
  >/usr/lib/systemd/system/rpi-swap-stand-in.service
printf '[Service]\nExecStart=true\n' >/usr/lib/systemd/system/rpi-zram-writeback.service
printf '[Timer]\nOnActiveSec=1h\n' >/usr/lib/systemd/system/rpi-zram-writeback.timer
chmod 755 /usr/bin/cancel-rename /usr/lib/systemd/system-generators/rpi-swap-generator
systemctl --quiet enable userconfig
