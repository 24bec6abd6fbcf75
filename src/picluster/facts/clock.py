"""Whether a node's clock is set from the network, told without waking a service that would write.

`timedatectl` would do it in a word, but D-Bus starts systemd-timedated for it, which makes
directories of its own: looking is not to change anything.
"""

from __future__ import annotations

SYNCHRONISED = """
if [ -e /run/systemd/timesync/synchronized ]; then echo synchronised=yes
elif systemctl is-active --quiet systemd-timesyncd; then echo synchronised=no
elif chronyc -n tracking 2>/dev/null | grep -q '^Leap status *: Normal'; then echo synchronised=yes
elif ntpq -c 'rv 0 leap' 2>/dev/null | grep -q 'leap=00'; then echo synchronised=yes
else echo synchronised=no; fi
"""
"""Shell that prints `synchronised=yes` or `=no`."""
