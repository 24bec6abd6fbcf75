"""Files from the internet, on this computer: whole and verified, or not there at all."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

from picluster.errors import StepFailed
from picluster.http_answers import Deadline, body_of
from picluster.local_files import replacing

_CHUNK = 1 << 20
_OVER = ("https", "http")
_TIMEOUT_SECONDS = 60.0
_MIB = 1 << 20
LONGEST_SECONDS = 3600.0
"""How long one file may take, however slowly it comes."""
MOST_BYTES = 2048 * _MIB
"""No file that picluster fetches comes near to this size."""
MOST_TEXT = 32 * _MIB
"""The limit for what is text: scripts, checksums, manifests."""

Report = Callable[[str], None]
Opening = Callable[[str], http.client.HTTPResponse]


def download(
    url: str,
    path: Path,
    report: Report,
    *,
    sha256: str | None = None,
    fix: str = "",
    most: int = MOST_BYTES,
    opening: Opening | None = None,
) -> None:
    """Fetch a file and move it into place once it is whole, and has the digest if one is given.

    `opening` asks for it, where more than the address is needed.

    Raises `StepFailed`, with this `fix`, for more than `most` bytes, for fewer than the server
    promised, for an answer without a digest of which nobody can tell where it ends, and for a
    redirection from HTTPS to anything else.
    """
    if sha256 is None and exposed(url):
        report(f"warning: {plain_http(path.name)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (opening or _opened)(url) as answer, replacing(path, 0o666) as file:
            digest = hashlib.sha256()
            for block in _whole(answer, most, digest_known=sha256 is not None):
                digest.update(block)
                file.write(block)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise _Refused("the download's checksum is wrong; it was thrown away")
    except _Refused as error:
        raise StepFailed(str(error), where=url, why=error.why, fix=fix) from None
    # A bad address is a ValueError; a bad or broken answer, an HTTPException.
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
        raise StepFailed(f"cannot download it: {why}", where=url, fix=fix) from error
    report(f"downloaded {path.name}")


def _opened(url: str) -> http.client.HTTPResponse:
    return opened(Request(url, headers={"User-Agent": "picluster"}))  # noqa: S310 - see the model


def opened(
    request: Request, trust: ssl.SSLContext | None = None, *, longest: float = LONGEST_SECONDS
) -> http.client.HTTPResponse:
    """Make a request that no redirection leads away from HTTPS. Raises `OSError` and others.

    `longest` is how many seconds the whole of it may take, with all redirections.
    """
    if request.type not in _OVER:
        raise _Refused(f"{request.type} is not HTTP")
    within = Deadline.after(longest)
    found = urllib.request.build_opener(_NoWayBack, _Http(within), _Https(within, trust))
    answer: http.client.HTTPResponse = found.open(request, timeout=_TIMEOUT_SECONDS)
    return answer


def text_of(answer: http.client.HTTPResponse) -> bytes:
    """Read an answer that is text. Raises `OSError`, `HTTPException`."""
    return body_of(answer, MOST_TEXT)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, within: Deadline) -> None:
        super().__init__()
        self._within = within

    def http_open(self, req: Request) -> http.client.HTTPResponse:
        """Open it with a deadline."""
        kind: Any = partial(self._within.connection, http.client.HTTPConnection)
        return self.do_open(kind, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, within: Deadline, trust: ssl.SSLContext | None) -> None:
        super().__init__()
        self._within = within
        self._trust = trust

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        """Open it with a deadline."""
        kind: Any = partial(self._within.connection, http.client.HTTPSConnection)
        return self.do_open(kind, req, context=self._trust)


class _Refused(OSError):
    def __init__(self, what: str, why: str = "") -> None:
        super().__init__(what)
        self.why = why


class _NoWayBack(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but none that gives up what HTTPS vouches for."""

    def redirect_request(  # noqa: PLR0917 - as urllib has it
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """Return the request to go on with. Raises `_Refused`."""
        scheme = urlsplit(newurl).scheme
        if req.type == "https" and scheme != "https":
            raise _Refused("the server redirects to an address without HTTPS", f"to {newurl}")
        if scheme not in _OVER:
            raise _Refused("the server redirects to an address that is not of HTTP", f"to {newurl}")
        # urllib would read the page that says so, however long it is.
        fp.close()
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _whole(answer: http.client.HTTPResponse, most: int, *, digest_known: bool) -> Iterator[bytes]:
    """Yield an answer's body. Raises `_Refused` unless it is as long as promised."""
    promised, got = answer.length, 0
    if promised is not None and promised > most:
        raise _too_large(most)
    if promised is None and not answer.chunked and not digest_known:
        what = "the server does not say how long the file is; it was thrown away"
        raise _Refused(what, "nobody can tell whether all of it has come")
    while block := answer.read1(_CHUNK):
        got += len(block)
        if got > most:
            raise _too_large(most)
        yield block
    if promised is not None and got != promised:
        what = "the download was cut short; it was thrown away"
        raise _Refused(what, f"{got} of {promised} bytes have come")


def _too_large(most: int) -> _Refused:
    return _Refused(f"the download is larger than {most // _MIB} MiB; it was thrown away")


def exposed(url: str) -> bool:
    """Whether what an address gives can be changed by others: plain HTTP, and not of this host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http" or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def plain_http(what: str) -> str:
    """Say what it means that something comes over plain HTTP, without a digest."""
    return f"fetched over plain HTTP, which others on the way can change: {what}"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_checksums(text: str) -> dict[str, str]:
    """Read `sha256sum` output: digest by file name."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {pair[1].lstrip("*").strip(): pair[0] for pair in pairs if len(pair) > 1}
