"""A registry image for labs: Debian's docker-registry under the name of the official image.

No lab node can pull anything, so this stands in for it, as an archive that `docker load` takes. It
is not the official image, and says so in its label and in the notice; what it runs is the same
program, in the version that Debian has.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
from pathlib import Path

from picluster.errors import PreflightRefused
from picluster.lab.base_tree import REPOSITORY
from picluster.lab.commands import run

NAME = "registry:2"
ARCHIVE = "registry-2.tar"
NOTICE = "registry:2 is lab-made from Debian's docker-registry; it is not the official image.\n"

_PROGRAM = "usr/bin/docker-registry"
_CONFIG = "etc/docker/registry/config.yml"
_SETTINGS = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
"""
_ENTRY = ["/bin/registry", "serve", f"/{_CONFIG}"]
_LIBRARY = re.compile(r"(/\S+)")


def build(base: Path, archive: Path) -> None:
    """Write the image's archive, made of a lab's base tree.

    Raises `PreflightRefused` if the tree has no docker-registry, and `StepFailed` if a program of
    this computer fails.
    """
    packages = sorted((base / REPOSITORY).glob("docker-registry_*.deb"))
    if not packages:
        raise PreflightRefused(
            "the lab's Debian has no docker-registry to make an image of",
            where=str(base),
            fix="remove that directory: the lab builds it again",
        )
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        run("dpkg-deb", "-x", str(packages[-1]), str(root))
        program = (root / _PROGRAM).read_bytes()
    # The names are those of the official image: the collector is called by them.
    files = {"bin/registry": program, _CONFIG: _SETTINGS.encode(), **_libraries(base, program)}
    archive.write_bytes(_archive(_tar(files)))


def _libraries(base: Path, program: bytes) -> dict[str, bytes]:
    """Return the libraries that a program is linked with, from the tree, by their paths."""
    with tempfile.NamedTemporaryFile(dir=base / "tmp") as copy:
        copy.write(program)
        copy.flush()
        Path(copy.name).chmod(0o755)
        inside = f"/tmp/{Path(copy.name).name}"  # noqa: S108 - of the tree, which is root's alone
        listed = run("chroot", str(base), "ldd", inside)
    found = [match[1] for match in _LIBRARY.finditer(listed) if not match[1].startswith(inside)]
    return {path.lstrip("/"): (base / path.lstrip("/")).read_bytes() for path in found}


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _archive(layer: bytes) -> bytes:
    """Return what `docker save` would write: https://github.com/moby/docker-image-spec."""
    architecture = run("dpkg", "--print-architecture").strip()
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Entrypoint": _ENTRY[:2],
                "Cmd": _ENTRY[2:],
                "Env": ["PATH=/bin"],
                "Labels": {"picluster.lab": NOTICE.strip()},
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
            },
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    return _tar({"layer.tar": layer, name: config, "manifest.json": json.dumps(manifest).encode()})
