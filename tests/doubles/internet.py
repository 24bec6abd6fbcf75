"""A test double for what a connected computer downloads from: files, and a registry of images.

Of a registry it does what https://github.com/opencontainers/distribution-spec says of pulls: an
index for several platforms, manifests and blobs by digest. With `tokens` it wants a bearer token of
its own (https://distribution.github.io/distribution/spec/auth/token/), as Docker Hub does of
everybody; with `login` that token is only for who logs in. Blobs are kept elsewhere, as at most
public registries: they are redirected to, and a login has no business there.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TOKEN = "a-token-for-pulls"


@dataclass
class Internet:
    """What it holds, and every request that it had."""

    tokens: bool = False
    login: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, repository: str, tag: str, *platforms: str, layer: bytes = b"") -> str:
        """Let it have an image of one layer for these platforms; return the index's digest."""
        entries = [self._image(repository, tag, each, layer) for each in platforms]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        return self._keep(repository, tag, INDEX, index)["digest"]

    def put_plain(self, repository: str, tag: str, platform: str) -> str:
        """Let it have an image without an index, as what was built for one platform only."""
        digest = self._image(repository, tag, platform, b"")["digest"]
        self.manifests[repository, tag] = self.manifests[repository, digest]
        return str(digest)

    def put_archive(self, repository: str, tag: str, path: Path) -> None:
        """Let it have the image of an archive of `docker save`."""
        with tarfile.open(path) as tar:
            held = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
        (said,) = json.loads(held["manifest.json"])
        parts = {
            "config": self._blob(held[said["Config"]]),
            "layers": [
                self._blob(gzip.compress(held[name], 1, mtime=0)) for name in said["Layers"]
            ],
        }
        self._keep(repository, tag, MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, **parts})

    def put_k3s(self, version: str, directory: Path, arch: str) -> None:
        """Let it have a release of K3s, with an archive of its images, which are none."""
        base = f"/k3s/{version.replace('+', '%2B')}"
        images, listed = f"k3s-airgap-images-{arch}.tar.zst", f"sha256sum-{arch}.txt"
        empty = b"stands for the images of K3s"
        self.files |= {f"{base}/{path.name}": path.read_bytes() for path in directory.iterdir()}
        self.files |= {f"{base}/{images}": empty, f"{base}/k3s-images.txt": b""}
        self.files[f"{base}/{listed}"] += f"{digest_of(empty)[7:]}  {images}\n".encode()

    def put_chart(self, repository: str, name: str, version: str) -> None:
        """Let it have a chart, in a repository of its own."""
        entry = {"version": version, "urls": [f"{name}.tgz"]}
        self.files[f"{repository}/index.yaml"] = json.dumps({"entries": {name: [entry]}}).encode()
        self.files[f"{repository}/{name}.tgz"] = f"stands for the chart of {name}".encode()

    def _image(self, repository: str, tag: str, platform: str, layer: bytes) -> dict[str, Any]:
        config = {"architecture": platform, "os": "linux", "of": f"{repository}:{tag}"}
        layer = layer or f"{repository} {platform}".encode()
        parts = {
            "config": self._blob(json.dumps(config).encode()),
            "layers": [
                self._blob(gzip.compress(layer or f"{repository} {platform}".encode(), mtime=0))
            ],
        }
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, **parts}
        entry = self._keep(repository, "", MANIFEST, manifest)
        return {**entry, "platform": {"os": "linux", "architecture": platform}}

    def _keep(
        self, repository: str, tag: str, kind: str, document: Mapping[str, Any]
    ) -> dict[str, Any]:
        content = json.dumps(document).encode()
        digest = digest_of(content)
        for version in filter(None, (digest, tag)):
            self.manifests[repository, version] = (kind, content)
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def _blob(self, content: bytes) -> dict[str, Any]:
        digest = digest_of(content)
        self.blobs[digest] = content
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def served(internet: Internet) -> Iterator[Internet]:
    """Serve it on a loopback port of its own."""
    handler = type("Handler", (_Handler,), {"internet": internet})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        internet.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield internet
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    internet: Internet

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        internet, path = self.internet, urlsplit(self.path).path
        internet.asked.append(path)
        allowed = self.headers.get("Authorization", "")
        if path == "/token":
            basic = f"Basic {base64.b64encode(internet.login.encode()).decode()}"
            if internet.login and allowed != basic:
                self.answer(401, b"{}")
            else:
                self.answer(200, json.dumps({"token": TOKEN}).encode())
        elif path.startswith("/elsewhere/"):
            found = internet.blobs.get(path.removeprefix("/elsewhere/"))
            # Storage refuses what it does not know: a login for the registry is a wrong one here.
            self.answer(400 if allowed else 200 if found is not None else 404, found or b"")
        elif not path.startswith("/v2/"):
            body = internet.files.get(path)
            self.answer(404 if body is None else 200, body or b"")
        elif internet.tokens and allowed != f"Bearer {TOKEN}":
            realm = (
                f'Bearer realm="{internet.url}/token",service="double",scope="repository:x:pull"'
            )
            self.answer(401, b"{}", **{"WWW-Authenticate": realm})
        else:
            self.registry(path.removeprefix("/v2/"))

    def registry(self, path: str) -> None:
        repository, kind, version = path.rsplit("/", 2)
        if kind == "blobs" and version in self.internet.blobs:
            self.answer(307, Location=f"{self.internet.url}/elsewhere/{version}")
            return
        media, content = self.internet.manifests.get((repository, version), ("", b""))
        self.answer(200 if content else 404, content, **{"Content-Type": media})

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
