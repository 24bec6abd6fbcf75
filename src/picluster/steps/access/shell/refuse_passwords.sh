set -e
part=$(mktemp /etc/ssh/.picluster-sshd.XXXXXX)
trap 'rm -f "$part"' EXIT
printf %s "$TEXT" >"$part"
chmod 0644 "$part"
systemctl stop "$UNIT.timer" 2>/dev/null || true
systemctl reset-failed "$UNIT.service" 2>/dev/null || true
systemd-run -q --unit="$UNIT" --on-active="$SECONDS_TO_PROVE_IT" sh -c "$REVERT"
mv "$part" "$FILE"
if ! sshd -t; then
  rm -f "$FILE"
  systemctl stop "$UNIT.timer"
  exit 1
fi
systemctl reload ssh 2>/dev/null || systemctl reload sshd
