# Sets `host` and `kernel` to what is in force, asked once: probes share a shell.
[ -n "$uname" ] || uname=$(uname -nr)
# shellcheck disable=SC2034 # for the scripts that follow
host=${uname% *} kernel=${uname##* }
