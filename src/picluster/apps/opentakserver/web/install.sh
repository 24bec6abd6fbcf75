#!/bin/sh
# Installs what the web interface is built with, in its source's directory: as the lock file says
# or, where upstream forgot to write that anew, as yarn resolves it now, and says so.
set -u
yarn() { node .yarn/releases/yarn-*.cjs "$@"; }
said=$(mktemp)
{ yarn install --immutable 2>&1 || echo "install.sh: refused"; } | tee "$said"
grep -q '^install.sh: refused' "$said" || exit 0
# Only a stale lock file is cured by leaving it: https://yarnpkg.com/advanced/error-codes
grep -q YN0028 "$said" || exit 1
echo "picluster: the lock file of this source is stale; its dependencies are resolved anew, and may" \
  "be other ones than upstream has built it with"
yarn install --no-immutable || exit 1
echo "picluster: lines of yarn.lock that are new and gone: $(git diff --numstat yarn.lock)"
