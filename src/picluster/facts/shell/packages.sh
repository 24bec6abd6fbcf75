# shellcheck disable=SC2154 # dpkg.sh says what is not set here
eval "set -- $PACKAGES"
for name in "$@"; do
  # An architecture, a version or a release may follow the name.
  name=${name%%[:=/]*}
  case $LINE_END$packages$LINE_END in
    *"${LINE_END}installed $name$LINE_END"*) echo "have=installed $name" ;;
  esac
done
[ "$interrupted" = no ] || echo interrupted=yes
echo "age=$lists_age"
for list in /var/lib/apt/lists/*_Packages* /var/lib/apt/lists/*.lz4; do
  [ ! -e "$list" ] || return 0
done
echo lists=none
