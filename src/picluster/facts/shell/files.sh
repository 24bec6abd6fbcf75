# Asks for mode, owner and digest of all of KEPT that are there. `file PATH` sets `access` and
# `digest`; it fails if there is no such file.
set --
for each in $KEPT; do [ ! -f "$each" ] || set -- "$@" "$each"; done
files=$LINE_END
[ $# -eq 0 ] || files=$files$(stat -c '%n %a %U:%G' "$@"; sha256sum "$@")$LINE_END
# shellcheck disable=SC2034 # for the scripts that follow
file() {
  [ -f "$1" ] || return
  case $files in
    *"  $1$LINE_END"*)
      access=${files#*"$LINE_END$1 "}
      access=${access%%"$LINE_END"*}
      digest=${files%%"  $1$LINE_END"*}
      digest=${digest##*"$LINE_END"}
      ;;
    *)
      access=$(stat -c '%a %U:%G' "$1")
      digest=$(sha256sum <"$1")
      digest=${digest%% *}
      ;;
  esac
}
