"""The nodes' `swapon` and `swapoff`: they keep the node's own /proc/swaps, see `firmware`."""

from __future__ import annotations

from picluster.lab.firmware import SWAPS

SWAPON = f"""#!/bin/sh
# The lab's: a node shares the kernel of the computer it runs on, whose swap is not the node's.
case "${{1:--s}}" in -*) exec /usr/sbin/swapon "$@" ;; esac
printf '%s\\tfile\\t\\t102396\\t\\t0\\t\\t-2\\n' "$1" >>{SWAPS}
"""

SWAPOFF = f"""#!/bin/sh
# The lab's: see swapon beside it.
[ "$#" -gt 0 ] || {{ echo "swapoff: bad usage" >&2; exit 16; }}
if [ "$1" = -a ]; then left=$(head -n 1 {SWAPS})
else left=$(awk -v gone="$1" '$1 != gone' {SWAPS}); fi
printf '%s\\n' "$left" >{SWAPS}
"""
