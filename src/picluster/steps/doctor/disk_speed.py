"""How long etcd's writes take to reach the medium, which it waits for again and again.

Nothing is written to find that out: etcd keeps count, and so does the kernel. Fields 16 and 17 of a
disk's `stat` are its flushes and the milliseconds that they took:
https://docs.kernel.org/block/stat.html.
"""

from __future__ import annotations

from collections.abc import Sequence

from picluster.engine.probe import Observation, ShellProbe, shown
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.steps.doctor.disks import DISKS, FIX_MEDIUM, Lying
from picluster.steps.doctor.finding import Check, Finding, not_applicable, ok, problem, warning
from picluster.steps.k3s.paths import SERVER_DIR

# etcd asks for a 99th percentile below 10 ms, and its own alert is critical from 1 s on. Its
# histogram has boundaries at 8 and at 16 ms. https://etcd.io/docs/v3.5/faq/,
# https://github.com/etcd-io/etcd/pull/12266
_SLOW_S, _HOPELESS_S = 0.016, 0.512
_SLOW_MEAN_MS = 10
_ENOUGH = 100
_MEANS = "etcd waits for every write: the API becomes slow, and voters lose their leader"


def _writes(seen: Observation) -> tuple[tuple[float, int], ...]:
    """Read a histogram: how many writes took at most so many seconds, in rising order."""
    found = []
    for line in seen.every("bucket"):
        bound, _, count = line.partition(" ")
        try:
            found.append((float(bound), int(float(count))))
        except (ValueError, OverflowError):
            raise Unreadable(f"`bucket` is not two numbers: {shown(line)}") from None
    return tuple(sorted(found))


# K3s has etcd serve its metrics on the loopback address (`etcd-expose-metrics` opens them).
ETCD_WRITES = ShellProbe(
    "disk-speed",
    f"[ -d {SERVER_DIR}/db/etcd ] || return 0\n"
    "curl -s -m 2 --noproxy '*' http://127.0.0.1:2381/metrics 2>/dev/null | sed -n "
    "'s/^etcd_disk_wal_fsync_duration_seconds_bucket{le=\"\\(.*\\)\"}/bucket=\\1/p'",
    _writes,
)


def _judge_speed(look: Look) -> Finding:
    """What etcd saw counts; before there is an etcd, what the kernel saw."""
    buckets, disks = look.read(ETCD_WRITES), look.find(DISKS)
    if buckets and buckets[-1][1] >= _ENOUGH:
        return _of_etcd(buckets)
    if disks and disks.data and disks.data.flushes >= _ENOUGH:
        return _of_the_kernel(disks.data)
    return not_applicable("neither etcd nor the kernel has counted enough writes to tell")


def _judge_no_etcd(look: Look) -> Finding:
    return not_applicable("etcd runs on the servers of a cluster that has several")


def disk_speed(*, runs_etcd: bool) -> Check:
    """A disk takes etcd's writes fast enough; a single server runs SQLite instead."""
    asked, judge = (ETCD_WRITES, _judge_speed) if runs_etcd else (DISKS, _judge_no_etcd)
    return Check("disk-speed", "a disk that is fast enough for etcd", asked, judge)


def _of_etcd(buckets: Sequence[tuple[float, int]]) -> Finding:
    """Judge by the first boundary that 99 % of the writes keep to, the last one being infinite."""
    count = buckets[-1][1]
    at = next(i for i, (_, at_most) in enumerate(buckets) if at_most * 100 >= count * 99)
    bound = buckets[at][0]
    said = f"99 % of etcd's {count} writes took at most {bound * 1000:g} ms"
    if bound == float("inf"):
        said = f"more than 1 % of etcd's {count} writes took over {buckets[at - 1][0]:g} s"
    if bound > _HOPELESS_S:
        return problem(said, _MEANS, FIX_MEDIUM)
    if bound > _SLOW_S:
        return warning(f"{said}; it asks for 10 ms", _MEANS, FIX_MEDIUM)
    return ok(said)


def _of_the_kernel(data: Lying) -> Finding:
    mean = data.milliseconds / data.flushes
    said = f"{data.disk} took {mean:.3g} ms for a flush, on average of {data.flushes} since boot"
    if mean > _SLOW_MEAN_MS:
        return warning(f"{said}; etcd asks for 10 ms", _MEANS, FIX_MEDIUM)
    return ok(said)
