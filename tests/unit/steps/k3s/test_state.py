"""What the probe of K3s prints, and what is made of it."""

from __future__ import annotations

import base64
import subprocess

import pytest

from picluster.engine.probe import Observation
from picluster.errors import Unreadable
from picluster.secret import Secret, redact
from picluster.steps.k3s import paths
from picluster.steps.k3s.state import CREDENTIALS, STATE, K3sState, ServerCredentials, passphrase


def state(*lines: str) -> K3sState:
    """What is made of these lines of the look."""
    return STATE.parse(Observation(out="\n".join(lines)))


def credentials(path: str, content: str) -> ServerCredentials:
    """What is made of a file of the server's."""
    encoded = base64.b64encode(content.encode()).decode()
    return CREDENTIALS.parse(Observation(out=f"{path}={encoded}"))


def test_a_machine_without_k3s_has_no_state() -> None:
    done = subprocess.run(["dash", "-c", STATE.text], capture_output=True, check=False, text=True)
    assert done.stderr == ""
    seen = state(done.stdout)
    assert seen == K3sState(arch=seen.arch)
    assert seen.arch, "the architecture is known even without K3s"


@pytest.mark.parametrize(
    ("printed", "settled"),
    [
        ("unit=k3s\nactive=active\nloaded=aa\non_disk=aa", True),
        ("unit=k3s\nactive=active\nloaded=aa\non_disk=bb", False),
        ("unit=k3s\nactive=active\non_disk=aa", False),
        ("unit=k3s\nactive=activating\nloaded=aa\non_disk=aa", False),
        ("unit=k3s\nactive=failed\nloaded=aa\non_disk=aa", False),
    ],
)
def test_only_a_service_that_read_what_is_on_disk_is_settled(printed: str, settled: bool) -> None:
    assert state(printed).settled is settled


def test_the_same_passphrase_counts_with_and_without_the_ca() -> None:
    full = Secret("K10" + "ab" * 32 + "::server:correct horse")
    assert passphrase(full) == Secret("correct horse")
    assert passphrase(Secret("correct horse")) == Secret("correct horse")


def test_a_token_that_was_read_is_masked_from_then_on() -> None:
    token = credentials(f"{paths.SERVER_DIR}/token", "K10aa::server:sesame-open-wide\n").token
    assert token is not None
    assert "sesame" in token.reveal()
    assert "sesame" not in redact(f"using {token.reveal()}")


def test_a_half_written_kubeconfig_is_none_yet() -> None:
    assert credentials(paths.KUBECONFIG, "apiVersion: v1\nclusters:\n").admin is None


@pytest.mark.parametrize("line", ["datastore=mysql", "joined=perhaps", "installer=1"])
def test_what_the_look_never_prints_is_unreadable(line: str) -> None:
    with pytest.raises(Unreadable):
        state(line)
