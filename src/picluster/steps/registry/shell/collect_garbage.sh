# A read-only container stands in for the registry meanwhile: START_STAND_IN is the command that
# starts it, CODE one that prints the HTTP status of an answer.
set -e
answered() {
  tries=0
  until case $(eval "$CODE") in 200 | 401) true ;; *) false ;; esac do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || {
      echo "the registry does not answer at $URL" >&2
      docker logs --tail 15 "$CONTAINER" >&2
      exit 1
    }
    # No wait of the workstation's: the registry has to come back even if that goes away.
    sleep 1
  done
}
back() {
  docker rm -f "$STAND_IN" >/dev/null 2>&1 || true
  docker start "$CONTAINER" >/dev/null
  answered
}
trap back EXIT
trap 'exit 1' TERM INT HUP
echo "before=$(du -sb "$VOLUME" | cut -f1)"
docker stop -t 30 "$CONTAINER" >/dev/null
docker rm -f "$STAND_IN" >/dev/null 2>&1 || true
eval "$START_STAND_IN" >/dev/null
answered
config=$(docker container inspect -f '{{range .Config.Cmd}}{{println .}}{{end}}' "$STAND_IN" |
  grep -E '[.]ya?ml$' | tail -n 1)
if [ "$UNTAGGED" = True ]; then set -- --delete-untagged "$config"; else set -- "$config"; fi
docker exec "$STAND_IN" registry garbage-collect "$@" >&2
echo "after=$(du -sb "$VOLUME" | cut -f1)"
