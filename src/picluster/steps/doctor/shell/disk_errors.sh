# A container sees the log of its host.
[ ! -e /run/systemd/container ] || return 0
dmesg --level emerg,alert,crit,err,warn 2>/dev/null | awk '
  /EXT4-fs error|I\/O error|Remounting filesystem read-only/ ||
  /mmc[0-9]+: .*(error|timeout|timed out)|nvme.*(timeout|resetting|I\/O)/ {
    said[++count] = substr($0, 1, 160)
  }
  END { for (i = count > 3 ? count - 2 : 1; i <= count; i++) print "error=" said[i] }'
