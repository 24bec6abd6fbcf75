"""Where the registry's own image comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.steps import looking

from picluster.engine.step import Blocked, Change, Run, Satisfied
from picluster.steps.registry.image import (
    RegistryImage,
    SendArchive,
    archive_name,
    find_archive,
    loading,
)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("registry:2", "registry-2"),
        ("docker.io/library/registry:2.8.3", "registry-2.8.3"),
        ("mirror.lan:5000/registry:2", "registry-2"),
        (f"registry@sha256:{'a' * 64}", f"registry-{'a' * 64}"),
    ],
)
def test_an_archive_is_called_after_its_image(image: str, name: str) -> None:
    assert archive_name(image) == name


def test_an_archive_is_found_in_each_of_its_forms(tmp_path: Path) -> None:
    assert find_archive(None, "registry:2") is None
    assert find_archive(tmp_path, "registry:2") is None
    (tmp_path / "registry-2.tar.gz").touch()
    assert find_archive(tmp_path, "registry:2") == tmp_path / "registry-2.tar.gz"


def decide(
    out: str = "", directory: Path | None = None, archive: Path | None = None
) -> Change | Satisfied | Blocked:
    return looking.decide(RegistryImage("registry:2", directory, archive, 900), out)


def test_one_that_is_there_is_not_fetched_again() -> None:
    assert decide("image=sha256:1", Path("/a")) == Satisfied()


def test_one_that_is_missing_is_pulled() -> None:
    decision = decide()
    assert isinstance(decision, Change)
    assert decision.actions == (Run("docker pull registry:2", timeout=900),)


def test_an_archive_is_loaded_instead() -> None:
    decision = decide("", Path("/a"), Path("/a/registry-2.tar"))
    assert isinstance(decision, Change)
    assert decision.actions == (SendArchive(Path("/a/registry-2.tar")), loading("registry:2"))


def test_without_the_internet_a_missing_archive_is_named() -> None:
    decision = decide("", Path("/a"))
    assert isinstance(decision, Blocked)
    assert "registry-2.tar" in decision.reason
    assert "docker save" in decision.fix
