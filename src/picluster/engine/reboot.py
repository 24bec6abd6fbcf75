"""Reboot a node and know that it really went down and came back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from picluster.engine.place import Progress
from picluster.engine.pool import Sessions
from picluster.engine.session import Session
from picluster.engine.waiting import Done, Verdict, Waiting, wait_until
from picluster.errors import HostKeyChanged, NodeError

_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# Jobs that run are what a boot waits for; the others wait for these.
_LOOK = f"""
{_BOOT_ID}
cut -d . -f 1 /proc/uptime
systemctl is-system-running || true
systemctl list-jobs --no-legend --plain 2>/dev/null | awk '$4 == "running" {{ print $2 }}' || true
"""
# OpenSSH 9.8 and later penalises sources that connect without logging in (PerSourcePenalties), so
# every poll is a full login, and never in a tight loop.
_POLL_SECONDS = 3.0
_COMMAND_SECONDS = 30.0
_ASK_AGAIN_SECONDS = 10.0
_SETTLE_SECONDS = 120
"""For how long after its start a system may still be starting: a service may be waiting for us."""

# Detached, so that the answer to this very command still gets out.
_REBOOT = "systemd-run --quiet --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot"


@dataclass(frozen=True, slots=True)
class BootSeen:
    """A node as it shows itself around a reboot; `away` says why it cannot be asked.

    `id` is another one after each start, `up` for how many seconds it has been started, `system`
    systemd's word for the whole of it, `jobs` the units that are just starting.
    """

    id: str = ""
    up: int = 0
    system: str = ""
    jobs: tuple[str, ...] = ()
    away: str = ""


def reboot(sessions: Sessions, node: str, timeout: float, progress: Progress) -> None:
    """Reboot `node`; return when it is up again with another boot id. `timeout` is in seconds.

    Raises `WaitFailed` if it is not back in time, `HostKeyChanged` if another system came up.
    """
    session = sessions.get(node)
    before = session.run(_BOOT_ID, timeout=_COMMAND_SECONDS).out.decode().strip()
    asked = progress.clock()
    _ask(sessions, node)
    seen = BootSeen(before)

    def look() -> BootSeen:
        nonlocal asked, seen, session
        try:
            if seen.id == before or seen.away:
                # A connection from before the reboot may take long to fail.
                session = sessions.renew(node, session)
            seen = _look(session)
        except HostKeyChanged:
            raise
        except NodeError as error:
            seen = BootSeen(away=error.what)
        if seen.id == before and progress.clock() - asked > _ASK_AGAIN_SECONDS:
            asked = progress.clock()
            _ask(sessions, node)
        return seen

    wait_until(
        "not back after a reboot",
        look,
        lambda boot: judge(boot, before),
        timeout=timeout,
        progress=progress,
        interval=_POLL_SECONDS,
        where=node,
        fix="look at the node's power and screen; raise limits.reboot if it is merely slow",
    )


def judge(boot: BootSeen, before: str) -> Verdict:
    """Want another boot than that `before`, which is over with starting. Pure.

    Whether it is degraded is for probes to judge.
    """
    if boot.away:
        return Waiting(f"rebooting: {boot.away}")
    if boot.id == before:
        return Waiting("rebooting: going down")
    if boot.system not in ("initializing", "starting") or boot.up > _SETTLE_SECONDS:
        return Done()
    jobs = f", {', '.join(boot.jobs[:2])} above all" if boot.jobs else ""
    return Waiting(f"rebooted: the system is {boot.system}{jobs}")


def _ask(sessions: Sessions, node: str) -> None:
    """Ask for the reboot.

    Asking again is harmless: a busy systemd may refuse or lose a request, and one that is going
    down already takes no notice.
    """
    with contextlib.suppress(NodeError):
        sessions.get(node).run(_REBOOT, timeout=_COMMAND_SECONDS)


def _look(session: Session) -> BootSeen:
    said = session.run(_LOOK, timeout=_COMMAND_SECONDS).text.split()
    if len(said) < len(("id", "up", "system")):
        return BootSeen(away="it answers, but not yet as it should")
    number, up, system, *jobs = said
    return BootSeen(number, int(up) if up.isascii() and up.isdigit() else 0, system, tuple(jobs))
