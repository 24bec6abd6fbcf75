#!/bin/sh
# The rivals' work by hand; benchmarks/rivals.py adds the packages, files and service to see to.
set -eu

# same PATH TEXT: a file of root's, for all to read, that says just this.
same() {
    if [ "$(stat -c '%a %U %G' "$1" 2>/dev/null)" != "644 root root" ] ||
        ! printf %s "$2" | cmp -s - "$1"; then
        echo "changed $1"
        mkdir -p "${1%/*}"
        printf %s "$2" >"$1"
        chown root:root "$1"
        chmod 644 "$1"
    fi
}
