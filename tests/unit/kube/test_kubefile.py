"""The user's kubeconfig file: untouched unless needed, backed up, replaced whole, private."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import yaml
from tests.unit.kube.kubeconfig_samples import USER, entry

from picluster.errors import PiclusterError
from picluster.kube.kubefile import default_path, merge_into, remove_from


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private_and_has_no_backup(tmp_path: Path) -> None:
    path = tmp_path / ".kube" / "config"
    written = merge_into(path, entry())
    assert written.changed
    assert written.backup is None
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["config"]


def test_a_change_keeps_the_former_content_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(USER)
    path.chmod(0o644)
    written = merge_into(path, entry())
    assert written.backup is not None
    assert written.backup.name.startswith("config.picluster-backup-")
    assert written.backup.read_text() == USER
    assert mode(written.backup) == mode(path) == 0o600


def test_no_change_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    merge_into(path, entry())
    path.write_text("# mine\n" + path.read_text())
    before = path.stat()
    again = merge_into(path, entry())
    assert not again.changed
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino
    assert len(list(tmp_path.iterdir())) == 1


def test_two_changes_in_one_second_keep_two_backups(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(USER)
    backups = {merge_into(path, entry(server=f"https://192.0.2.{n}:6443")).backup for n in range(3)}
    assert len(backups) == 3


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles" / "kube", tmp_path / "config"
    target.parent.mkdir()
    target.write_text(USER)
    link.symlink_to(target)
    written = merge_into(link, entry())
    assert link.is_symlink()
    assert "home" in target.read_text()
    assert written.backup is not None
    assert written.backup.parent == tmp_path
    assert [each.name for each in target.parent.iterdir()] == ["kube"]


def test_a_dangling_link_gets_its_target(tmp_path: Path) -> None:
    link = tmp_path / "config"
    link.symlink_to(tmp_path / "later")
    merge_into(link, entry())
    assert link.is_symlink()
    assert (tmp_path / "later").exists()


@pytest.mark.parametrize("content", [b"users: [", b"\xff\xfe\x00", b"- a list"])
def test_a_broken_file_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(PiclusterError, match=str(path)):
        merge_into(path, entry())
    assert path.read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PiclusterError, match="not a regular file"):
        merge_into(tmp_path, entry())


def test_a_failure_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config"
    path.write_text(USER)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(PiclusterError, match="No space left"):
        merge_into(path, entry())
    assert path.read_text() == USER
    assert sorted(each.suffix for each in tmp_path.iterdir())[0] == ""
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_a_dry_run_only_says_so(tmp_path: Path) -> None:
    path = tmp_path / "config"
    assert merge_into(path, entry(), dry_run=True).changed
    assert not path.exists()


def test_remove_from(tmp_path: Path) -> None:
    path = tmp_path / "config"
    assert not remove_from(path, "home").changed
    path.write_text(USER)
    merge_into(path, entry())
    assert remove_from(path, "home").changed
    assert yaml.safe_load(path.read_text()) == yaml.safe_load(USER)
    assert not remove_from(path, "home").changed


def test_the_default_path_is_kubectls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path({}) == tmp_path / ".kube" / "config"
    assert default_path({"KUBECONFIG": ""}) == tmp_path / ".kube" / "config"
    several = os.pathsep.join(["", "/a/one", "/b/two"])
    assert default_path({"KUBECONFIG": several}) == Path("/a/one")
    assert default_path({"KUBECONFIG": "~/mine"}) == tmp_path / "mine"
