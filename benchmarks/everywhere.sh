#!/bin/sh
# everywhere.sh KEY KNOWN_HOSTS PORT SCRIPT ADDRESS...: run a script as root on all nodes at once.
set -eu
key=$1 known_hosts=$2 port=$3 script=$4
shift 4
running=
for address in "$@"; do
    ssh -F none -i "$key" -p "$port" -o BatchMode=yes -o UserKnownHostsFile="$known_hosts" \
        "pi@$address" sudo sh -s <"$script" &
    running="$running $!"
done
for each in $running; do
    wait "$each"
done
