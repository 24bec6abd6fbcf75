# shellcheck disable=SC2034 # for the scripts that follow
arch=$(dpkg --print-architecture 2>/dev/null)
