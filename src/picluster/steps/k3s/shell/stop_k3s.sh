for unit in k3s k3s-agent; do
  systemctl disable --now --quiet $unit 2>/dev/null || true
done
