# Installs what is staged through the official script, and starts nothing.
if [ -e "$STAGING_DIR/k3s" ]; then
  cp "$STAGING_DIR/k3s" "$BINARY.new"
  sync "$BINARY.new"
  mv -f "$BINARY.new" "$BINARY"
fi
INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true INSTALL_K3S_EXEC=$ROLE \
  INSTALL_K3S_SKIP_ENABLE=$SKIP_ENABLE INSTALL_K3S_VERSION=$VERSION sh "$STAGING_DIR/install.sh"
systemctl daemon-reload
rm -f "$STAGING_DIR/k3s" "$STAGING_DIR/version"
