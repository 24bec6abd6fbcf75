# K3s's install script makes this file anew, with the proxies of its own environment: those that
# somebody set here by hand go through it.
kept=/etc/systemd/system/"$UNIT".service.env
if [ -r "$kept" ]; then
  while IFS='=' read -r name value; do
    case $name in
      HTTP_PROXY | HTTPS_PROXY | NO_PROXY | http_proxy | https_proxy | no_proxy)
        value=${value#[\'\"]}
        export "$name=${value%[\'\"]}"
        ;;
    esac
  done <"$kept"
fi
