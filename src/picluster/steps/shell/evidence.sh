# Each command tells of itself when it fails: that a program is not there is evidence too.
show() {
  printf '=== %s\n' "$1"
  eval "$1" 2>&1 | tail -n 400
}
show 'cat /etc/os-release'
show 'uname -a'
show 'cat /proc/cmdline'
show 'tr -d "\000" </proc/device-tree/model'
show 'uptime'
show 'free -m'
show 'df -hT'
show 'df -i'
show 'lsblk'
show 'cat /proc/swaps'
show 'cat /proc/mounts'
show 'ip address'
show 'ip route'
show 'systemctl --failed --no-pager --no-legend'
show 'k3s --version'
show 'cat /etc/rancher/k3s/config.yaml'
show 'cat /etc/rancher/k3s/registries.yaml'
show 'systemctl status k3s k3s-agent --no-pager --lines 0'
show 'journalctl -u k3s -u k3s-agent -n 300 --no-pager -o short-iso'
show 'journalctl -u docker -u ssh -n 60 --no-pager -o short-iso'
show 'docker ps -a --no-trunc'
show 'vcgencmd get_throttled'
show 'dmesg --level err,warn --ctime'
true
