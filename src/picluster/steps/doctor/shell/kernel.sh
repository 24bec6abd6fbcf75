# Whether the modules of the running kernel are there, and what asks for a reboot.
# shellcheck disable=SC2154 # uname.sh says $kernel
echo "release=$kernel"
[ ! -e /run/systemd/container ] || echo container=yes
[ ! -d "/lib/modules/$kernel" ] || echo modules=yes
for others in /lib/modules/*; do
  [ ! -e "$others" ] || echo others=yes
done
[ ! -d /boot/firmware/current ] || [ ! -d /boot/firmware/new ] || echo untried=yes
[ ! -e /run/reboot-required ] || echo reboot=yes
if [ -r /run/reboot-required.pkgs ]; then
  while read -r package; do echo "package=$package"; done </run/reboot-required.pkgs
fi
true
