# Scripts run as root; sudo says who logged in.
user=${SUDO_USER:-root}
home=$(getent passwd "$user" | cut -d: -f6)
