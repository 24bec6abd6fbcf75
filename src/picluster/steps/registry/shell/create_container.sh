docker stop -t 10 "$CONTAINER" >/dev/null 2>&1 || true
docker rm -f "$CONTAINER" "$STAND_IN" >/dev/null 2>&1 || true
mkdir -p "$VOLUME"
# What holds files already may be somebody's; `reset --data` deletes only where the mark is.
[ -n "$(find "$VOLUME" -mindepth 1 -maxdepth 1 ! -name lost+found)" ] || : >"$VOLUME/$MARK"
# It sets `inputs`, which START uses for the label that says which files were read.
eval "$INPUTS"
eval "$START"
