"""Deleting data takes what its owner made, on directories of this machine; all else stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.doubles.tool_doubles import run_with
from tests.unit.steps.looking import decide, decide_from, printed

from picluster.engine.step import Blocked, Change, Risk, Run, Satisfied
from picluster.steps.data_directories import (
    OF_LONGHORN,
    OF_REGISTRY,
    REGISTRY_MARK,
    DataDeleted,
    DataKept,
    Held,
)
from picluster.steps.registry.container import Definition, creation


def of_registry(directory: Path) -> DataDeleted:
    return DataDeleted("the images", str(directory), OF_REGISTRY, REGISTRY_MARK)


def of_longhorn(directory: Path) -> DataDeleted:
    return DataDeleted("the replicas", str(directory), OF_LONGHORN)


def sh(script: str) -> str:
    return subprocess.run(
        ["sh", "-e", "-c", script], capture_output=True, text=True, check=True
    ).stdout


def seen(step: DataDeleted | DataKept) -> Held:
    """Look at a directory of this machine."""
    (found,) = printed(step.probe(), *sh(step.probe().text).splitlines()).values()
    assert isinstance(found, Held)
    return found


def left(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def done(step: DataDeleted) -> object:
    """Do what is decided, and decide again."""
    decision = decide_from(step, seen(step))
    assert isinstance(decision, Change), decision
    assert decision.risk is Risk.DATA_LOSS
    (action,) = decision.actions
    assert isinstance(action, Run)
    sh(action.script)
    return decide_from(step, seen(step))


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A directory that a registry filled, and that picluster made for it."""
    directory = tmp_path / "it's $(here)"
    (directory / "docker" / "registry" / "v2" / "blobs").mkdir(parents=True)
    (directory / "docker" / "registry" / "v2" / "layer").write_text("x" * 1000)
    (directory / REGISTRY_MARK).touch()
    return directory


def test_a_directory_with_nothing_but_its_owners_goes(registry: Path) -> None:
    assert done(of_registry(registry)) == Satisfied()
    assert not registry.exists()


def test_what_others_put_beside_a_registry_stays_and_is_named(registry: Path) -> None:
    (registry / "thesis").mkdir()
    (registry / "thesis" / "chapter 1").write_text("all of it")
    (registry / "docker" / "compose.yaml").write_text("mine")
    step = of_registry(registry)
    decision = decide_from(step, seen(step))
    assert isinstance(decision, Change)
    assert "docker/compose.yaml" in decision.summary
    assert "thesis" in decision.summary
    after = done(step)
    assert left(registry) == ["docker", "docker/compose.yaml", "thesis", "thesis/chapter 1"]
    assert isinstance(after, Satisfied)
    assert "left alone" in after.warning


def test_a_registry_that_was_there_before_picluster_is_refused(registry: Path) -> None:
    (registry / REGISTRY_MARK).unlink()
    step = of_registry(registry)
    decision = decide_from(step, seen(step))
    assert isinstance(decision, Blocked)
    assert "docker/registry" in decision.reason
    assert "by hand" in decision.fix


def test_a_directory_with_others_files_alone_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").touch()
    for step in (of_registry(tmp_path), of_longhorn(tmp_path)):
        decision = decide_from(step, seen(step))
        assert isinstance(decision, Satisfied)
        assert "left alone: thesis in" in decision.warning
    assert left(tmp_path) == ["thesis"]


def test_longhorn_loses_what_it_put_there_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "replicas" / "pvc-1").mkdir(parents=True)
    (tmp_path / "longhorn-disk.cfg").touch()
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "photos").touch()
    done(of_longhorn(tmp_path))
    assert left(tmp_path) == ["lost+found", "photos"]


def test_a_link_is_not_followed(tmp_path: Path, registry: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(registry)
    step = of_registry(link)
    decision = decide_from(step, seen(step))
    assert isinstance(decision, Blocked)
    assert str(registry) in decision.reason
    with pytest.raises(subprocess.CalledProcessError):  # one that came after the look
        sh(step.deleting.script)
    assert (registry / "docker" / "registry").is_dir()


def test_a_link_inside_goes_and_what_it_leads_to_stays(tmp_path: Path, registry: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    (registry / "docker" / "registry" / "out").symlink_to(other)
    done(of_registry(registry))
    assert left(other) == ["file"]


def test_volumes_of_local_path_are_all_that_is_in_their_directory(tmp_path: Path) -> None:
    (tmp_path / "pvc-1_default_data").mkdir()
    assert done(DataDeleted("volumes", str(tmp_path))) == Satisfied()


@pytest.mark.parametrize("step", [DataKept("photos", "/data"), DataDeleted("photos", "/data")])
def test_where_there_is_no_data_there_is_nothing_to_say(step: DataKept | DataDeleted) -> None:
    assert decide(step) == Satisfied()


def test_an_unused_file_system_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    for step in (of_longhorn(tmp_path), DataDeleted("all", str(tmp_path))):
        assert decide_from(step, seen(step)) == Satisfied()


def test_data_is_named_with_its_size_before_it_is_deleted() -> None:
    step = DataDeleted("photos", "/data")
    decision = decide(step, "real=/data", "entry=a", "bytes=3400000")
    assert isinstance(decision, Change)
    assert decision.summary == "DELETE photos in /data (3.4 MB)"


def test_data_that_stays_is_named_too() -> None:
    decision = decide(DataKept("photos", "/data"), "real=/data", "entry=a", "bytes=")
    assert isinstance(decision, Satisfied)
    assert "kept: photos in /data (more than could be measured)" in decision.warning
    assert "--data" in decision.warning


@pytest.mark.parametrize(("before", "marked"), [([], True), (["lost+found"], True), (["a"], False)])
def test_a_registrys_directory_is_marked_if_it_was_empty(
    tmp_path: Path, before: list[str], marked: bool
) -> None:
    volume = tmp_path / "volume"
    for name in before:
        (volume / name).mkdir(parents=True)
    wanted = Definition("registry:2", 5000, str(volume), tls=False, users=False)
    for _ in range(2):  # making it again changes nothing about whose it is
        done = run_with(tmp_path / "tools", creation(wanted).script, docker="")
        assert done.returncode == 0, done.stderr
        assert (volume / REGISTRY_MARK).exists() is marked
