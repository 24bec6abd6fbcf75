"""K3s's files on this computer: verified before any node gets them, fetched once for all."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from picluster.errors import StepFailed
from picluster.steps.k3s import artifacts as artifacts_module
from picluster.steps.k3s.artifacts import Artifacts

VERSION = "v1.33.5+k3s1"


def release(directory: Path, *, listed: bytes = b"k3s", holds: bytes = b"k3s") -> Artifacts:
    """An air-gap directory whose checksum file lists one content and whose binary has another."""
    directory.mkdir()
    (directory / "k3s-arm64").write_bytes(holds)
    digest = hashlib.sha256(listed).hexdigest()
    (directory / "sha256sum-arm64.txt").write_text(f"{digest}  k3s-arm64\n")
    (directory / "install.sh").write_text("#!/bin/sh\n")
    return Artifacts(VERSION, "https://nowhere", "https://nowhere", directory, directory / "cache")


def nobody(_: str) -> None:
    """Nothing is reported to anybody."""


def test_a_binary_with_the_published_checksum_is_taken(tmp_path: Path) -> None:
    binary = release(tmp_path / "airgap").binary("arm64", nobody)
    assert binary.path.read_bytes() == b"k3s"
    assert binary.sha256 == hashlib.sha256(b"k3s").hexdigest()


def test_a_binary_with_another_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="the checksum of k3s-arm64 is wrong"):
        release(tmp_path / "airgap", holds=b"k3s with something more").binary("arm64", nobody)


def test_a_binary_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    artifacts = release(tmp_path / "airgap")
    (tmp_path / "airgap/sha256sum-arm64.txt").write_text("")
    with pytest.raises(StepFailed, match="does not list k3s-arm64"):
        artifacts.binary("arm64", nobody)


def test_what_is_fetched_ahead_is_fetched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def served(url: str, path: Path, _: object, **__: object) -> None:
        asked.append(url.rsplit("/", 1)[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(b"k3s").hexdigest()
        path.write_bytes(f"{digest}  k3s-arm64\n".encode() if "sha256sum" in url else b"k3s")
        begun.set()
        assert go_on.wait(20)

    monkeypatch.setattr(artifacts_module, "download", served)
    found = Artifacts(VERSION, "https://there", "https://there/install.sh", None, tmp_path)
    found.fetch_ahead("arm64")
    assert begun.wait(20)
    go_on.set()
    assert found.binary("arm64", nobody).path.read_bytes() == b"k3s"
    found.install_script(nobody)
    assert sorted(asked) == ["install.sh", "k3s-arm64", "sha256sum-arm64.txt"]


@pytest.mark.parametrize("before", [True, False])
def test_a_small_file_of_before_serves_while_the_network_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    def served(_: str, path: Path, *__: object, **___: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")

    def down(*_: object, **__: object) -> None:
        raise StepFailed("cannot fetch it")

    first, second = (
        Artifacts(VERSION, "https://there", "https://there/install.sh", None, tmp_path)
        for _ in range(2)
    )
    if before:
        monkeypatch.setattr(artifacts_module, "download", served)
        first.install_script(nobody)
    monkeypatch.setattr(artifacts_module, "download", down)
    if before:
        assert second.install_script(nobody).path.read_text() == "#!/bin/sh\n"
    else:
        with pytest.raises(StepFailed, match="cannot fetch it"):
            second.install_script(nobody)


def test_nothing_is_fetched_ahead_where_it_lies_in_a_directory(tmp_path: Path) -> None:
    before = threading.active_count()
    release(tmp_path / "airgap").fetch_ahead("arm64")
    assert threading.active_count() == before


def test_a_release_on_the_way_lies_in_a_directory_of_its_name(tmp_path: Path) -> None:
    artifacts = release(tmp_path / "airgap")
    release(tmp_path / "airgap" / "v1.34.11+k3s1", listed=b"older", holds=b"older")
    older = artifacts.of("v1.34.11+k3s1")
    assert older.binary("arm64", nobody).path.read_bytes() == b"older"
    assert artifacts.of("v1.34.11+k3s1") is older, "looked for once"
    assert artifacts.of(VERSION) is artifacts
    with pytest.raises(StepFailed, match=r"no v1\.35\.8\+k3s1, which the upgrade goes through"):
        artifacts.of("v1.35.8+k3s1")
