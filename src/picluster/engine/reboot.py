"""Reboot a node and know that it really went down and came back."""

from __future__ import annotations

import contextlib
import time

from picluster.engine.pool import Sessions
from picluster.engine.step import Progress
from picluster.errors import HostKeyChanged, NodeError, WaitFailed

_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
# OpenSSH 9.8 and later penalises sources that connect without logging in (PerSourcePenalties), so
# every poll is a full login, and never in a tight loop.
_POLL_SECONDS = 3.0
_COMMAND_SECONDS = 30.0
_ASK_AGAIN_SECONDS = 10.0
# Detached, so that the answer to this very command still gets out.
_REBOOT = "systemd-run --quiet --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot"


def reboot(sessions: Sessions, node: str, timeout: float, progress: Progress) -> None:
    """Reboot `node`; return when it is up again with another boot id. `timeout` is in seconds.

    Raises `WaitFailed` if it is not back in time, `HostKeyChanged` if another system came up.
    """
    before = _boot_id(sessions, node)
    deadline = time.monotonic() + timeout
    asked = _ask(sessions, node)
    state = "going down"
    while time.monotonic() < deadline:
        progress.report(f"rebooting: {state}")
        progress.sleep(_POLL_SECONDS)
        try:
            sessions.renew(node)
            now = _boot_id(sessions, node)
        except HostKeyChanged:
            raise
        except NodeError as error:
            state = error.what
            continue
        if now != before:
            _wait_for_boot_to_settle(sessions, node, deadline, progress)
            return
        state = "still on the old boot"
        if time.monotonic() - asked > _ASK_AGAIN_SECONDS:
            asked = _ask(sessions, node)
    raise WaitFailed(
        f"not back after a reboot within {timeout:.0f} s",
        where=node,
        why=f"last seen: {state}",
        fix="look at the node's power and screen; raise limits.reboot if it is merely slow",
    )


def _ask(sessions: Sessions, node: str) -> float:
    """Ask for the reboot, and return when.

    Asking again is harmless: a busy systemd may refuse or lose a request, and one that is going
    down already takes no notice.
    """
    with contextlib.suppress(NodeError):
        sessions.get(node).run(_REBOOT, timeout=_COMMAND_SECONDS)
    return time.monotonic()


def _boot_id(sessions: Sessions, node: str) -> str:
    done = sessions.get(node).run(_BOOT_ID, timeout=_COMMAND_SECONDS)
    return done.out.decode().strip()


def _wait_for_boot_to_settle(
    sessions: Sessions, node: str, deadline: float, progress: Progress
) -> None:
    """Wait until systemd has finished booting; whether it is degraded is for probes to judge."""
    while time.monotonic() < deadline:
        done = sessions.get(node).run(
            "systemctl is-system-running || true", timeout=_COMMAND_SECONDS
        )
        state = done.out.decode().strip()
        if state not in {"initializing", "starting"}:
            return
        progress.report(f"rebooted: system is {state}")
        progress.sleep(1.0)
