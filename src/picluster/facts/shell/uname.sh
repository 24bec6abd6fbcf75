# Sets `host` and `kernel` to what is in force.
uname=$(uname -nr)
# shellcheck disable=SC2034 # for the scripts that follow
host=${uname% *} kernel=${uname##* }
