"""When K3s does not come up, its cause is named: each one is brought about for real on a node."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from picluster.engine.probe import Observation
from picluster.steps.k3s.unit import look_at, read_unit
from tests.lab.bench import Bench, Pi
from tests.lab.labs import rehearse

TLS = "/var/lib/rancher/k3s/server/tls"
EXTRA = "/etc/rancher/k3s/config.yaml.d/90-test.yaml"


@pytest.fixture(scope="module")
def pair(home: Path, artifacts: Path, prepared_card: Path) -> Iterator[Bench]:
    """A server and an agent, in a cluster; waits end soon, as they are not to succeed."""
    for bench in rehearse("pair", 2, 1, home, artifacts, image=prepared_card):
        bench.file.write_text(bench.file.read_text() + "limits: {node_ready: 45s}\n")
        bench.picluster("up")
        yield bench


@pytest.fixture
def agent(pair: Bench) -> Iterator[Pi]:
    """The agent, which a test may harm; it is whole again afterwards."""
    node = pair.node(2)
    yield node
    node.sh(f"rm -f {EXTRA}")
    pair.picluster("up")


def override(node: Pi, text: str) -> None:
    """Give K3s an option that picluster's own file does not have."""
    node.sh(f"mkdir -p $(dirname {EXTRA}) && printf '%s\\n' '{text}' >{EXTRA}")


def failure(bench: Bench, *command: str) -> str:
    """Run a command that has to fail, and return all that it says."""
    said = bench.picluster(*command, expect=1).said
    told = [line for line in said.splitlines() if ": … " in line]
    assert told, "nothing told what is waited for"
    assert [one for one, other in pairwise(told) if one == other] == [], "the same line again"
    return said


def test_a_wrong_token(pair: Bench, agent: Pi) -> None:
    override(agent, "token: wrong")
    seen = agent.sh(f"systemctl restart --no-block k3s-agent\n{look_at('k3s-agent')}")
    unit = read_unit(Observation(out=seen))
    assert unit.busy, "by systemd's job, the process that ends is told from the one that starts"
    said = failure(pair, "restart", "--node", agent.name)
    assert "join token is not the cluster's" in said
    assert "wrong" not in said.replace("went wrong", ""), "the token itself is nobody's business"


def test_an_unknown_option(pair: Bench, agent: Pi) -> None:
    override(agent, "no-such-option: 1")
    said = failure(pair, "restart", "--node", agent.name)
    assert "does not know an option" in said
    assert "waiting longer is in vain" in said, "a K3s that ends again and again is not waited for"


def test_a_password_of_another_machine(pair: Bench, agent: Pi) -> None:
    path = "/etc/rancher/node/password"
    agent.sh(f"cp -p {path} /srv/password && echo another >{path}")
    try:
        said = failure(pair, "restart", "--node", agent.name)
    finally:
        agent.sh(f"mv /srv/password {path}")
    assert "another machine by this node's name" in said
    assert f"picluster node replace {agent.name}" in said


CRASHES = {
    "known": (
        'E1128 08:00:00.000000 901 kubelet.go:1728] "Failed to start cAdvisor" '
        'err="inotify_init: too many open files"',
        ["the kernel's limit of file watchers is used up", "picluster phase prepare"],
    ),
    "unknown": (
        "panic: runtime error: index out of range [3] with length 3\n\n"
        "goroutine 1 [running]:\nmain.main()",
        [" times without being up", "index out of range [3]", "journalctl -u k3s-agent"],
    ),
}


@pytest.mark.parametrize(("line", "words"), CRASHES.values(), ids=CRASHES)
def test_a_unit_that_crashes_again_and_again_ends_the_wait_with_its_last_words(
    pair: Bench, agent: Pi, line: str, words: list[str]
) -> None:
    agent.sh(f"cat >/etc/rancher/k3s/stand-in.crash <<'END'\n{line}\nEND")
    agent.sh("systemctl restart --no-block k3s-agent")
    try:
        said = failure(pair, "phase", "k3s")
    finally:
        agent.sh("rm /etc/rancher/k3s/stand-in.crash")
    assert "waiting longer is in vain" in said, "it waited to the end"
    for word in words:
        assert word in said


def test_a_server_that_cannot_be_reached(pair: Bench, agent: Pi) -> None:
    server = pair.node(1).address
    agent.sh(f"ip route add unreachable {server}/32")
    try:
        said = failure(pair, "restart", "--node", agent.name)
    finally:
        agent.sh(f"ip route del unreachable {server}/32")
    assert "cannot reach the server that it joins through" in said
    assert "6443" in said
    told = [line for line in said.splitlines() if f"{agent.name}: … k3s-agent on " in line]
    assert any(", after " not in line for line in told), "the first state is told"
    assert any(", after 3" in line for line in told), "and a sign of life after 30 s"


def test_a_port_that_is_taken(pair: Bench, agent: Pi) -> None:
    server = pair.node(1)
    server.sh("systemctl stop k3s")
    server.sh("systemd-run --quiet --unit=squatter python3 -m http.server 6443")
    try:
        said = failure(pair, "restart", "--node", server.name)
    finally:
        server.sh("systemctl stop squatter")
    assert "a port that K3s needs is taken" in said
    assert "ss -ltnp" in said


def test_a_certificate_from_the_future(pair: Bench, agent: Pi) -> None:
    server = pair.node(1)
    path = f"{TLS}/serving-kube-apiserver.crt"
    server.sh(f"cp -p {path} /srv/serving.crt")
    future = reissued(server.read(path), server.read(f"{TLS}/server-ca.key"))
    server.sh(f"cat >{path} <<'PEM'\n{future}\nPEM")
    server.sh("systemctl stop k3s && systemctl start --no-block k3s")
    server.sh("until ss -ltn | grep -q :6443; do sleep 0.2; done")
    agent.sh("rm -f /var/lib/rancher/k3s/agent/kubelet.kubeconfig")
    try:
        said = failure(pair, "restart", "--node", agent.name)
    finally:
        server.sh(f"mv /srv/serving.crt {path} && systemctl restart k3s")
    assert "the clocks of the nodes differ" in said
    assert "timedatectl" in said


def reissued(certificate: str, ca_key: str) -> str:
    """The same certificate, valid from tomorrow on, as a server with a clock ahead would issue."""
    leaf, *chain = x509.load_pem_x509_certificates(certificate.encode())
    key = serialization.load_pem_private_key(ca_key.encode(), None)
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(leaf.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(tomorrow)
        .not_valid_after(tomorrow + datetime.timedelta(days=365))
    )
    for extension in leaf.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    made = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    pems = [each.public_bytes(serialization.Encoding.PEM) for each in (made, *chain)]
    return b"".join(pems).decode()


def test_a_kernel_without_vxlan(pair: Bench, agent: Pi) -> None:
    """The kernel here has it: the node's `ip` speaks for one that has not."""
    server, wrapper = pair.node(1), "/usr/local/sbin/ip"
    server.sh(
        f"cat >{wrapper} <<'SH'\n#!/bin/sh\n"
        'case "$*" in *vxlan*) echo "Error: Operation not supported" >&2; exit 2 ;; esac\n'
        f'exec /usr/sbin/ip "$@"\nSH\nchmod 755 {wrapper} && /usr/sbin/ip link delete flannel.1'
    )
    try:
        said = failure(pair, "restart", "--node", server.name)
    finally:
        server.sh(f"rm {wrapper}")
    assert "the kernel has no vxlan module" in said
    assert "linux-modules-extra-raspi" in said
    pair.picluster("up")


def test_a_disk_that_is_too_slow(pair: Bench, agent: Pi) -> None:
    server = pair.node(1)
    server.break_("slow-disk")
    try:
        said = failure(pair, "restart", "--node", server.name)
    finally:
        server.mend()
    assert "the disk is too slow" in said
    assert "SSD" in said
    pair.picluster("up")


def test_a_kernel_without_the_memory_cgroup(pi: Pi, solo: Bench) -> None:
    said = failure(solo, "phase", "k3s")
    assert "the kernel runs without the memory cgroup" in said
    assert "picluster phase prepare" in said
