"""A tiny image of picluster's own, by which it is tried whether nodes can pull. Pure.

It has one layer with one file, and the form that Docker's schema 2 and containerd both take. The
same input always makes the same bytes, and so the same digests.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass

REPOSITORY = "picluster/pull-test"
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"

_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_CREATED = "2025-01-01T00:00:00Z"
_TEXT = b"picluster made this image to see whether nodes can pull from the cluster's registry.\n"


@dataclass(frozen=True, slots=True)
class ProbeImage:
    """The bytes of an image and the tag it goes by."""

    tag: str
    manifest: bytes
    config: bytes
    layer: bytes

    @property
    def name(self) -> str:
        """The repository and the tag."""
        return f"{REPOSITORY}:{self.tag}"


def digest_of(content: bytes) -> str:
    """Return the digest by which a registry knows a content: `sha256:...`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def probe_image(tag: str) -> ProbeImage:
    """Make the image for a tag; each tag's is another one, so that none is taken for pulled."""
    layer = _layer(f"{tag}\n".encode() + _TEXT)
    config = _json(
        {
            "architecture": "arm64",
            "os": "linux",
            "created": _CREATED,
            "config": {"Labels": {"picluster.purpose": "pull test"}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(layer))]},
            "history": [{"created": _CREATED, "created_by": "picluster"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _described(_CONFIG_TYPE, config),
            "layers": [_described(_LAYER_TYPE, layer)],
        }
    )
    return ProbeImage(tag, manifest, config, layer)


def _layer(content: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("README")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    # Python pads archives to 10 KiB; two empty blocks are what the format asks for.
    return gzip.compress(archive.getvalue().rstrip(b"\0") + b"\0" * _tail(content), mtime=0)


def _tail(content: bytes) -> int:
    """Return how many zero bytes follow the content: to the end of its block, and two more."""
    block = 512
    return -len(content) % block + 2 * block


def _described(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(content), "digest": digest_of(content)}


def _json(data: object) -> bytes:
    return json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
