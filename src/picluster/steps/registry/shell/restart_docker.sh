systemctl enable --quiet docker
systemctl reset-failed docker docker.socket 2>/dev/null || true
systemctl restart docker || {
  journalctl --no-pager -o cat -n 15 -u docker >&2
  exit 1
}
