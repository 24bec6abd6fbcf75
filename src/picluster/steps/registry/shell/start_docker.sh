systemctl enable --quiet docker
if systemctl is-active --quiet docker; then
  systemctl reload docker
else
  systemctl reset-failed docker docker.socket 2>/dev/null || true
  systemctl start docker || {
    journalctl --no-pager -o cat -n 15 -u docker >&2
    exit 1
  }
fi
