"""When an image is built, tagged, pushed from an archive, or left alone."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.unit.steps.k3s.test_maintenance import SESSIONS

from picluster.engine.step import Change, Observation, Satisfied
from picluster.engine.survey import Look
from picluster.errors import UsageError
from picluster.model.images import BuiltImage
from picluster.steps.images.archives import ImageArchive, archive_of, archives_in, name_in
from picluster.steps.images.built import ImageBuilt, Seen
from picluster.steps.images.workshop import Workshop
from picluster.steps.registry.api import Endpoint

IMAGE = BuiltImage(name="tak/map", tag="1.0", git="https://example.org/map.git", ref="v1")


def decide(seen: Seen, archives: tuple[ImageArchive, ...] = ()) -> Any:
    shop = Workshop("pi4", SESSIONS, Endpoint("pi4", 5000), "pi4:5000", archives, 60)
    step = ImageBuilt(IMAGE, shop)
    target = "image tak/map:1.0"
    return step.decide(Look(target, step.name, {target: {step.name: Observation(value=seen)}}))


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
    assert reason in decision.reason


def test_an_archive_is_pushed_instead() -> None:
    decision = decide(Seen("abc"), (ImageArchive(Path("/x.tar"), ("tak/map:1.0",)),))
    assert isinstance(decision, Change)
    assert decision.summary == "push tak/map:1.0"


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


def test_archives_say_what_they_hold(tmp_path: Path) -> None:
    manifest = json.dumps([{"RepoTags": ["a:1"]}, {"RepoTags": None}]).encode()
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest))
    assert archives_in(tmp_path) == (ImageArchive(tmp_path / "x.tar", ("a:1",)),)
    assert archives_in(None) == ()
