# Prints `KEY=VALUE` for each of KEYS, pairs of a key and its path, that can be read. The shell's own
# `read` takes a byte at a time, and the kernel gives out a parameter by one read, or its first byte.
eval "set -- $PATHS"
values=$(grep -sH '' "$@")
eval "set -- $KEYS"
while [ $# -gt 0 ]; do
  case $values in *"$2:"*)
    value=${values#*"$2:"}
    echo "$1=${value%%"$LINE_END"*}"
    ;;
  esac
  shift 2
done
