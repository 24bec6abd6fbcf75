# Has sshd run, and switches the memory cgroup on. MEMORY_CGROUP is the command that tells whether
# the kernel has it: its line counts, not the file, as some firmware has it on already. REBOOT is a
# file that says that the change wants a restart. Raspberry Pi OS is told that OWNER is its user:
# else its wizard asks for one at the next boot, and sshd greets with "may not work until" there is.
# The image's own name leaves /etc/hosts: sudo looks its machine up, and waits where no DNS answers.
! command -v cancel-rename >/dev/null || cancel-rename "$OWNER"
sed -i "s/^127\.0\.1\.1[[:space:]].*/127.0.1.1 $(uname -n)/" /etc/hosts
systemctl enable --now ssh 2>/dev/null || systemctl enable --now ssh.socket
if (eval "$MEMORY_CGROUP") | grep -q memory=no; then
  for file in /boot/firmware/current/cmdline.txt /boot/firmware/cmdline.txt; do
    [ -f "$file" ] || continue
    grep -qw cgroup_enable=memory "$file" ||
      sed -i.before-picluster '1s/[[:space:]]*$/ cgroup_enable=memory cgroup_memory=1/' "$file"
    touch "$REBOOT"
    break
  done
fi
