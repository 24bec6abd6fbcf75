"""What the probe of K3s prints, and what is made of it."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from tests.doubles.tool_doubles import lay, run_with

from picluster.engine.probe import Observation
from picluster.errors import Unreadable
from picluster.secret import Secret, redact
from picluster.steps.k3s import paths
from picluster.steps.k3s.install import RECORDER
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


def on_a_node(root: Path, script: str) -> str:
    """Run a script on a node that is below `root`; every call of K3s is noted in `asked`."""
    for path in ("/usr/local/", "/etc/", "/run/", "/var/lib/"):
        script = script.replace(path, f"{root}{path}")
    systemctl = 'echo "Names=k3s.service"; echo LoadState=loaded; echo ActiveState=active'
    done = run_with(root / "tools", script, systemctl=systemctl)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def with_k3s(root: Path, version: str) -> Path:
    """Have K3s of that version as a service of the node; return where its calls are noted."""
    unit = "etc/systemd/system/k3s.service"
    program = f"#!/bin/sh\necho {version} >>{root}/asked\n"
    program += f"echo 'k3s version {version} (0123)'\necho 'go version go1.24'\n"
    lay(root, {"usr/local/sbin/k3s": program, unit: "", "etc/rancher/k3s/config.yaml": "a: 1\n"})
    (root / "usr/local/bin").mkdir(exist_ok=True)
    (root / "usr/local/sbin/k3s").rename(root / "usr/local/bin/k3s")
    return root / "asked"


def recorded(root: Path) -> None:
    """Let the recorder take its note, as the unit does before K3s starts."""
    on_a_node(root, f"set -- k3s\n{RECORDER.content}")


def test_k3s_is_not_asked_for_its_version_while_all_is_as_it_was_at_its_start(
    tmp_path: Path,
) -> None:
    asked = with_k3s(tmp_path, "v1.33.1+k3s1")
    recorded(tmp_path)
    asked.unlink()
    seen = state(on_a_node(tmp_path, STATE.text))
    assert (seen.version, seen.settled) == ("v1.33.1+k3s1", True)
    assert not asked.exists()


def test_k3s_is_asked_for_its_version_once_anything_changed(tmp_path: Path) -> None:
    asked = with_k3s(tmp_path, "v1.33.1+k3s1")
    recorded(tmp_path)
    with_k3s(tmp_path, "v1.34.10+k3s1")
    seen = state(on_a_node(tmp_path, STATE.text))
    assert (seen.version, seen.settled) == ("v1.34.10+k3s1", False)
    assert asked.read_text().split() == ["v1.33.1+k3s1", "v1.34.10+k3s1"]


def test_k3s_is_asked_for_its_version_where_the_note_has_none(tmp_path: Path) -> None:
    with_k3s(tmp_path, "v1.33.1+k3s1")
    recorded(tmp_path)
    note = tmp_path / "run/picluster/k3s.loaded"
    note.write_text(note.read_text().partition("\n")[0] + "\n")  # as picluster took it once
    seen = state(on_a_node(tmp_path, STATE.text))
    assert (seen.version, seen.settled) == ("v1.33.1+k3s1", True)


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
