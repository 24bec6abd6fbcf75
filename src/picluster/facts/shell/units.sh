# What systemd has of all UNITS that any probe asks for. `unit NAME` sets `enabled`, `active`,
# `substate`, `restarts`, `condition` and `result`, in systemd's own words; it fails if there is none.
# Names, as chrony is also chronyd.
# shellcheck disable=SC2086 # words are what is wanted
units=$(systemctl show --property=Names,LoadState,UnitFileState,ActiveState,SubState \
  --property=NRestarts,ConditionResult,Result $UNITS 2>/dev/null)
# shellcheck disable=SC2034 # for the scripts that follow
unit() {
  enabled='' active=inactive substate='' restarts='' condition='' result=''
  rest=$units
  while [ -n "$rest" ]; do
    block=${rest%%"$BLANK_LINE"*}
    rest=${rest#"$block"}
    rest=${rest#"$BLANK_LINE"}
    case $block in *"LoadState=not-found"*) continue ;; esac
    case $block in *[=\ ]"$1.service"*) ;; *) continue ;; esac
    while IFS='=' read -r key value; do
      case $key in
        UnitFileState) enabled=$value ;;
        ActiveState) active=$value ;;
        SubState) substate=$value ;;
        NRestarts) restarts=$value ;;
        ConditionResult) condition=$value ;;
        Result) result=$value ;;
      esac
    done <<BLOCK
$block
BLOCK
    # One that is a script in init.d.
    [ "$enabled" = generated ] || return 0
    enabled=disabled
    for link in /etc/rc[2-5].d/S[0-9][0-9]"$1"; do [ ! -e "$link" ] || enabled=enabled; done
    return 0
  done
  return 1
}
starts_at_boot() {
  unit "$1" || return
  case $enabled in enabled* | static | alias | indirect) ;; *) return 1 ;; esac
}
