"""Versions: what may follow what, and which release files belong to which machine."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.doubles.tool_doubles import run_with
from tests.unit.steps.acting import place
from tests.unit.steps.k3s.looks import printed

from picluster.causes.cause import explain
from picluster.engine.step import Blocked, Change, Risk, Run, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.errors import StepFailed
from picluster.model.releases import ladder, parse_version, reasons
from picluster.steps.download import parse_checksums
from picluster.steps.k3s.artifacts import Artifacts, binary_name
from picluster.steps.k3s.install import (
    RECORDER,
    Installed,
    InstalledBeforehand,
    Staged,
    StageRelease,
    check_staged,
    refuse_version_step,
)
from picluster.steps.k3s.paths import STAGING_DIR
from picluster.steps.k3s.state import STATE
from picluster.steps.spread import Spreading

WANTED = "v1.33.5+k3s1"


def look(**facts: str) -> Look:
    return Look("pi1", "k3s-installed", {"pi1": {STATE.name: printed(**facts)}})


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
        ("v1.31.5+k3s1", "v1.33.5+k3s1", "skips no minor"),
        ("v1.33.5+k3s1", "v2.0.0+k3s1", "skip a minor"),
    ],
)
def test_going_back_and_skipping_a_minor_are_refused(
    installed: str, wanted: str, reason: str
) -> None:
    refusal = refuse_version_step(installed, wanted)
    assert refusal is not None
    assert reason in refusal.reason


def test_what_to_do_instead_is_said() -> None:
    assert refuse_version_step("v1.33.5+k3s1", "v2.0.0+k3s1") == Blocked(
        "going from K3s v1.33.5+k3s1 to v2.0.0+k3s1 would skip a minor version",
        "go through v1.34 first",
    )
    assert refuse_version_step("v1.33.5+k3s1", "v1.32.9+k3s1") == Blocked(
        "K3s v1.33.5+k3s1 is installed, and going back to v1.32.9+k3s1 is not possible",
        "set k3s.version to v1.33.5+k3s1 or newer",
    )
    way = ladder("v1.31.5+k3s1", "v1.33.5+k3s1")
    assert len(way) > 1
    assert refuse_version_step("v1.31.5+k3s1", "v1.33.5+k3s1") == Blocked(
        "K3s cannot go from v1.31.5+k3s1 to v1.33.5+k3s1 at once: "
        + "; ".join(reasons("v1.31.5+k3s1", "v1.33.5+k3s1")),
        f"`picluster upgrade` goes there by way of {', '.join(way[:-1])}",
    )


AGENT = Installed("agent", WANTED, 900, ["pi1"])


def test_a_bare_node_has_k3s_installed_before_its_turn_and_not_enabled() -> None:
    early = InstalledBeforehand(AGENT)
    assert early.decide(look()) == Installed("agent", WANTED, 900, enable=False).decide(look())
    assert early.decide(look()) != AGENT.decide(look())
    assert early.title == AGENT.title


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "v1.33.4+k3s1", "unit": "k3s-agent"},
        {"version": WANTED},
        {"unit": "k3s"},
        {"joined": "yes"},
        {"datastore": "etcd"},
    ],
)
def test_what_was_there_before_waits_for_its_turn(facts: dict[str, str]) -> None:
    assert InstalledBeforehand(AGENT).decide(look(**facts)) == Satisfied()


def test_a_new_agent_is_not_installed_before_servers_that_are_older() -> None:
    older = {STATE.name: printed(version="v1.32.9+k3s1", unit="k3s", datastore="etcd")}
    agent = Installed("agent", WANTED, 900, ["pi2"])
    seen = Look("pi1", "k3s-installed", {"pi1": {STATE.name: printed()}, "pi2": older})
    assert InstalledBeforehand(agent).decide(seen) == Satisfied()
    assert isinstance(agent.decide(seen), Blocked)


@pytest.mark.parametrize(("traces", "decision"), [({}, Blocked), ({"joined": "yes"}, Satisfied)])
def test_an_agent_that_was_installed_and_never_joined_waits_for_older_servers(
    traces: dict[str, str], decision: type
) -> None:
    """The run that installed it ahead of its turn was cut off; servers are older by now."""
    older = {STATE.name: printed(version="v1.32.9+k3s1", unit="k3s", datastore="etcd")}
    there = printed(version=WANTED, unit="k3s-agent", recorder="yes", **traces)
    agent = Installed("agent", WANTED, 900, ["pi2"])
    seen = Look("pi1", "k3s-installed", {"pi1": {STATE.name: there}, "pi2": older})
    assert isinstance(agent.decide(seen), decision)


def test_an_agent_is_installed_beside_servers_of_its_own_release() -> None:
    same = {STATE.name: printed(version=WANTED, unit="k3s", datastore="etcd")}
    agent = Installed("agent", WANTED, 900, ["pi2"])
    seen = Look("pi1", "k3s-installed", {"pi1": {STATE.name: printed()}, "pi2": same})
    assert isinstance(agent.decide(seen), Change)


def test_a_server_that_never_ran_keeps_no_agent_from_a_newer_release() -> None:
    older = {STATE.name: printed(version="v1.32.9+k3s1", unit="k3s")}
    agent = Installed("agent", WANTED, 900, ["pi2"])
    seen = Look("pi1", "k3s-installed", {"pi1": {STATE.name: printed()}, "pi2": older})
    assert isinstance(agent.decide(seen), Change)


@pytest.mark.parametrize("version", ["v1.34.1+k3s1", "v1.30.1+k3s1"])
def test_a_release_that_never_ran_can_be_replaced_by_any_other(version: str) -> None:
    decision = Staged(WANTED).decide(look(version=version, arch="arm64", unit="k3s"))
    assert isinstance(decision, Change)


@pytest.mark.parametrize("facts", [{"active": "active"}, {"datastore": "etcd"}, {"joined": "yes"}])
def test_a_release_that_ran_cannot_be_replaced_by_an_older_one(facts: dict[str, str]) -> None:
    decision = Staged(WANTED).decide(look(version="v1.34.1+k3s1", **facts))
    assert isinstance(decision, Blocked)


def test_what_is_installed_beforehand_is_not_planned_twice() -> None:
    planned = replace(look(), planned=frozenset({(look().target, "k3s-installed")}))
    assert AGENT.decide(planned) == Satisfied()


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


@pytest.mark.parametrize(
    ("role", "unit", "facts", "reason", "risk"),
    [
        ("server", "k3s", {}, "it is not installed", Risk.NONE),
        ("agent", "k3s-agent", {}, "it is not installed", Risk.NONE),
        (
            "server",
            "k3s",
            {"version": "v1.33.4+k3s1", "unit": "k3s", "active": "active"},
            "v1.33.4+k3s1 is installed",
            Risk.RESTART,
        ),
        (
            "agent",
            "k3s-agent",
            {"version": WANTED},
            "an earlier installation is incomplete",
            Risk.NONE,
        ),
    ],
)
def test_what_is_staged_is_installed_with_what_notes_its_start(
    role: str, unit: str, facts: dict[str, str], reason: str, risk: Risk
) -> None:
    decision = Installed(role, WANTED, 900).decide(look(**facts))
    assert isinstance(decision, Change)
    recorder, drop_in, install = decision.actions
    assert recorder == RECORDER
    assert drop_in == WriteFile(
        f"/etc/systemd/system/{unit}.service.d/10-picluster.conf",
        f"[Service]\nExecStartPre=-/usr/local/lib/picluster/record-k3s-start {unit}\n",
    )
    assert isinstance(install, Run)
    assert install.timeout == 900
    assert f"ROLE={role}\n" in install.script
    assert f"UNIT={unit}\n" in install.script
    assert decision == Change(
        f"install K3s {WANTED} as {unit}.service",
        decision.actions,
        reason=reason,
        risk=risk,
    )


def test_the_recorder_can_be_run() -> None:
    assert (RECORDER.path, RECORDER.mode) == ("/usr/local/lib/picluster/record-k3s-start", 0o755)


@pytest.mark.parametrize(
    ("facts", "warning", "reason"),
    [
        ({}, "", "K3s is not installed"),
        ({"version": "v1.33.4+k3s1"}, "", "v1.33.4+k3s1 is installed"),
        ({"staged": WANTED}, "over HTTP", "K3s is not installed; over HTTP"),
    ],
)
def test_a_release_is_staged_and_checked(facts: dict[str, str], warning: str, reason: str) -> None:
    assert Staged(WANTED, warning).decide(look(arch="arm64", **facts)) == Change(
        f"put K3s {WANTED} on the node",
        (StageRelease(WANTED, "arm64"), check_staged(WANTED)),
        reason=reason,
    )


def test_a_step_of_versions_that_cannot_be_is_refused_before_anything_is_staged() -> None:
    assert Staged(WANTED).decide(
        look(version="v1.34.1+k3s1", datastore="etcd")
    ) == refuse_version_step("v1.34.1+k3s1", WANTED)
    assert Staged(WANTED).decide(look(version=WANTED, installer="yes")) == Satisfied()


@dataclass
class Uploads:
    """A node that files are uploaded to."""

    sent: list[tuple[str, str, int, str]] = field(default_factory=list)

    def get(self, node: str) -> Uploads:
        assert node == "pi1"
        return self

    def upload(
        self, source: Path, path: str, *, sha256: str, mode: int, owner: str, timeout: float
    ) -> None:
        assert owner == "root:root"
        assert hashlib.sha256(source.read_bytes()).hexdigest() == sha256
        self.sent.append((source.name, path, mode, source.read_text()))


@pytest.mark.parametrize("images", [True, False])
def test_the_binary_the_script_and_the_images_are_sent_where_k3s_looks(
    tmp_path: Path, images: bool
) -> None:
    binary = "binary" * 500_000
    (tmp_path / "k3s-arm64").write_text(binary)
    (tmp_path / "install.sh").write_text("script")
    name = "k3s-airgap-images-arm64.tar.zst"
    sums = {"k3s-arm64": binary.encode(), name: b"images"}
    (tmp_path / "sha256sum-arm64.txt").write_text(
        "".join(f"{hashlib.sha256(data).hexdigest()}  {each}\n" for each, data in sums.items())
    )
    sent = [
        ("k3s-arm64", f"{STAGING_DIR}/k3s", 0o755, binary),
        ("install.sh", f"{STAGING_DIR}/install.sh", 0o700, "script"),
    ]
    if images:
        (tmp_path / name).write_text("images")
        sent.append((name, f"/var/lib/rancher/k3s/agent/images/{name}", 0o644, "images"))
    artifacts, node = Artifacts(WANTED, "", "", tmp_path, tmp_path), Uploads()
    there = place(artifacts, Spreading({}), target="pi1", sessions=node)  # type: ignore[arg-type]
    StageRelease(WANTED, "arm64").perform(there)
    assert node.sent == sent
    told = [line for line in there.progress.states if line.startswith("uploading")]  # type: ignore[attr-defined]
    assert told == [
        "uploading k3s-arm64, 3.0 MB",
        "uploading install.sh, 6 bytes",
        *([f"uploading {name}, 6 bytes"] if images else []),
    ]


def test_replacing_a_running_k3s_counts_as_a_restart() -> None:
    change = decide(version="v1.33.4+k3s1", unit="k3s", recorder="yes", active="active")
    assert isinstance(change, Change)
    assert change.risk is Risk.RESTART


def test_an_agent_is_not_turned_into_a_server_in_place() -> None:
    refused = decide(version=WANTED, unit="k3s-agent", recorder="yes")
    assert isinstance(refused, Blocked)
    assert "k3s-agent-uninstall.sh" in refused.fix


def test_a_node_gets_the_release_for_its_processor_and_it_is_checked_there() -> None:
    decision = Staged(WANTED).decide(look(arch="arm64", version="v1.33.4+k3s1"))
    assert isinstance(decision, Change)
    assert decision.actions == (StageRelease(WANTED, "arm64"), check_staged(WANTED))
    assert Staged(WANTED).decide(look(staged=WANTED, installer="yes")) == Satisfied()


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


# ------------------------------------------------------------------ what was staged


def staged(tmp_path: Path, binary: str) -> subprocess.CompletedProcess[str]:
    """Check a binary, as it is checked on a node."""
    place = tmp_path / "k3s"
    place.write_text(binary)
    place.chmod(0o755)
    script = check_staged(WANTED).script.replace(STAGING_DIR, str(tmp_path))
    return subprocess.run(
        ["sh", "-ec", script], capture_output=True, text=True, check=False, timeout=30
    )


def printing(text: str) -> str:
    return f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n"


def test_the_wanted_release_is_noted(tmp_path: Path) -> None:
    done = staged(tmp_path, printing(f"k3s version {WANTED} (fab4a5c3)\ngo version go1.24.6"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "version").read_text() == f"{WANTED}\n"
    assert (tmp_path / "k3s").exists()


@pytest.mark.parametrize(
    ("binary", "said"),
    [
        (printing("k3s version v1.33.4+k3s1 (9a0c)"), f"holds K3s v1.33.4+k3s1, not {WANTED}"),
        (printing("k3s version dev (HEAD)"), "--version printed 'k3s version dev (HEAD) '"),
        (printing("<html>\n\x1b[31m404"), "--version printed '<html>  [31m404 '"),
        ("#!/bin/sh\necho broken >&2; exit 3\n", "--version printed 'broken '"),
        ("", "--version printed ''"),
    ],
)
def test_what_is_no_such_release_is_refused_with_what_it_printed(
    tmp_path: Path, binary: str, said: str
) -> None:
    done = staged(tmp_path, binary)
    assert done.returncode == 1
    assert said in done.stderr
    assert WANTED in done.stderr
    assert not (tmp_path / "k3s").exists(), "a wrong binary would be taken for staged"
    assert not (tmp_path / "version").exists()


def test_a_binary_for_another_processor_is_said_to_be_one() -> None:
    said = "the release directory ...: its --version printed 'sh: 2: k3s: Exec format error '"
    cause = explain(said, check_staged(WANTED).causes)
    assert cause is not None
    assert "another processor" in cause.why


@pytest.mark.parametrize("restaged", [True, False], ids=["a new binary", "the one that is there"])
@pytest.mark.parametrize("enable", [True, False])
def test_the_official_script_installs_what_is_staged_and_starts_nothing(
    tmp_path: Path, restaged: bool, enable: bool
) -> None:
    step = Installed("agent", WANTED, 900, enable=enable)
    decision = step.decide(look(version=WANTED))
    assert isinstance(decision, Change)
    run = decision.actions[-1]
    assert isinstance(run, Run)
    script = run.script.replace(STAGING_DIR, str(tmp_path / "staged"))
    (tmp_path / "staged").mkdir()
    told = "SKIP_DOWNLOAD SKIP_START SKIP_ENABLE EXEC VERSION"
    shown = "\n".join(f'echo "{name}=$INSTALL_K3S_{name}"' for name in told.split())
    (tmp_path / "staged" / "install.sh").write_text(shown)
    (tmp_path / "k3s").write_text("old")
    if restaged:
        (tmp_path / "staged" / "k3s").write_text("new")
    done = run_with(
        tmp_path / "tools", script.replace("/usr/local/bin/k3s", f"{tmp_path}/k3s"), systemctl=""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "SKIP_DOWNLOAD=true",
        "SKIP_START=true",
        f"SKIP_ENABLE={str(not enable).lower()}",
        "EXEC=agent",
        f"VERSION={WANTED}",
    ]
    assert (tmp_path / "k3s").read_text() == ("new" if restaged else "old")
    assert [each.name for each in (tmp_path / "staged").iterdir()] == ["install.sh"]
