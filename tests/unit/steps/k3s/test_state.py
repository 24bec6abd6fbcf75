"""What the probe of K3s prints, and what is made of it."""

from __future__ import annotations

import base64
import subprocess

import pytest

from picluster.engine.step import Observation, Script
from picluster.secret import Secret, redact
from picluster.steps.k3s import paths
from picluster.steps.k3s.state import (
    K3sState,
    credentials_fact,
    passphrase,
    read_credentials,
    read_state,
    state_fact,
)


def script_of(probe: object) -> str:
    assert isinstance(probe, Script)
    return probe.text


@pytest.mark.parametrize("fact", [state_fact(), credentials_fact()], ids=lambda fact: fact.name)
def test_probes_are_valid_posix_shell(fact: object) -> None:
    text = script_of(fact.probe())  # type: ignore[attr-defined]
    done = subprocess.run(["dash", "-n"], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_machine_without_k3s_has_no_state() -> None:
    done = subprocess.run(
        ["dash", "-c", script_of(state_fact().probe())], capture_output=True, check=False, text=True
    )
    assert done.stderr == ""
    state = read_state(Observation(out=done.stdout))
    assert state == K3sState(arch=state.arch)
    assert state.arch, "the architecture is known even without K3s"


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
    assert read_state(Observation(out=printed)).settled is settled


def test_the_same_passphrase_counts_with_and_without_the_ca() -> None:
    full = Secret("K10" + "ab" * 32 + "::server:correct horse")
    assert passphrase(full) == Secret("correct horse")
    assert passphrase(Secret("correct horse")) == Secret("correct horse")


def test_a_token_that_was_read_is_masked_from_then_on() -> None:
    encoded = base64.b64encode(b"K10aa::server:sesame-open-wide\n").decode()
    seen = Observation(out=f"{paths.SERVER_DIR}/token={encoded}")
    token = read_credentials(seen).token
    assert token is not None
    assert "sesame" in token.reveal()
    assert "sesame" not in redact(f"using {token.reveal()}")


def test_a_half_written_kubeconfig_is_none_yet() -> None:
    encoded = base64.b64encode(b"apiVersion: v1\nclusters:\n").decode()
    assert read_credentials(Observation(out=f"{paths.KUBECONFIG}={encoded}")).admin is None
