"""When an image is built, tagged, pushed from an archive, or left alone."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.progress import ProgressDouble
from tests.doubles.shell_nodes import ShellNodes
from tests.doubles.tool_doubles import run_with
from tests.unit.steps.looking import decide_from

from picluster.engine.pool import Sessions
from picluster.engine.step import Change, Satisfied
from picluster.errors import UsageError
from picluster.model.images import BuiltImage
from picluster.steps.images.archives import ImageArchive, archive_of, archives_in, name_in
from picluster.steps.images.built import ImageBuilt, Produce, Seen
from picluster.steps.images.workshop import Builder, Workshop, commit_in
from picluster.steps.registry.api import RegistryEndpoint
from picluster.steps.registry.paths import WORKSHOP

IMAGE = BuiltImage(name="tak/map", tag="1.0", git="https://example.org/map.git", ref="v1")


def decide(seen: Seen, archives: tuple[ImageArchive, ...] = ()) -> Any:
    return decide_from(ImageBuilt(IMAGE, builder(archives)), seen)


def builder(archives: tuple[ImageArchive, ...] = ()) -> Builder:
    return Builder("pi4", RegistryEndpoint("pi4", 5000), "pi4:5000", archives, 60)


def test_the_same_inputs_are_not_built_twice() -> None:
    decision = decide(Seen("abc", "", "sha256:1", "sha256:1"))
    assert isinstance(decision, Satisfied)
    assert "abc" in decision.detail


@pytest.mark.parametrize(
    ("seen", "summary", "reason"),
    [
        (Seen("abc"), "build", "the registry does not have it"),
        (Seen("abc", "", "", "sha256:1"), "build", "its inputs changed"),
        (Seen("abc", "", "sha256:2", "sha256:1"), "tag", "built from these inputs before"),
        (Seen("", "its source was not fetched yet"), "build", "not fetched yet"),
    ],
)
def test_each_reason_is_said(seen: Seen, summary: str, reason: str) -> None:
    decision = decide(seen)
    assert isinstance(decision, Change)
    assert decision.summary == f"{summary} tak/map:1.0"
    assert decision.actions == (Produce(IMAGE, builder(), "", f"{summary} tak/map:1.0"),)
    assert reason in decision.reason


def test_an_archive_is_pushed_instead() -> None:
    decision = decide(Seen("abc"), (ImageArchive(Path("/x.tar"), ("tak/map:1.0",)),))
    assert isinstance(decision, Change)
    archive = ImageArchive(Path("/x.tar"), ("tak/map:1.0",))
    assert decision.actions == (Produce(IMAGE, builder((archive,)), "", "push tak/map:1.0"),)


@pytest.mark.parametrize(
    "named",
    ["tak/map:1.0", "docker.io/tak/map:1.0", "pi4:5000/tak/map:1.0", "localhost/tak/map:1.0"],
)
def test_an_archive_is_found_by_whatever_registry_it_was_saved_from(named: str) -> None:
    archive = ImageArchive(Path("/x.tar"), ("other:1", named))
    assert archive_of((archive,), "tak/map:1.0") == archive
    assert name_in(archive, "tak/map:1.0") == named
    assert archive_of((archive,), "tak/map:1.1") is None


def test_dockers_own_images_are_found_by_their_short_name() -> None:
    archive = ImageArchive(Path("/x.tar"), ("docker.io/library/debian:12",))
    assert archive_of((archive,), "debian:12") == archive


def test_what_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("not a tar")
    with pytest.raises(UsageError) as caught:
        archives_in(tmp_path)
    assert "x.tar" in caught.value.where
    assert "docker save" in caught.value.fix


def test_a_directory_of_archives_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no directory of image archives") as caught:
        archives_in(tmp_path / "nowhere")
    assert caught.value.fix == "correct images.archive in the cluster file"


def test_an_archive_whose_manifest_is_no_file_holds_nothing(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    assert archives_in(tmp_path) == (ImageArchive(tmp_path / "x.tar", ()),)


def test_archives_say_what_they_hold(tmp_path: Path) -> None:
    manifest = json.dumps([{"RepoTags": ["a:1"]}, {"RepoTags": None}]).encode()
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest))
    assert archives_in(tmp_path) == (ImageArchive(tmp_path / "x.tar", ("a:1",)),)
    assert archives_in(None) == ()


def test_the_commit_of_a_tag_is_that_of_what_it_names() -> None:
    tag, commit = "a" * 40, "b" * 40
    assert commit_in(f"{tag}\trefs/tags/v1\n{commit}\trefs/tags/v1^{{}}\n") == commit
    assert commit_in(f"{tag}\trefs/heads/v1\n") == tag


@pytest.mark.parametrize(
    "listed",
    ["", "$(reboot)\trefs/heads/v1", f"{'a' * 40};reboot\tv1", f"{'A' * 40}\tv1", "v1 " + "a" * 40],
)
def test_nothing_else_that_a_git_server_says_is_taken_for_a_commit(listed: str) -> None:
    assert commit_in(listed) == ""


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("it's; touch pwned #.tar", ""),
        ("$(touch pwned).tar", ""),
        ("a b.tar", ""),
        ("a.tar", "a.b$(touch pwned)/"),
        ("a.tar", "a.b; touch pwned #/"),
    ],
)
def test_an_archives_name_is_never_shell(tmp_path: Path, name: str, host: str) -> None:
    """Neither its file's, nor the one that it says that its image has."""
    nodes = ShellNodes(tmp_path / "nodes", tools=tmp_path / "tools")
    called = {name: f'echo "{name} $*" >>{tmp_path}/calls' for name in ("docker", "touch", "rm")}
    run_with(tmp_path / "tools", "true", **called)
    source = tmp_path / name
    source.write_text("x")
    archive = ImageArchive(source, (f"{host}tak/map:1.0",))
    shop = Workshop(builder((archive,)), Sessions(nodes))
    shop.load("map", archive, IMAGE.reference, ProgressDouble())
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["docker", "docker", "rm"], "nothing else ran"
    assert calls[0] == f"docker load -q -i {WORKSHOP}/map/{name}"
    assert calls[2] == f"rm -f {WORKSHOP}/map/{name}"
