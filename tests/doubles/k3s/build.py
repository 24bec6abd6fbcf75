"""Writes releases of the stand-in: `python -m tests.doubles.k3s.build OUT`."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import random
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from picluster.model.k3s import DEFAULT_VERSION

VERSIONS = ("v1.33.5+k3s1", "v1.33.13+k3s2", "v1.34.11+k3s1", DEFAULT_VERSION)
NAMES = {"amd64": "k3s", "arm64": "k3s-arm64"}
NOTICE = "K3s stand-in: made by picluster's tests; it is not K3s, and it runs no containers.\n"

_HERE = Path(__file__).parent
_MAIN = """import sys

from standin.version import SAID

if sys.argv[1:] == ["--version"]:  # what is asked most often needs nothing else
    print(SAID)
    sys.exit()

from standin.cli import main

sys.exit(main())
"""
# A .pyc that is not compared with its source (PEP 552), without references, whose places in the
# file would tell what else this process holds: the same sources give the same bytes.
_UNCHECKED = (1).to_bytes(4, "little")
_WITHOUT_REFERENCES = 2
_NOT_SHIPPED = {"build.py", "__main__.py", "stamp.py"}
_TIME = (2025, 1, 1, 0, 0, 0)


def executable(version: str, arch: str, weight: int = 0) -> bytes:
    """Return a zipapp of the stand-in that plays a version; the same input gives the same bytes.

    `weight` is how many bytes it has besides, as K3s has some seventy million.
    """
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
            for written, content in ((name, text), (f"{name}c", _compiled(name, text))):
                archive.writestr(zipfile.ZipInfo(written, _TIME), content, zipfile.ZIP_DEFLATED)
        if weight:
            archive.writestr(zipfile.ZipInfo("weight", _TIME), random.Random(1).randbytes(weight))
    return packed.getvalue()


def _compiled(name: str, text: str) -> bytes:
    """Return a module as this Python runs it; another one passes it over and takes the source.

    The lab starts the stand-in some thousand times, and would compile it each time.
    """
    code = compile(text, name, "exec", dont_inherit=True)
    source = importlib.util.source_hash(text.encode())
    content = marshal.dumps(code, _WITHOUT_REFERENCES)
    return importlib.util.MAGIC_NUMBER + _UNCHECKED + source + content


def build(out: Path, versions: Sequence[str] = VERSIONS, weight: int = 0) -> None:
    """Write install.sh, NOTICE and the releases."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_HERE / "install.sh", out / "install.sh")
    (out / "install.sh").chmod(0o755)
    (out / "NOTICE").write_text(NOTICE)
    for version in versions:
        release = out / version
        release.mkdir(exist_ok=True)
        for arch, name in NAMES.items():
            content = executable(version, arch, weight)
            (release / name).write_bytes(content)
            (release / name).chmod(0o755)
            digest = hashlib.sha256(content).hexdigest()
            (release / f"sha256sum-{arch}.txt").write_text(f"{digest}  {name}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.doubles.k3s.build OUT")
    build(Path(sys.argv[1]))
