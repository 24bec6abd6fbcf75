docker stop -t 10 "$CONTAINER" >/dev/null 2>&1 || true
docker rm -f "$CONTAINER" "$STAND_IN" >/dev/null 2>&1 || true
mkdir -p "$VOLUME"
# What holds files already may be somebody's; `reset --data` deletes only where the mark is.
[ -n "$(find "$VOLUME" -mindepth 1 -maxdepth 1 ! -name lost+found)" ] || : >"$VOLUME/$MARK"
# shellcheck disable=SC2034 # START uses it, for the label that says which files were read
inputs=$(eval "$INPUTS")
eval "$START"
