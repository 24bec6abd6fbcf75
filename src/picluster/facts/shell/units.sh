# What systemd has of all UNITS that any probe asks for. `unit NAME` sets `enabled`, `active`,
# `substate`, `restarts`, `condition` and `result`, in systemd's own words; it fails if there is none.
# Names, as chrony is also chronyd. Each unit costs systemd a millisecond, those that there are not
# too: only those are asked for that have a file (systemd.unit(5)).
known=''
for name in $UNITS; do
  for each in /usr/lib/systemd/system /etc/systemd/system /usr/local/lib/systemd/system \
    /run/systemd/system /run/systemd/transient /run/systemd/generator.late; do
    [ ! -e "$each/$name.service" ] || { known="$known $name"; break; }
  done
done
units=''
# shellcheck disable=SC2086 # words are what is wanted
[ -z "$known" ] || units=$(systemctl show --property=Names,LoadState,UnitFileState,ActiveState \
  --property=SubState,NRestarts,ConditionResult,Result $known 2>/dev/null)
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
