"""Images out of a registry, without Docker: asked for, verified, and written as one archive each.

https://github.com/opencontainers/distribution-spec is how a registry is spoken to, and
https://distribution.github.io/distribution/spec/auth/token/ how it is logged in to. The archive is
an image layout (https://github.com/opencontainers/image-spec) with the manifest.json of
`docker save` in it as well: containerd imports it, and `docker load` takes it.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import re
import ssl
import tarfile
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request

from picluster.engine.probe import NONSENSE
from picluster.errors import StepFailed
from picluster.local_files import replacing
from picluster.secret import Secret
from picluster.steps.download import LONGEST_SECONDS, digest_of, download, opened, text_of
from picluster.steps.image_reference import DOCKER, Reference
from picluster.steps.registry.credentials import Credentials

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_INDEX = _INDEXES[0]
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_CHALLENGE = re.compile(r'([a-z]+)="([^"]*)"')
_HUB = "https://registry-1.docker.io"
_REFUSED = 401
_MOST_LAYER = 8 << 30
_TEXT_SECONDS = 300.0
_VARIANTS = {"arm64": ("", "v8"), "amd64": ("", "v1")}


@dataclass(frozen=True, slots=True)
class PullPlace:
    """One place that images are fetched from: its address, who asks, and whom it is known by.

    `authority` is a certificate as PEM; without `verify` any certificate will do.
    """

    url: str
    login: Credentials | None = None
    authority: str = ""
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Blob:
    """A part of an image."""

    digest: str
    size: int
    kind: str

    @property
    def path(self) -> str:
        """Where it lies in an image layout."""
        return f"blobs/sha256/{self.digest.removeprefix('sha256:')}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image for one platform consists of, and the text that says so."""

    content: bytes
    kind: str
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def size(self) -> int:
        """How many bytes its parts take."""
        return self.config.size + sum(layer.size for layer in self.layers)


@dataclass(slots=True)
class Puller:
    """A place at work: it may want a token, which is asked for once a repository."""

    source: PullPlace
    _headers: dict[str, Secret] = field(default_factory=dict)

    def manifest(self, image: Reference, platform: str) -> Manifest:
        """Return what an image is for a platform. Raises `StepFailed`."""
        try:
            return self._manifest(image, platform)
        except urllib.error.HTTPError as error:
            why = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
        except (*NONSENSE, RecursionError) as error:
            why = f"its answer makes no sense: {error}"
        raise StepFailed(f"cannot fetch {image.full}", where=self.source.url, why=why, fix=_FIX)

    def blob(self, image: Reference, blob: Blob, path: Path) -> None:
        """Bring a part of an image here, unless it is here and whole. Raises `StepFailed`."""
        wanted = blob.digest.removeprefix("sha256:")
        if path.is_file() and path.stat().st_size == blob.size and digest_of(path) == wanted:
            return
        download(
            self._url(image, f"blobs/{blob.digest}"),
            path,
            _say_nothing,
            sha256=wanted,
            fix=_FIX,
            most=blob.size,
            opening=lambda url: self._ask(image, url, LONGEST_SECONDS),
        )
        if path.stat().st_size != blob.size:
            why = "its manifest says another size than a part of it has"
            raise StepFailed(f"cannot fetch {image.full}", where=self.source.url, why=why, fix=_FIX)

    # -------------------------------------------------------------- in detail

    def _manifest(self, image: Reference, platform: str) -> Manifest:
        content, kind = self._text(image, image.version)
        document = json.loads(content)
        if kind in _INDEXES or "manifests" in document:
            digest = _of_platform(document, platform)
            if not digest:
                raise self._elsewhere(image, "it is for other processors only")
            content, kind = self._text(image, digest)
            document = json.loads(content)
        elif self._platform(image, document) != platform:
            raise self._elsewhere(image, "it is for another processor only")
        return Manifest(
            content,
            str(document.get("mediaType") or kind),
            _blob(document["config"]),
            tuple(_blob(layer) for layer in document["layers"]),
        )

    def _elsewhere(self, image: Reference, why: str) -> StepFailed:
        fix = "choose an image that is made for the nodes' processors"
        return StepFailed(f"cannot fetch {image.full}", where=self.source.url, why=why, fix=fix)

    def _platform(self, image: Reference, document: Mapping[str, Any]) -> str:
        url = self._url(image, f"blobs/{_blob(document['config']).digest}")
        with self._ask(image, url, _TEXT_SECONDS) as answer:
            return str(json.loads(text_of(answer)).get("architecture"))

    def _text(self, image: Reference, version: str) -> tuple[bytes, str]:
        url = self._url(image, f"manifests/{quote(version, safe=':')}")
        accepted = ", ".join(_MANIFESTS + _INDEXES)
        with self._ask(image, url, _TEXT_SECONDS, Accept=accepted) as answer:
            content = text_of(answer)
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if version.startswith("sha256:") and _digest(content) != version:
            raise ValueError("the manifest has not the digest that it is called by")
        return content, kind

    def _url(self, image: Reference, rest: str) -> str:
        return f"{self.source.url.rstrip('/')}/v2/{image.repository}/{rest}"

    def _ask(
        self, image: Reference, url: str, longest: float, **headers: str
    ) -> http.client.HTTPResponse:
        try:
            return self._once(image, url, longest, headers)
        except urllib.error.HTTPError as error:
            if error.code != _REFUSED:
                raise
            # A token lasts some minutes, and layers may take longer.
            self._headers[image.repository] = self._login(error.headers.get("WWW-Authenticate", ""))
        return self._once(image, url, longest, headers)

    def _once(
        self, image: Reference, url: str, longest: float, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        request = _request(url, **headers)
        known = self._headers.get(image.repository)
        if known is not None:
            # Where blobs are kept elsewhere, the login is none of that place's business.
            request.add_unredirected_header("Authorization", known.reveal())
        return opened(request, self._trust(url), longest=longest)

    def _login(self, challenge: str) -> Secret:
        """Return the header that a registry wants. Raises `OSError`, `ValueError`."""
        login = self.source.login
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and login is not None:
            return login.header
        said = dict(_CHALLENGE.findall(rest))
        realm = said.pop("realm", "")
        if scheme.lower() != "bearer" or not realm:
            raise ValueError("it wants a login, and there is none for it")
        ways = ("https",) if urlsplit(self.source.url).scheme == "https" else ("http", "https")
        if urlsplit(realm).scheme not in ways:
            raise ValueError(f"it wants to be logged in to without HTTPS, at {realm}")
        asked = {name: said[name] for name in ("service", "scope") if name in said}
        request = _request(f"{realm}?{urlencode(asked)}")
        if login is not None:
            request.add_unredirected_header("Authorization", login.header.reveal())
        with opened(request, self._trust(realm), longest=_TEXT_SECONDS) as answer:
            content = text_of(answer)
        try:
            document = json.loads(content)
            return Secret(f"Bearer {document.get('token') or document['access_token']}")
        except (*NONSENSE, RecursionError):
            raise ValueError("there is no token in what it answers to the login") from None

    def _trust(self, url: str) -> ssl.SSLContext | None:
        """Return how certificates are judged; without HTTPS there are none."""
        source = self.source
        if urlsplit(url).scheme != "https":
            return None
        context = ssl.create_default_context()
        if source.authority:
            context.load_verify_locations(cadata=source.authority)
        if not source.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


_FIX = "check the image's name and the network; what is here already is not fetched again"


def default_source(host: str) -> str:
    """Return the address of a registry by the name that images call it by."""
    return _HUB if host == DOCKER else f"https://{host}"


def write_archive(
    image: Reference, manifest: Manifest, parts: Mapping[str, Path], path: Path
) -> None:
    """Write an image's archive; `parts` are its blobs' files, by digest. Always the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    top = Blob(_digest(manifest.content), len(manifest.content), manifest.kind)
    blobs = {blob.path: blob for blob in (manifest.config, *manifest.layers)}
    legacy = {
        "Config": manifest.config.path,
        "RepoTags": [image.short] if image.tag else [],
        "Layers": [layer.path for layer in manifest.layers],
    }
    names = {
        "io.containerd.image.name": image.full,
        **({"org.opencontainers.image.ref.name": image.tag} if image.tag else {}),
    }
    entry = {"mediaType": top.kind, "digest": top.digest, "size": top.size, "annotations": names}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
    with replacing(path, 0o666) as file, tarfile.open(fileobj=file, mode="w") as tar:
        _add(tar, "manifest.json", json.dumps([legacy]).encode())
        _add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(tar, "index.json", json.dumps(index).encode())
        _add(tar, top.path, manifest.content)
        for name, blob in blobs.items():
            entry_ = tarfile.TarInfo(name)
            entry_.size, entry_.mode = blob.size, 0o644
            with parts[blob.digest].open("rb") as source:
                tar.addfile(entry_, source)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))


def _of_platform(index: Mapping[str, Any], platform: str) -> str:
    """Return the digest of the image for a platform; empty if there is none."""
    for each in index["manifests"]:
        made_for = each.get("platform") or {}
        if (
            made_for.get("os") == "linux"
            and made_for.get("architecture") == platform
            and made_for.get("variant", "") in _VARIANTS.get(platform, ("",))
        ):
            return _checked(each["digest"])
    return ""


def _blob(described: Mapping[str, Any]) -> Blob:
    size = int(described["size"])
    if not 0 <= size <= _MOST_LAYER:
        raise ValueError("a part of it has a size that no part has")
    return Blob(_checked(described["digest"]), size, str(described.get("mediaType", "")))


def _checked(digest: Any) -> str:
    if not _DIGEST.fullmatch(str(digest)):
        raise ValueError(f"{str(digest)[:80]!r} is not a digest")
    return str(digest)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _request(url: str, **headers: str) -> Request:
    return Request(url, headers={"User-Agent": "picluster", **headers})  # noqa: S310 - see the model


def _say_nothing(_: str) -> None:
    """The image is reported, not its parts."""
