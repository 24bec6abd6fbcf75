"""What a pod of OpenTAKServer does around its processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from picluster.apps.opentakserver import pod


def write(path: Path, **values: Any) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def config(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "config.yml").read_text())  # type: ignore[no-any-return]


def test_managed_keys_are_merged_and_the_applications_own_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", OTS_NODE_ID="old", OTS_ENABLE_EMAIL=True)
    assert pod.configure(tmp_path, {"OTS_NODE_ID": "new", "OTS_LISTENER_PORT": 8081})
    assert config(tmp_path) == {
        "OTS_NODE_ID": "new",
        "OTS_ENABLE_EMAIL": True,
        "OTS_LISTENER_PORT": 8081,
    }
    before = yaml.safe_load((tmp_path / "config.yml.before").read_text())
    assert before["OTS_NODE_ID"] == "old", "a copy of what it was is kept"


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    assert pod.configure(tmp_path, {"A": 1})
    assert not pod.configure(tmp_path, {"A": 1})


def test_the_file_is_private(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", A=0)
    pod.configure(tmp_path, {"A": 1})
    for name in ("config.yml", "config.yml.before"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_mapping_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("- 1\n")
    with pytest.raises(ValueError, match="not a mapping"):
        pod.configure(tmp_path, {"A": 1})
    assert (tmp_path / "config.yml").read_text() == "- 1\n"


def test_secrets_are_read_from_files_that_are_named_as_keys(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"OTS_LISTENER_PORT": 8081}))
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "SECRET_KEY").write_text("sesame")
    (secrets / "SECURITY_TOTP_SECRETS").write_text('{"1": "x"}')
    (secrets / "..data").write_text("Kubernetes' own")
    assert pod.managed(tmp_path / "config.json", secrets) == {
        "OTS_LISTENER_PORT": 8081,
        "SECRET_KEY": "sesame",
        "SECURITY_TOTP_SECRETS": {"1": "x"},
    }


def test_waiting_tells_each_reason_once_and_ends_when_it_is_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers = iter(["refused", "refused", "no such host", ""])
    assert pod.wait_for("db:5432", lambda _: next(answers), lambda _: None)
    said = capsys.readouterr().out.splitlines()
    assert said == ["waiting for db:5432: refused", "waiting for db:5432: no such host"]


def test_waiting_can_have_an_end() -> None:
    assert not pod.wait_for("db:5432", lambda _: "refused", lambda _: None, tries=3)


def test_a_port_where_nobody_listens_does_not_answer() -> None:
    assert pod.answers("127.0.0.1:1")
    assert pod.answers("nonsense")
    assert pod.answers("http://127.0.0.1:1/")


def test_a_password_goes_over_stdin_and_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho "$@" >"$0.args"\ncat >"$0.stdin"\ncat "$0.stdin"\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    assert pod.change_password("administrator", "sesame") == 1
    assert (tmp_path / "python.stdin").read_text() == "sesame\nsesame\n"
    assert "sesame" not in (tmp_path / "python.args").read_text()
    out, err = capfd.readouterr()
    assert "sesame" not in out + err
    assert "was not set" in err


def test_the_password_is_tried_until_the_server_has_made_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statuses = iter([1, 1, 0])
    monkeypatch.setattr(pod, "change_password", lambda *_: next(statuses))
    assert pod.keep_trying("administrator", "x", lambda _: None) == 0


def test_other_words_are_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert pod.main(["nonsense"]) == 2
    assert "usage" in capsys.readouterr().err
