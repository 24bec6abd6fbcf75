"""Versions: what may follow what, and which release files belong to which machine."""

from __future__ import annotations

import pytest

from picluster.engine.step import Blocked, Change, Observation, Risk, Satisfied
from picluster.engine.survey import Look
from picluster.errors import StepFailed
from picluster.steps.k3s.artifacts import binary_name, parse_checksums
from picluster.steps.k3s.install import Installed, parse_version, refuse_version_step
from picluster.steps.k3s.state import STATE

WANTED = "v1.33.5+k3s1"


def look(**facts: str) -> Look:
    seen = Observation(out="\n".join(f"{key}={value}" for key, value in facts.items()))
    return Look("pi1", "k3s-installed", {"pi1": {STATE: seen}})


def decide(**facts: str) -> Change | Satisfied | Blocked:
    return Installed("server", WANTED, 900).decide(look(**facts))


@pytest.mark.parametrize(
    ("installed", "wanted"),
    [
        ("v1.33.5+k3s1", "v1.33.5+k3s1"),
        ("v1.33.4+k3s1", "v1.33.5+k3s1"),
        ("v1.33.5+k3s1", "v1.33.5+k3s2"),
        ("v1.32.9+k3s1", "v1.33.5+k3s1"),
        ("v1.33.9+k3s1", "v1.33.10+k3s1"),
        ("", "v1.33.5+k3s1"),
    ],
)
def test_the_next_patch_or_minor_is_allowed(installed: str, wanted: str) -> None:
    assert refuse_version_step(installed, wanted) is None


@pytest.mark.parametrize(
    ("installed", "wanted", "reason"),
    [
        ("v1.33.5+k3s1", "v1.33.4+k3s1", "going back"),
        ("v1.33.5+k3s1", "v1.32.9+k3s1", "going back"),
        ("v1.31.5+k3s1", "v1.33.5+k3s1", "skip a minor"),
        ("v1.33.5+k3s1", "v2.0.0+k3s1", "skip a minor"),
    ],
)
def test_going_back_and_skipping_a_minor_are_refused(
    installed: str, wanted: str, reason: str
) -> None:
    refusal = refuse_version_step(installed, wanted)
    assert refusal is not None
    assert reason in refusal.reason


def test_a_complete_installation_is_left_alone() -> None:
    assert decide(version=WANTED, unit="k3s", recorder="yes") == Satisfied()


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"version": WANTED},
        {"version": WANTED, "unit": "k3s"},
        {"version": "v1.33.4+k3s1", "unit": "k3s", "recorder": "yes"},
    ],
)
def test_a_missing_or_half_made_installation_is_completed(facts: dict[str, str]) -> None:
    assert isinstance(decide(**facts), Change)


def test_replacing_a_running_k3s_counts_as_a_restart() -> None:
    change = decide(version="v1.33.4+k3s1", unit="k3s", recorder="yes", active="active")
    assert isinstance(change, Change)
    assert change.risk is Risk.RESTART


def test_an_agent_is_not_turned_into_a_server_in_place() -> None:
    refused = decide(version=WANTED, unit="k3s-agent", recorder="yes")
    assert isinstance(refused, Blocked)
    assert "k3s-agent-uninstall.sh" in refused.fix


@pytest.mark.parametrize("text", ["", "v1.33", "latest", "1.33.5+k3s1", "v1.33.5"])
def test_what_is_no_release_has_no_version(text: str) -> None:
    assert parse_version(text) is None


def test_checksum_files_are_read_in_both_of_their_forms() -> None:
    text = "aa11  k3s\nbb22 *k3s-airgap-images-amd64.tar\n\n"
    assert parse_checksums(text) == {"k3s": "aa11", "k3s-airgap-images-amd64.tar": "bb22"}


def test_a_32_bit_node_is_told_to_be_flashed_anew() -> None:
    assert binary_name("arm64") == "k3s-arm64"
    with pytest.raises(StepFailed, match="armhf") as failure:
        binary_name("armhf")
    assert "64-bit" in failure.value.fix
