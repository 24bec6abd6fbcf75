"""The images that picluster brings: what they are built from."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from tests.unit.steps.acting import decided, done

from picluster.apps.opentakserver.built_in import built_in
from picluster.apps.opentakserver.interface import FetchUi, UiFiles, unpack
from picluster.apps.opentakserver.web import nginx_conf
from picluster.engine.step import Satisfied
from picluster.errors import StepFailed
from picluster.model import Cluster, parse
from picluster.model.opentakserver import Ui
from picluster.steps.images.dockerfile import bases

FILE = """\
name: home
nodes: [{name: pi1, address: 10.0.0.11, role: server}]
registry: {node: pi1}
"""


def cluster(more: str = "opentakserver: {}\n") -> Cluster:
    return parse(FILE + more).cluster


def test_without_the_section_there_are_none(tmp_path: Path) -> None:
    assert built_in(cluster(""), tmp_path) is None
    assert cluster("").builder is None
    assert cluster().builder is not None


def test_the_python_is_the_one_that_the_release_needs(tmp_path: Path) -> None:
    for version, python in (("1.7.13", "3.11"), ("1.7.14", "3.12")):
        found = built_in(cluster(f"opentakserver: {{version: {version}}}\n"), tmp_path)
        assert found is not None
        dockerfile = (found.server.context or tmp_path) / "Dockerfile"
        wanted = [f"python:{python}-slim-bookworm"]
        assert bases(dockerfile.read_text(), found.server.args) == wanted
        assert found.server.reference == f"picluster/opentakserver:{version}"


def test_settings_of_socketio_are_build_arguments(tmp_path: Path) -> None:
    socketio = "{ping_timeout: 90, cors_origins: ['*'], message_queue: false}"
    found = built_in(cluster(f"opentakserver: {{socketio: {socketio}}}\n"), tmp_path)
    assert found is not None
    wanted = {"SOCKETIO_PING_TIMEOUT": "90", "SOCKETIO_CORS_ORIGINS": "*", "MESSAGE_QUEUE": "off"}
    assert wanted.items() <= found.server.args.items()


def test_the_interface_can_be_built_from_a_ref(tmp_path: Path) -> None:
    found = built_in(cluster("opentakserver: {ui: {ref: v1.8.0}}\n"), tmp_path)
    assert found is not None
    carry_out(found.ui_files)
    text = (found.ui_files.directory / "Dockerfile").read_text()
    assert bases(text, found.ui.args) == ["node:24-bookworm-slim", "nginx:1.28-alpine"]
    assert found.ui.args["UI_REF"] == "v1.8.0"
    copied = [line.split()[1] for line in text.splitlines() if line.startswith("COPY ")]
    here = [name for name in copied if not name.startswith("--")]
    assert all((found.ui_files.directory / name).is_file() for name in here), here
    assert found.ui.reference == "picluster/opentakserver-ui:v1.8.0"


def test_nginx_forwards_the_host_with_its_port_and_no_placeholder_is_left() -> None:
    text = nginx_conf("ots:8081")
    assert "proxy_set_header Host $http_host;" in text
    assert "proxy_pass http://ots:8081;" in text
    assert "@" not in text.replace("between at signs", "")


def archive(tmp_path: Path, *names: str) -> Path:
    path = tmp_path / "ui.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(name, name)
    return path


def files(tmp_path: Path, **settings: object) -> UiFiles:
    ui = Ui.model_validate(
        {"archive": str(archive(tmp_path, "top/index.html", "top/a/b.js"))} | settings
    )
    return UiFiles(ui, tmp_path / "cache/v1", {"Dockerfile": "FROM x\n"})


def carry_out(step: UiFiles) -> None:
    change = done(step)
    assert change.actions == (FetchUi(step.ui, step.directory, step.texts),)


def test_the_files_are_unpacked_once_and_then_left_alone(tmp_path: Path) -> None:
    step = files(tmp_path)
    carry_out(step)
    assert (step.directory / "site/a/b.js").read_text() == "top/a/b.js"
    assert (step.directory / "Dockerfile").read_text() == "FROM x\n"
    assert decided(step) == Satisfied()


def test_another_file_than_the_wanted_one_is_refused(tmp_path: Path) -> None:
    step = files(tmp_path, sha256="0" * 64)
    with pytest.raises(StepFailed, match="not the file"):
        carry_out(step)
    assert not step.directory.exists()


@pytest.mark.parametrize(
    ("names", "said"),
    [(("readme.txt",), "no index.html"), (("t/index.html", "t/../../evil"), "elsewhere")],
)
def test_a_zip_that_is_not_the_interface_is_refused(
    tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    with pytest.raises(StepFailed, match=said):
        unpack(archive(tmp_path, *names), tmp_path / "out")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("damage", ["size", "method", "password"])
def test_a_zip_that_cannot_be_unpacked_is_refused(tmp_path: Path, damage: str) -> None:
    path = archive(tmp_path, "dist/index.html")
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    place, value = {"size": (24, 0xFFFFFFF0), "method": (10, 77), "password": (8, 1)}[damage]
    width = 4 if damage == "size" else 2
    data[entry + place : entry + place + width] = value.to_bytes(width, "little")
    path.write_bytes(data)
    with pytest.raises(StepFailed, match=r"cannot be unpacked|larger than 2048 MiB unpacked"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
