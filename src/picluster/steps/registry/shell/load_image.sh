trap 'rm -f "$ARCHIVE"' EXIT
said=$(docker load -q -i "$ARCHIVE")
echo "$said"
docker image inspect "$IMAGE" >/dev/null 2>&1 || {
  echo "$IMAGE is not in the archive: $said" >&2
  exit 1
}
