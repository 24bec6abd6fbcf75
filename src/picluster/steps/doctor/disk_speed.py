"""How long etcd's writes take to reach the medium, which it waits for again and again.

Nothing is written to find that out: etcd keeps count, and so does the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.probe import shown, whole
from picluster.engine.step import Script
from picluster.engine.survey import Look
from picluster.errors import Unreadable
from picluster.steps.doctor.disks import FIND_DISK, FIX_MEDIUM
from picluster.steps.doctor.finding import Finding, not_applicable, ok, problem, values, warning

# etcd asks for a 99th percentile below 10 ms, and its own alert is critical from 1 s on. Its
# histogram has boundaries at 8 and at 16 ms. https://etcd.io/docs/v3.5/faq/,
# https://github.com/etcd-io/etcd/pull/12266
_SLOW_S, _HOPELESS_S = 0.016, 0.512
_SLOW_MEAN_MS = 10
_ENOUGH = 100
_MEANS = "etcd waits for every write: the API becomes slow, and voters lose their leader"


@dataclass(frozen=True, slots=True)
class DiskSpeed:
    """A disk takes etcd's writes fast enough; a single server runs SQLite instead."""

    runs_etcd: bool
    name: str = "disk-speed"
    title: str = "a disk that is fast enough for etcd"

    def probe(self) -> Script:
        """Read etcd's histogram and the kernel's count of flushes; a container sees its host's.

        K3s has etcd serve its metrics on the loopback address (`etcd-expose-metrics` opens them to
        others). Fields 16 and 17 of a disk's `stat` are its flushes and the milliseconds that they
        took: https://docs.kernel.org/block/stat.html.
        """
        if not self.runs_etcd:
            return Script("true")
        return Script(
            "curl -s -m 2 --noproxy '*' http://127.0.0.1:2381/metrics 2>/dev/null | sed -n "
            "'s/^etcd_disk_wal_fsync_duration_seconds_bucket{le=\"\\(.*\\)\"}/bucket=\\1/p'\n"
            "systemd-detect-virt -qc && exit 0\n"
            "at=/var/lib/rancher\n"
            '[ -d "$at" ] || at=/\n'
            'source=$(findmnt -no SOURCE -T "$at" | sed "s/\\[.*//")\n'
            f"{FIND_DISK}"
            'echo "disk=$disk"\n'
            'awk \'NF >= 17 {print "flushes=" $16; print "milliseconds=" $17}\' '
            '"/sys/block/$disk/stat"'
        )

    def judge(self, look: Look) -> Finding:
        """What etcd saw counts; before there is an etcd, what the kernel saw."""
        if not self.runs_etcd:
            return not_applicable("etcd runs on the servers of a cluster that has several")
        buckets = _buckets(values(look, "bucket"))
        if buckets and buckets[-1][1] >= _ENOUGH:
            return _of_etcd(buckets)
        facts = look.own.facts
        flushes, took = facts.get("flushes", ""), facts.get("milliseconds", "")
        count, milliseconds = whole(flushes or "0", "flushes"), whole(took or "0", "milliseconds")
        if took and count >= _ENOUGH:
            return _of_the_kernel(facts.get("disk", "?"), count, milliseconds)
        return not_applicable("neither etcd nor the kernel has counted enough writes to tell")


def _buckets(lines: Sequence[str]) -> list[tuple[float, int]]:
    """Return a histogram's upper bounds in seconds with how many were at most that long."""
    found = []
    for line in lines:
        bound, _, count = line.partition(" ")
        try:
            found.append((float(bound), int(float(count))))
        except (ValueError, OverflowError):
            raise Unreadable(f"`bucket` is not two numbers: {shown(line)}") from None
    return sorted(found)


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


def _of_the_kernel(disk: str, flushes: int, milliseconds: int) -> Finding:
    mean = milliseconds / flushes
    said = f"{disk} took {mean:.3g} ms for a flush, on average of {flushes} since boot"
    if mean > _SLOW_MEAN_MS:
        return warning(f"{said}; etcd asks for 10 ms", _MEANS, FIX_MEDIUM)
    return ok(said)
