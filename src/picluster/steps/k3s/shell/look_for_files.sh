# Prints `left=` each of FILES (words, patterns among them), of K3s's links to itself, and of the
# directories DATA_DIR and KUBELET_DIR that holds more than VOLUMES; and what is lost with them.
for path in $FILES; do
  [ ! -e "$path" ] && [ ! -L "$path" ] || echo "left=$path"
done
for tool in $TOOLS_OF_K3S; do
  [ "$(readlink "/usr/local/bin/$tool")" != k3s ] || echo "left=/usr/local/bin/$tool"
done
for path in "$KUBELET_DIR" "$DATA_DIR"; do
  [ -d "$path" ] || continue
  rest=$(find "$path" -mindepth 1 -maxdepth 1 ! -path "$VOLUMES" | head -n 1)
  [ -z "$rest" ] || echo "left=$path"
done
[ ! -d "$DATA_DIR/server/db" ] || echo "database=yes"
echo "snapshots=$(find "$DATA_DIR/server/db/snapshots" -type f 2>/dev/null | wc -l)"
