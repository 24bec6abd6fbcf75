# Ends with 1, after removing it, if the binary in STAGING_DIR is of another release than VERSION.
# What it printed instead can be anything: it is quoted without control characters.
said=$("$STAGING_DIR/k3s" --version 2>&1 | head -n 5 | tr '[:cntrl:]' ' ') || true
found=$(printf '%s\n' "$said" | sed -n 's/^k3s version \(v[^ ]*\).*/\1/p')
if [ "$found" != "$VERSION" ]; then
  rm -f "$STAGING_DIR/k3s"
  if [ -n "$found" ]; then
    echo "the release directory holds K3s $found, not $VERSION" >&2
  else
    printf "the release directory does not hold K3s %s: its --version printed '%.300s'\n" \
      "$VERSION" "$said" >&2
  fi
  exit 1
fi
printf '%s\n' "$VERSION" >"$STAGING_DIR/version"
