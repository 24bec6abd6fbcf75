# That of programs, asked once: probes share a shell.
[ -n "$arch" ] || arch=$(dpkg --print-architecture 2>/dev/null)
