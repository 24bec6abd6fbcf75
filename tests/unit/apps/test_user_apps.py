"""The user's own applications: files, directories, kustomizations, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from picluster.apps.user_apps import AppSource, AppWorkloads
from picluster.engine.place import Tools
from picluster.errors import ConfigInvalid, StepFailed
from picluster.kube.workload import Workload
from picluster.model.apps import App

NO_TOOLS = Tools()
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n"
WEB = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {}\n"


def source(path: Path, **more: str) -> AppSource:
    return AppSource(App(name="web", path=path, **more), path.parent / "cache")


def test_a_directory_is_read_with_all_its_manifests_and_nothing_else(tmp_path: Path) -> None:
    inner = tmp_path / "app" / "more"
    inner.mkdir(parents=True)
    (tmp_path / "app" / "a.yaml").write_text(CONFIG.replace("NAME", "one"))
    (inner / "b.yml").write_text(CONFIG.replace("NAME", "two"))
    (tmp_path / "app" / "README.md").write_text("no: manifest: at all")
    names = [each["metadata"]["name"] for each in source(tmp_path / "app")(NO_TOOLS)]
    assert names == ["one", "two"]


def test_its_namespace_is_made_and_its_workloads_are_waited_for(tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text(WEB)
    app = source(tmp_path / "app.yaml", namespace="own")
    assert [each["kind"] for each in app(NO_TOOLS)] == ["Deployment", "Namespace"]
    assert AppWorkloads(app)(NO_TOOLS) == (Workload("Deployment", "own", "web"),)


def test_a_namespace_of_its_own_is_not_made_twice(tmp_path: Path) -> None:
    own = "apiVersion: v1\nkind: Namespace\nmetadata: {name: own, labels: {a: b}}\n"
    (tmp_path / "app.yaml").write_text(own)
    (found,) = source(tmp_path / "app.yaml", namespace="own")(NO_TOOLS)
    assert found["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize("kind", ["missing", "empty", "binary", "broken"])
def test_what_cannot_be_read_is_named_with_the_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "empty":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    elif kind == "broken":
        path.write_text("a: [1\nb: 2")
    with pytest.raises(ConfigInvalid) as caught:
        source(path)(NO_TOOLS)
    assert str(path) in caught.value.where


def tool(directory: Path, name: str, script: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)


@pytest.fixture
def kustomization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    app = tmp_path / "app"
    app.mkdir()
    (app / "kustomization.yaml").write_text("resources: []\n")
    return app


@pytest.mark.parametrize(("name", "words"), [("kustomize", "build"), ("kubectl", "kustomize")])
def test_a_kustomization_is_built_by_the_tool_that_is_there(
    kustomization: Path, name: str, words: str
) -> None:
    printed = CONFIG.replace("NAME", "built").replace("\n", "\\n")
    tool(kustomization.parent / "bin", name, f'[ "$1" = {words} ] && printf "{printed}"')
    (found,) = source(kustomization)(NO_TOOLS)
    assert found["metadata"]["name"] == "built"


def test_what_kustomize_complains_of_is_told(kustomization: Path) -> None:
    tool(kustomization.parent / "bin", "kustomize", "echo no such base >&2; exit 1")
    with pytest.raises(StepFailed) as caught:
        source(kustomization)(NO_TOOLS)
    assert "no such base" in caught.value.why


def test_without_any_kustomize_the_fix_is_to_have_one(
    kustomization: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(kustomization))
    with pytest.raises(StepFailed) as caught:
        source(kustomization)(NO_TOOLS)
    assert "install kustomize" in caught.value.fix
