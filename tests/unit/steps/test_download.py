"""Downloads: whole, within their limits, and as their digest says; or nothing is kept of them."""

from __future__ import annotations

import hashlib
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import Request

import pytest
from tests.doubles.shell_nodes import ShellNodes
from tests.unit.phases.sites import site_on
from tests.unit.steps.k3s.looks import look
from tests.unit.steps.looking import decide_from

from picluster.apps.user_apps import AppSource
from picluster.engine.place import Tools
from picluster.engine.step import Blocked, Change, Satisfied
from picluster.errors import StepFailed
from picluster.model import parse
from picluster.model.apps import App
from picluster.model.k3s import DEFAULT_VERSION
from picluster.phases.k3s import staged
from picluster.steps.download import (
    _NoWayBack,
    _Refused,
    download,
    exposed,
    plain_http,
)
from picluster.steps.k3s.artifacts import Artifacts
from picluster.steps.manifests.applied import ObjectsApplied
from picluster.steps.manifests.component import Part, PartSeen

Serve = Callable[[bytes], str]
SCRIPT = b"#!/bin/sh\necho installs K3s\n"
WEB = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"


def said(body: bytes, *headers: str, length: int | None = None) -> bytes:
    """What a server says: a body, with the length that it promises if one is given."""
    lines = ["HTTP/1.1 200 OK", "Connection: close", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer every connection to the address that is returned with these bytes, and close it."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/file"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


CUT = {
    "short": said(SCRIPT, length=1000),
    "no length": said(SCRIPT),
    "chunks end early": said(b"5\r\nabcde\r\n", "Transfer-Encoding: chunked"),
    "no chunks at all": said(b"zzz\r\n", "Transfer-Encoding: chunked"),
    "too long a line": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    "not HTTP": b"\x00\x01\x02\r\n\r\n",
    "nothing": b"",
    "too large": said(b"x" * 2048, length=2048),
    "endless": said((b"400\r\n" + b"x" * 1024 + b"\r\n") * 4, "Transfer-Encoding: chunked"),
    "redirected to FTP": b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1:1/file\r\n\r\n",
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
def test_an_answer_that_is_not_whole_is_a_failed_download_and_nothing_is_kept(
    serve: Serve, tmp_path: Path, answer: bytes
) -> None:
    url = serve(answer)
    with pytest.raises(StepFailed) as failed:
        download(url, tmp_path / "file", quiet, fix="check it", most=1024)
    assert (failed.value.where, failed.value.fix) == (url, "check it")
    assert list(tmp_path.iterdir()) == []


def test_a_short_answer_leaves_what_was_there_and_says_how_much_came(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("of before")
    with pytest.raises(StepFailed, match="cut short") as failed:
        download(serve(said(SCRIPT, length=1000)), tmp_path / "file", quiet)
    assert failed.value.why == f"{len(SCRIPT)} of 1000 bytes have come"
    assert (tmp_path / "file").read_text() == "of before"


@pytest.mark.parametrize("url", ["http://", "http://a..b/", "http://[::1/", "http://127.0.0.1:x/"])
def test_an_address_that_is_none_is_a_failed_download(tmp_path: Path, url: str) -> None:
    with pytest.raises(StepFailed):
        download(url, tmp_path / "file", quiet)


@pytest.mark.parametrize(
    "answer",
    [
        said(SCRIPT, length=len(SCRIPT)),
        said(
            f"{len(SCRIPT):x}\r\n".encode() + SCRIPT + b"\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked",
        ),
    ],
    ids=["length", "chunks"],
)
def test_a_whole_answer_is_kept(serve: Serve, tmp_path: Path, answer: bytes) -> None:
    download(serve(answer), tmp_path / "file", quiet)
    assert (tmp_path / "file").read_bytes() == SCRIPT


def test_a_digest_tells_that_an_answer_without_a_length_is_whole(
    serve: Serve, tmp_path: Path
) -> None:
    url, digest = serve(said(SCRIPT)), hashlib.sha256(SCRIPT).hexdigest()
    download(url, tmp_path / "file", quiet, sha256=digest)
    assert (tmp_path / "file").read_bytes() == SCRIPT
    with pytest.raises(StepFailed, match="checksum"):
        download(url, tmp_path / "other", quiet, sha256="0" * 64)
    assert not (tmp_path / "other").exists()


def test_an_application_cut_short_has_no_manifests_to_prune_by(
    serve: Serve, tmp_path: Path
) -> None:
    source = AppSource(App(name="web", url=serve(said(WEB, length=1000))), tmp_path)
    with pytest.raises(StepFailed, match="cut short"):
        source(Tools())


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://10.0.0.1/k3s", True),
        ("http://mirror/k3s", True),
        ("https://mirror/k3s", False),
        ("http://127.0.0.1:80/k3s", False),
        ("http://[::1]/k3s", False),
        ("http://localhost/k3s", False),
    ],
)
def test_plain_http_to_another_machine_is_told_apart(url: str, found: bool) -> None:
    assert exposed(url) is found


def test_plain_http_is_warned_of_before_anything_is_fetched(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(StepFailed):
        download("http://a..b/file", tmp_path / "file", told.append)
    assert told == [f"warning: {plain_http('file')}"]


# ------------------------------------------------------------------ K3s's own files


def artifacts(
    tmp_path: Path, url: str, *, airgap: Path | None = None, wanted: str = ""
) -> Artifacts:
    return Artifacts("v1", url, url, airgap, tmp_path / "cache", wanted or None)


@pytest.mark.parametrize("where", ["downloaded", "air-gapped"])
def test_the_install_script_is_the_one_with_the_digest_that_the_file_gives(
    serve: Serve, tmp_path: Path, where: str
) -> None:
    airgap = tmp_path if where == "air-gapped" else None
    (tmp_path / "install.sh").write_bytes(SCRIPT)
    url, digest = serve(said(SCRIPT, length=len(SCRIPT))), hashlib.sha256(SCRIPT).hexdigest()
    right = artifacts(tmp_path, url, airgap=airgap, wanted=digest).install_script(quiet)
    assert right.path.read_bytes() == SCRIPT
    # What an earlier run fetched is not taken for it either.
    with pytest.raises(StepFailed, match="checksum of install"):
        artifacts(tmp_path, url, airgap=airgap, wanted="0" * 64).install_script(quiet)


@pytest.mark.parametrize(("listed", "fits"), [(b"images", True), (b"others", False), (None, False)])
def test_air_gapped_images_are_those_that_the_checksum_file_lists(
    tmp_path: Path, listed: bytes | None, fits: bool
) -> None:
    name = "k3s-airgap-images-arm64.tar.zst"
    (tmp_path / name).write_bytes(b"images")
    digest = hashlib.sha256(listed).hexdigest() if listed else "0" * 64
    line = f"{digest}  {name if listed else 'k3s-arm64'}\n"
    (tmp_path / "sha256sum-arm64.txt").write_text(line)
    release = artifacts(tmp_path, "http://127.0.0.1:1", airgap=tmp_path)
    if fits:
        found = release.images("arm64")
        assert found is not None
        assert found.path.name == name
        return
    wrong = f"checksum of {name} is wrong" if listed else f"does not list {name}"
    with pytest.raises(StepFailed, match=wrong):
        release.images("arm64")


# ------------------------------------------------------------------ what a plan warns of


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ("", ""),
        ("k3s: {release_url: 'http://10.0.0.1/k3s'}", "k3s.release_url"),
        ("k3s: {install_url: 'http://10.0.0.1/i'}", "k3s.install_url"),
        (f"k3s: {{install_url: 'http://10.0.0.1/i', install_sha256: '{'0' * 64}'}}", ""),
        ("k3s: {release_url: 'http://127.0.0.1/k3s'}", ""),
    ],
)
def test_a_plan_warns_of_a_k3s_that_comes_over_plain_http(
    tmp_path: Path, more: str, warning: str
) -> None:
    text = "name: home\nnodes: [{name: pi1, address: 10.0.0.11, role: server}]\n"
    cluster = parse(text + more).cluster
    site = site_on(ShellNodes(tmp_path), cluster, tmp_path)
    step = staged(site, cluster.servers[0])
    change = step.decide(look(step.name, arch="arm64"))
    assert isinstance(change, Change)
    plain = f"; {plain_http(warning)}" if warning else ""
    assert change.reason == f"K3s is not installed{plain}"


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((), "install.sh, sha256sum-arm64.txt, k3s-arm64"),
        (("k3s-arm64", "install.sh"), "sha256sum-arm64.txt"),
        (("k3s-arm64", "install.sh", "sha256sum-arm64.txt"), ""),
    ],
)
def test_a_plan_names_what_an_air_gap_directory_lacks_of_k3s(
    tmp_path: Path, there: tuple[str, ...], missing: str
) -> None:
    for name in there:
        (tmp_path / name).touch()
    text = "name: home\nnodes: [{name: pi1, address: 10.0.0.11, role: server}]\n"
    cluster = parse(f"{text}k3s: {{release_url: 'http://10.0.0.1/k3s', airgap_dir: {tmp_path}}}")
    site = site_on(ShellNodes(tmp_path / "nodes"), cluster.cluster, tmp_path)
    step = staged(site, site.cluster.servers[0])
    decision = step.decide(look(step.name, arch="arm64"))
    if missing:
        assert decision == Blocked(
            f"the air-gap directory {tmp_path} has no {missing}",
            f"put the files of K3s {DEFAULT_VERSION} there, as docs/air-gap.md lists",
        )
    else:
        assert isinstance(decision, Change)
        assert decision.reason == "K3s is not installed", "nothing comes over plain HTTP"
    has_it = look(step.name, arch="arm64", version=DEFAULT_VERSION, installer="yes")
    assert step.decide(has_it) == Satisfied(), "who has K3s needs none of it"


def test_a_stop_of_an_upgrade_has_a_directory_of_its_own(tmp_path: Path) -> None:
    stop = tmp_path / "v1.34.11+k3s1"
    stop.mkdir()
    for name in ("k3s-arm64", "install.sh", "sha256sum-arm64.txt"):
        (stop / name).touch()
    text = "name: home\nnodes: [{name: pi1, address: 10.0.0.11, role: server}]\n"
    cluster = parse(f"{text}k3s: {{airgap_dir: {tmp_path}}}").cluster
    site = site_on(ShellNodes(tmp_path / "nodes"), cluster, tmp_path)
    k3s = cluster.k3s.model_copy(update={"version": stop.name})
    there = replace(site, cluster=cluster.model_copy(update={"k3s": k3s}))
    step = staged(there, cluster.servers[0])
    assert isinstance(step.decide(look(step.name, arch="arm64")), Change)


@pytest.mark.parametrize("sha256", [None, "0" * 64])
def test_a_plan_warns_of_a_manifest_that_comes_over_plain_http(
    tmp_path: Path, sha256: str | None
) -> None:
    app = App(name="web", url="http://10.0.0.1/web.yaml", sha256=sha256)
    source = AppSource(app, tmp_path)
    step = ObjectsApplied("app-web", "", Part("web", source, warning=source.warning))
    plain = "" if sha256 else plain_http("http://10.0.0.1/web.yaml")
    assert decide_from(step, PartSeen()) == Satisfied(warning=plain)
    change = decide_from(step, PartSeen(unknown="not yet"))
    assert isinstance(change, Change)
    assert change.reason == (f"not yet; {plain}" if plain else "not yet")


# ------------------------------------------------------------------ redirections


def redirected(old: str, new: str) -> Request | None:
    asked = Request(old)
    headers = HTTPMessage()
    return _NoWayBack().redirect_request(asked, BytesIO(), 302, "Found", headers, new)


@pytest.mark.parametrize("new", ["http://example.com/k3s", "ftp://example.com/k3s", "file:///etc"])
def test_https_is_not_given_up_for_a_redirection(new: str) -> None:
    with pytest.raises(_Refused, match="redirects to an address without HTTPS") as caught:
        redirected("https://example.com/k3s", new)
    assert new in caught.value.why


@pytest.mark.parametrize("new", ["ftp://127.0.0.1:1/k3s", "file:///etc/passwd", "data:,x"])
def test_nothing_but_http_is_redirected_to(new: str) -> None:
    with pytest.raises(_Refused, match="an address that is not of HTTP") as caught:
        redirected("http://a.example/k3s", new)
    assert new in caught.value.why


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://a.example/k3s", "https://b.example/k3s"),
        ("http://a.example/", "http://b.example/"),
    ],
)
def test_other_redirections_are_followed(old: str, new: str) -> None:
    followed = redirected(old, new)
    assert followed is not None
    assert followed.full_url == new


def test_downloads_are_opened_by_what_refuses_them(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules: list[object] = []
    build = urllib.request.build_opener

    def noted(*given: Any) -> urllib.request.OpenerDirector:
        rules.extend(given)
        return build(*given)

    monkeypatch.setattr(urllib.request, "build_opener", noted)
    there = serve(said(b"k3s", length=3))
    away = serve(f"HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode())
    download(away, tmp_path / "k3s", quiet)
    assert (tmp_path / "k3s").read_bytes() == b"k3s"
    assert rules[0] is _NoWayBack
