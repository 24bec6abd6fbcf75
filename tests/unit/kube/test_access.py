"""KubeAccess over real TLS: tunnels, failing over, retries, trust, and what stays behind."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.unit.kube.kube_double import Authority, Cluster, FakeApi, SessionDouble, k3s_yaml

from picluster.errors import PiclusterError, Unreachable
from picluster.kube import https, official
from picluster.kube.access import KubeAccess
from picluster.kube.api import MERGE_PATCH
from picluster.kube.errors import ApiRefused, ApiUnavailable, Conflict, NotFound
from picluster.kube.health import Readyz, readyz
from picluster.kube.link import HttpAnswer, LinkDown, Request, Server
from picluster.kube.nodes import get_node, list_nodes
from picluster.kube.official import Official

Start = Callable[[int], Cluster]


def test_it_reads_through_the_tunnel_of_the_session(cluster: Cluster) -> None:
    cluster.store.node("s1", roles=("control-plane",))
    assert list(list_nodes(cluster.access)) == ["s1"]
    assert cluster.sessions["s1"].asked == [("127.0.0.1", 6443)]
    assert cluster.access.connected == "s1"


def test_one_tunnel_serves_many_requests(cluster: Cluster) -> None:
    for _ in range(5):
        list_nodes(cluster.access)
    assert len(cluster.sessions["s1"].tunnels) == 1


def test_nothing_is_opened_before_the_first_request(cluster: Cluster) -> None:
    assert cluster.opened == []
    assert cluster.access.connected == ""


def test_a_server_that_is_down_is_passed_over(start: Start) -> None:
    cluster = start(3)
    cluster.stop("s1")
    list_nodes(cluster.access)
    assert cluster.access.connected == "s2"


def test_a_server_that_is_not_ready_is_passed_over(start: Start) -> None:
    cluster = start(3)
    cluster.apis["s1"].readyz = (500, "[+]ping ok\n[-]etcd failed: reason withheld\n")
    list_nodes(cluster.access)
    assert cluster.access.connected == "s2"


def test_a_server_that_is_not_ready_is_asked_if_there_is_no_other(start: Start) -> None:
    cluster = start(2)
    cluster.stop("s2")
    cluster.apis["s1"].readyz = (500, "[-]etcd failed")
    cluster.store.node("s1")
    assert list(list_nodes(cluster.access)) == ["s1"]


def test_a_server_that_dies_between_two_reads_is_replaced(start: Start) -> None:
    cluster = start(2)
    list_nodes(cluster.access)
    cluster.stop("s1")
    list_nodes(cluster.access)
    assert cluster.access.connected == "s2"


@pytest.mark.parametrize("trouble", ["cut", (503, "starting"), (429, "slow down"), (500, "oh")])
def test_a_read_is_repeated(start: Start, trouble: object) -> None:
    cluster = start(1)
    cluster.apis["s1"].trouble.append(trouble)
    assert get_node(cluster.access, "a1") is None
    assert len(cluster.apis["s1"].requests) == 2
    assert cluster.pauses == [0.3]


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("Fri, 02 Jan 2026 03:04:05 GMT", 1767323045.0),
        ("soon", None),
        ("Fri, 02 Jan 99999999999 03:04:05 GMT", None),
    ],
)
def test_the_time_is_the_servers_not_this_computers(
    start: Start, said: str, clock: float | None
) -> None:
    cluster = start(1)
    assert cluster.access.clock is None
    cluster.apis["s1"].date = said
    list_nodes(cluster.access)
    assert cluster.access.clock == clock


def test_a_read_gives_up_after_three_attempts_and_says_what_each_server_answered(
    start: Start,
) -> None:
    cluster = start(2)
    for api in cluster.apis.values():
        api.trouble.extend([(503, "apiserver not ready"), "cut", (503, "no")])
    with pytest.raises(ApiUnavailable) as caught:
        list_nodes(cluster.access)
    text = str(caught.value)
    assert "s1 (tunnel): HTTP 503, apiserver not ready" in text
    assert "s2 (tunnel): HTTP 503" in text
    assert "GET /api/v1/nodes" in text


def test_a_write_is_never_repeated(cluster: Cluster) -> None:
    cluster.apis["s1"].trouble.append("cut")
    with pytest.raises(ApiUnavailable, match="may or may not have been done"):
        cluster.access.call("DELETE", "/api/v1/nodes/s9")
    assert len(cluster.apis["s1"].requests) == 1


def test_a_write_goes_to_a_server_that_lives(start: Start) -> None:
    cluster = start(2)
    cluster.stop("s1")
    cluster.store.node("s9")
    cluster.access.call("DELETE", "/api/v1/nodes/s9")
    assert len(cluster.apis["s2"].requests) == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_silent_server_is_given_up(cluster: Cluster, method: str) -> None:
    cluster.apis["s1"].trouble.extend(["mute"] * 3)
    with pytest.raises(ApiUnavailable, match=r"silent for 0 s"):
        cluster.access.call(method, "/api/v1/nodes/s9", timeout=0.2)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_dripping_server_is_given_up(cluster: Cluster, method: str) -> None:
    cluster.apis["s1"].trouble.extend(["drip"] * 3)
    with pytest.raises(ApiUnavailable, match=r"its answer was not whole after 0\.4 s"):
        cluster.access.call(method, "/api/v1/nodes/s9", timeout=0.1)


def test_when_nobody_answers_each_is_named_with_its_reason(start: Start) -> None:
    cluster = start(2)
    cluster.stop("s1", "s2")

    def session(node: str) -> SessionDouble:
        if node == "s2":
            raise Unreachable("no route to host", where="s2")
        return cluster.sessions[node]

    cluster.access._session = session
    with pytest.raises(ApiUnavailable) as caught:
        list_nodes(cluster.access)
    assert [attempt.node for attempt in caught.value.tried] == ["s1", "s2"]
    assert "s2 (tunnel): no route to host" in str(caught.value)


def test_there_may_be_no_server_at_all(admin_yaml: str) -> None:
    with pytest.raises(ApiUnavailable, match="no server to ask"):
        list_nodes(KubeAccess([], SessionDouble, admin_yaml))  # type: ignore[arg-type]


def test_another_clusters_server_is_not_trusted(authority: Authority, cluster: Cluster) -> None:
    stranger = Authority()
    yaml = k3s_yaml(stranger, stranger.issue("admin"))
    access = KubeAccess([Server("s1")], cluster.session, yaml)
    with pytest.raises(ApiUnavailable, match="not from this cluster's CA"):
        list_nodes(access)
    assert cluster.apis["s1"].requests == []


def test_trouble_of_one_request_does_not_cut_anothers_connection(start: Start) -> None:
    cluster = start(2)
    list_nodes(cluster.access)
    cluster.apis["s1"].trouble.append((500, "oh"))
    list_nodes(cluster.access)
    assert cluster.access.connected == "s2"
    assert not cluster.sessions["s1"].tunnels[0].closed


def test_a_long_wait_for_an_api_in_trouble_opens_no_more_tunnels(start: Start) -> None:
    cluster = start(1)
    for _ in range(5):
        cluster.apis["s1"].trouble.extend([(503, "starting")] * 3)
        with pytest.raises(ApiUnavailable):
            list_nodes(cluster.access)
    assert len(cluster.sessions["s1"].tunnels) == 1


def test_too_many_requests_is_no_reason_to_go_elsewhere(start: Start) -> None:
    cluster = start(2)
    cluster.apis["s1"].trouble.append((429, "slow down"))
    list_nodes(cluster.access)
    assert cluster.access.connected == "s1"


@pytest.mark.parametrize(("method", "module"), [("GET", https), ("DELETE", official)])
def test_an_answer_without_an_end_is_no_answer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, method: str, module: object
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    cluster.apis["s1"].trouble.extend([(200, "x" * (1 << 20) + "x")] * 3)
    with pytest.raises(ApiUnavailable, match="larger than 1 MiB"):
        cluster.access.call(method, "/api/v1/nodes/s9")
    cluster.apis["s1"].trouble.clear()
    cluster.apis["s1"].trouble.append((200, "x" * (1 << 20)))
    assert len(cluster.access.call(method, "/api/v1/nodes/s9")) == 1 << 20


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\x00\xff hello\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1, 2]",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n[1, 2]",
        CHUNKED + b"6\r\n[1, 2]\r\n",
        CHUNKED + b"-2\r\n[]\r\n0\r\n\r\n",
        CHUNKED + b"f" * 400 + b"\r\n[]\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\n[]\r\n0\r\n\r\n",
    ],
)
def test_an_answer_that_is_cut_short_or_of_a_senseless_length_is_no_answer(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connection = https._Connection("127.0.0.1", port, ssl.create_default_context())
        connection.sock = socket.create_connection(("127.0.0.1", port))
        peer, _ = listener.accept()
        link = https.Https("127.0.0.1", port, ssl.create_default_context())
        monkeypatch.setattr(link, "_connection", lambda: connection)
        with peer:
            peer.sendall(said)
            peer.shutdown(socket.SHUT_WR)
            with pytest.raises(LinkDown, match="was cut"):
                link.send(Request("GET", "/"))
        assert connection.sock is None, "it is closed"


@pytest.mark.parametrize("causes", [5, "no", {"a": 1}, [1, None]])
def test_a_refusal_with_causes_of_another_type_is_a_refusal(
    cluster: Cluster, causes: object
) -> None:
    said = {"reason": "Forbidden", "message": "no", "details": {"causes": causes}}
    cluster.apis["s1"].trouble.append((403, said))
    with pytest.raises(ApiRefused, match="no"):
        cluster.access.call("GET", "/api/v1/nodes")


def test_what_is_not_json_is_no_answer(cluster: Cluster) -> None:
    cluster.apis["s1"].answer = lambda *_: (200, {})  # type: ignore[method-assign]
    assert cluster.access.call("GET", "/api/v1/nodes") == {}
    cluster.apis["s1"].garble = True
    with pytest.raises(ApiUnavailable, match="not JSON"):
        cluster.access.call("GET", "/api/v1/nodes")


@pytest.mark.parametrize(
    ("address", "days", "said"),
    [
        ("127.0.0.1", (-2, -1), "has expired"),
        ("127.0.0.1", (1, 2), "compare its clock"),
        ("192.0.2.1", (-1, 1), "not valid for 127.0.0.1"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(
    authority: Authority, admin_yaml: str, address: str, days: tuple[int, int], said: str
) -> None:
    api = FakeApi(authority, identity=authority.issue("k3s", address, days=days))
    session = SessionDouble("s1", api.port)
    access = KubeAccess([Server("s1")], lambda _: session, admin_yaml)
    with pytest.raises(ApiUnavailable, match=said):
        list_nodes(access)
    access.close()
    api.close()


def test_a_server_without_k3s_is_told_apart(cluster: Cluster) -> None:
    cluster.apis["s1"].close()
    with pytest.raises(ApiUnavailable, match="is k3s running there"):
        list_nodes(cluster.access)


def test_refusals_are_typed(cluster: Cluster) -> None:
    with pytest.raises(NotFound) as caught:
        cluster.access.call("GET", "/api/v1/nodes/nope")
    assert caught.value.status == 404
    assert "nope not found" in str(caught.value)
    cluster.apis["s1"].trouble.append((403, {"reason": "Forbidden", "message": "not you"}))
    with pytest.raises(ApiRefused, match="Forbidden"):
        cluster.access.call("GET", "/api/v1/nodes")
    cluster.apis["s1"].trouble.append((409, {"reason": "Conflict"}))
    with pytest.raises(Conflict):
        cluster.access.call("DELETE", "/api/v1/nodes/x")
    cluster.apis["s1"].trouble.append((401, {"reason": "Unauthorized"}))
    with pytest.raises(ApiRefused, match="made anew"):
        cluster.access.call("GET", "/api/v1/nodes")


def test_direct_connections_need_no_session(authority: Authority, admin_yaml: str) -> None:
    # The certificate names 127.0.0.1 only, as a K3s server's does for a NATed address.
    api = FakeApi(authority, address="127.0.0.2")
    opened: list[str] = []
    access = KubeAccess(
        [Server("s1", "127.0.0.2", api.port)],
        opened.append,  # type: ignore[arg-type]
        admin_yaml,
        direct=True,
    )
    assert list_nodes(access) == {}
    assert opened == []
    access.close()
    api.close()


def test_a_closed_direct_port_falls_back_to_the_tunnel(cluster: Cluster, admin_yaml: str) -> None:
    servers = [Server("s1", "127.0.0.2", 9)]
    with KubeAccess(servers, cluster.session, admin_yaml, direct=True) as access:
        list_nodes(access)
    assert cluster.opened == ["s1"]


def test_a_proxy_in_the_environment_does_not_get_the_tunnel(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    list_nodes(cluster.access)


def test_one_server_alone_can_be_asked(start: Start) -> None:
    cluster = start(3)
    cluster.stop("s2")
    cluster.apis["s3"].readyz = (500, "[+]ping ok\n[-]etcd failed: reason withheld\n")
    assert readyz(cluster.access.at("s1")) == Readyz(ok=True)
    assert not readyz(cluster.access.at("s2")).answers
    third = readyz(cluster.access.at("s3"))
    assert third.answers
    assert not third.ok
    assert third.failing == ("etcd",)
    assert cluster.opened.count("s1") == 1


@pytest.mark.parametrize("trouble", ["cut", (409, {"reason": "Conflict"})])
def test_a_change_is_sent_by_the_official_client_and_a_question_is_not(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, trouble: object
) -> None:
    sent: list[str] = []
    send = Official.send

    def noted(self: Official, request: Request) -> HttpAnswer:
        sent.append(str(request))
        return send(self, request)

    monkeypatch.setattr(Official, "send", noted)
    cluster.store.node("s1")
    dry = {"dryRun": "All", "fieldManager": "picluster"}
    path = "/api/v1/nodes/s1"
    for query in (dry, {}):
        merge_patch = {"body": {"metadata": {"labels": {"a": "b"}}}, "content_type": MERGE_PATCH}
        cluster.access.call("PATCH", path, query=query, **merge_patch)
    cluster.apis["s1"].trouble.append(trouble)
    with pytest.raises((ApiUnavailable, Conflict)):
        cluster.access.call("DELETE", path)
    assert get_node(cluster.access, "s1") is not None
    assert sent == ["PATCH /api/v1/nodes/s1", "DELETE /api/v1/nodes/s1"]


def test_one_connection_serves_all_requests_of_a_thread(cluster: Cluster) -> None:
    for _ in range(5):
        list_nodes(cluster.access)
    assert cluster.apis["s1"].handshakes == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_and_nothing_repeated(
    cluster: Cluster,
) -> None:
    list_nodes(cluster.access)
    cluster.sessions["s1"].tunnels[0].cut()
    cluster.access.call("GET", "/api/v1/nodes", retry=False)
    assert cluster.apis["s1"].handshakes == 2
    assert cluster.pauses == []


def test_close_leaves_nothing_behind(cluster: Cluster) -> None:
    list_nodes(cluster.access)
    cluster.access.at("s1").call("GET", "/api/v1/nodes")
    cluster.access.close()
    cluster.access.close()
    assert all(tunnel.closed for tunnel in cluster.sessions["s1"].tunnels)


def test_no_key_stays_on_disk(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, admin_yaml: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with KubeAccess([Server("s1")], cluster.session, admin_yaml) as access:
        assert list(tmp_path.iterdir()) == []
        list_nodes(access)
        assert list(tmp_path.iterdir()) == []


def test_a_key_that_does_not_fit_is_an_error_without_the_key(authority: Authority) -> None:
    one, other = authority.issue("a"), authority.issue("b")
    yaml = k3s_yaml(authority, type(one)(one.certificate, other.key))
    with pytest.raises(PiclusterError) as caught:
        KubeAccess([Server("s1")], SessionDouble, yaml)  # type: ignore[arg-type]
    assert other.key[40:80] not in str(caught.value)


def test_several_threads_share_one_link(cluster: Cluster) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: list_nodes(cluster.access), range(40)))
    assert len(cluster.sessions["s1"].tunnels) == 1


def test_nothing_heavy_is_imported_before_a_change() -> None:
    code = (
        "import sys, picluster.kube.access, picluster.kube.nodes, picluster.kube.kubeconfig,"
        " picluster.kube.kubefile, picluster.kube.quorum,"
        " picluster.kube.apply, picluster.kube.labels, picluster.kube.client\n"
        "assert not {'kubernetes', 'urllib3', 'fabric'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
