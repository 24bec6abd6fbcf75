"""What the build writes, as picluster fetches and installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.doubles.k3s import build

from picluster.steps.k3s.artifacts import Artifacts


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out")
    build.build(path)
    return path


@pytest.mark.parametrize("version", build.VERSIONS)
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_each_release_passes_its_checksums(out: Path, version: str, arch: str) -> None:
    artifacts = Artifacts(version, "", "", out / version, out / "cache")
    binary = artifacts.binary(arch, print)
    done = subprocess.run([binary.path, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == f"k3s version {version} (stand-in)"


def test_the_same_sources_give_the_same_bytes(out: Path) -> None:
    version = build.VERSIONS[0]
    assert (out / version / "k3s").read_bytes() == build.executable(version, "amd64")
    assert (out / "NOTICE").read_text().startswith("K3s stand-in")


def test_the_zipapp_has_all_it_imports(out: Path, tmp_path: Path) -> None:
    k3s = out / build.VERSIONS[0] / "k3s"
    environment = os.environ | {"STANDIN_ROOT": str(tmp_path)}
    for command in (["kubectl", "get", "nodes"], ["etcd-snapshot", "list"], ["server", "--x"]):
        done = subprocess.run(
            [k3s, *command], env=environment, capture_output=True, text=True, check=False
        )
        assert "stand-in" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def version_of(k3s: Path, altered: Path, alter: Callable[[str, bytes], bytes]) -> str:
    """Return what a release says of itself once its files are altered."""
    with zipfile.ZipFile(k3s) as release, zipfile.ZipFile(altered, "w") as other:
        for name in release.namelist():
            other.writestr(name, alter(name, release.read(name)))
    command = [sys.executable, str(altered), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split(" (")[0] or done.stderr


def test_a_release_is_compiled_once_for_all_its_starts(out: Path, tmp_path: Path) -> None:
    version = build.VERSIONS[0]

    def without_source(name: str, content: bytes) -> bytes:
        return b"raise SystemExit('compiled anew')" if name.endswith(".py") else content

    said = version_of(out / version / "k3s", tmp_path / "k3s", without_source)
    assert said == f"k3s version {version}"


def test_a_python_of_another_release_takes_the_source(out: Path, tmp_path: Path) -> None:
    version = build.VERSIONS[0]

    def of_another_release(name: str, content: bytes) -> bytes:
        return b"\0\0\r\n" + content[4:] if name.endswith(".pyc") else content

    said = version_of(out / version / "k3s", tmp_path / "k3s", of_another_release)
    assert said == f"k3s version {version}"


@pytest.mark.parametrize(("role", "unit"), [("server", "k3s"), ("agent", "k3s-agent")])
def test_install_script(out: Path, tmp_path: Path, role: str, unit: str) -> None:
    bin_dir, units, fakes = (tmp_path / name for name in ("bin", "units", "fakes"))
    for directory in (bin_dir, units, fakes):
        directory.mkdir()
    for name, text in {"systemctl": f'echo "$@" >>{tmp_path}/calls', "id": "echo 0"}.items():
        (fakes / name).write_text(f"#!/bin/sh\n{text}\n")
        (fakes / name).chmod(0o755)
    (bin_dir / "k3s").write_text("#!/bin/sh\n")
    (bin_dir / "k3s").chmod(0o755)
    environment = {
        "PATH": f"{fakes}:/usr/bin:/bin",
        "INSTALL_K3S_BIN_DIR": str(bin_dir),
        "INSTALL_K3S_SYSTEMD_DIR": str(units),
        "INSTALL_K3S_SKIP_DOWNLOAD": "true",
        "INSTALL_K3S_SKIP_START": "true",
        "INSTALL_K3S_EXEC": role,
        "INSTALL_K3S_VERSION": build.VERSIONS[0],
        "K3S_TOKEN": "secret",
    }
    subprocess.run(["sh", out / "install.sh"], env=environment, check=True, capture_output=True)
    text = (units / f"{unit}.service").read_text()
    assert f"ExecStart={bin_dir}/k3s {role}\n" in text
    for line in ("Type=notify", "Restart=always", "RestartSec=5s", "TimeoutStartSec=0"):
        assert f"{line}\n" in text
    env_file = units / f"{unit}.service.env"
    assert env_file.stat().st_mode & 0o777 == 0o600
    assert env_file.read_text() == 'K3S_TOKEN="secret"\n'
    for tool in ("kubectl", "crictl", "ctr"):
        if not shutil.which(tool, path=environment["PATH"]):  # it is never put over another one
            assert (bin_dir / tool).readlink() == Path("k3s")
    assert os.access(bin_dir / f"{unit}-uninstall.sh", os.X_OK)
    assert os.access(bin_dir / "k3s-killall.sh", os.X_OK)
    calls = (tmp_path / "calls").read_text()
    assert "enable" in calls
    assert "start" not in calls
