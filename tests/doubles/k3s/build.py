"""Writes releases of the stand-in: `python -m tests.doubles.k3s.build OUT`."""

from __future__ import annotations

import hashlib
import io
import shutil
import sys
import zipfile
from pathlib import Path

from picluster.model.k3s import DEFAULT_VERSION

VERSIONS = ("v1.33.5+k3s1", "v1.33.13+k3s2", "v1.34.11+k3s1", DEFAULT_VERSION)
NAMES = {"amd64": "k3s", "arm64": "k3s-arm64"}
NOTICE = "K3s stand-in: made by picluster's tests; it is not K3s, and it runs no containers.\n"

_HERE = Path(__file__).parent
_MAIN = "import sys\n\nfrom standin.cli import main\n\nsys.exit(main())\n"
_NOT_SHIPPED = {"build.py", "__main__.py", "stamp.py"}
_TIME = (2025, 1, 1, 0, 0, 0)


def executable(version: str, arch: str) -> bytes:
    """Return a zipapp of the stand-in that plays a version; the same input gives the same bytes."""
    stamp = f'"""Which release this is."""\n\nVERSION = {version!r}\nARCH = {arch!r}\n'
    sources = {
        path.name: path.read_text()
        for path in sorted(_HERE.glob("*.py"))
        if path.name not in _NOT_SHIPPED
    }
    files = {f"standin/{name}": text for name, text in sources.items()}
    files |= {"__main__.py": _MAIN, "standin/stamp.py": stamp}
    packed = io.BytesIO()
    packed.write(b"#!/usr/bin/python3\n")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def build(out: Path) -> None:
    """Write install.sh, NOTICE and every release."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_HERE / "install.sh", out / "install.sh")
    (out / "install.sh").chmod(0o755)
    (out / "NOTICE").write_text(NOTICE)
    for version in VERSIONS:
        release = out / version
        release.mkdir(exist_ok=True)
        for arch, name in NAMES.items():
            content = executable(version, arch)
            (release / name).write_bytes(content)
            (release / name).chmod(0o755)
            digest = hashlib.sha256(content).hexdigest()
            (release / f"sha256sum-{arch}.txt").write_text(f"{digest}  {name}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.doubles.k3s.build OUT")
    build(Path(sys.argv[1]))
