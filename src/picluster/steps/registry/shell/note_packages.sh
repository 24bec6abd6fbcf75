# What is installed already is not ours to remove later. A mark that is there stays: the run that
# wrote it may have been cut off half-way through the installation.
[ -s "$MARK" ] && exit 0
mkdir -p "$(dirname "$MARK")"
eval "set -- $PACKAGES"
for package in "$@"; do
  case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
    installed) ;;
    *) echo "$package" ;;
  esac
done >"$MARK"
