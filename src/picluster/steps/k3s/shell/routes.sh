# shellcheck disable=SC2034 # for the scripts that follow
addresses=$(ip -o addr show)
# shellcheck disable=SC2034
routes=$(ip -4 -o route show 2>/dev/null)
# shellcheck disable=SC2034
routes6=$(ip -6 -o route show 2>/dev/null)
