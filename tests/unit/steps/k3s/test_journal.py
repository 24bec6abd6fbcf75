"""Known messages of K3s are translated; unknown ones are not guessed at."""

from __future__ import annotations

import pytest

from picluster.steps.k3s.journal import explain, tail

FATAL = 'level=fatal msg="'


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("failed to find memory cgroup (v2), you may need to add cgroup_enable=memory", "cgroup"),
        (FATAL + "Node password rejected, duplicate hostname or contents of ...", "re-flashed"),
        (FATAL + "starting kubernetes: preparing server: token CA hash does not match", "token"),
        ("x509: certificate has expired or is not yet valid: current time 1970", "clocks"),
        ("listen tcp :6443: bind: address already in use", "port"),
        ("flannel exited: operation not supported", "vxlan"),
        ("flag provided but not defined: -no-such-option", "option"),
        ("dial tcp 10.0.0.11:6443: connect: no route to host", "cannot reach"),
        ("slow fdatasync took 3.1s", "slow"),
        ("write /var/lib/rancher/k3s/x: no space left on device", "full"),
    ],
)
def test_known_messages_have_a_cause_and_a_fix(line: str, word: str) -> None:
    cause = explain(f"starting k3s\n{line}\nexiting")
    assert cause is not None, f"nothing is known about {line!r}"
    assert word in cause.why
    assert cause.fix


def test_the_latest_cause_counts() -> None:
    cause = explain("connect: connection refused\nbind: address already in use")
    assert cause is not None
    assert "port" in cause.why


def test_an_unknown_message_is_not_explained_away() -> None:
    assert explain("everything is awesome\nno it is not") is None


def test_the_evidence_is_the_end_of_the_journal() -> None:
    lines = [f"line {number}" for number in range(100)]
    assert tail("\n".join(lines)).splitlines() == lines[-15:]
