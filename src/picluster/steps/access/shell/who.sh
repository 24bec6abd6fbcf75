# Scripts run as root; sudo says who logged in.
user=${SUDO_USER:-root}
# shellcheck disable=SC2034 # for the scripts that follow
home=$(getent passwd "$user" | cut -d: -f6)
