"""Every parser of text that comes from outside, and the errors that it may answer with.

A target takes bytes. What it raises besides its own errors is a finding: a user would be told of a
bug in picluster, by somebody else's file or node.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from picluster import discovery
from picluster.engine.lines import LineCutter
from picluster.engine.probe import Observation
from picluster.engine.script import split_output
from picluster.errors import ConfigInvalid, PiclusterError, UsageError
from picluster.kube.kubeconfig import AdminKubeconfig, merge, remove, rewrite
from picluster.kube.kubeconfig import parse as parse_kubeconfig
from picluster.kube.times import moment
from picluster.model import parse
from picluster.model.ansible_inventory import read_inventory
from picluster.model.from_ansible import from_ansible
from picluster.model.releases import parse_version
from picluster.secret import Secret
from picluster.ssh import known_hosts
from picluster.ssh.user_config import read_settings, route_of, understood
from picluster.steps.download import parse_checksums
from picluster.steps.evidence import scrubbed
from picluster.steps.images.archives import archives_in
from picluster.steps.images.dockerfile import bases
from picluster.steps.images.workshop import commit_in
from picluster.steps.k3s import journal
from picluster.steps.k3s.bundle import MANIFEST, read_bundle
from picluster.steps.manifests.objects import parse_objects
from picluster.steps.registry.docker import read_daemon_json
from picluster.steps.registry.signing import read_authority
from tests.unit.phases.test_nonsense import PROBES

Target = Callable[[bytes], object]
_NAMES = sorted(PROBES)
_ADMIN = AdminKubeconfig("https://127.0.0.1:6443", "ca", "certificate", Secret("a client's key"))
_ENTRY = rewrite(_ADMIN, "home", "https://10.0.0.11:6443")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _allowing(*errors: type[Exception]) -> Callable[[Target], Target]:
    def wrapped(target: Target) -> Target:
        def run(data: bytes) -> None:
            with contextlib.suppress(*errors):
                target(data)

        return run

    return wrapped


@_allowing(ConfigInvalid)
def cluster_file(data: bytes) -> None:
    parse(_text(data))


@_allowing(ConfigInvalid)
def manifests(data: bytes) -> None:
    parse_objects(_text(data), "app.yaml")


@_allowing(PiclusterError)
def admin_kubeconfig(data: bytes) -> None:
    parse_kubeconfig(_text(data))


@_allowing(PiclusterError)
def users_kubeconfig(data: bytes) -> None:
    remove(merge(_text(data), _ENTRY), "home")


@_allowing(PiclusterError)
def inventory(data: bytes) -> None:
    from_ansible(read_inventory(_text(data), "hosts"), "home")


@_allowing()
def known_hosts_file(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        known_hosts.read(Path(file.name)).of("[10.0.0.11]:2222")


@_allowing(PiclusterError)
def ssh_configuration(data: bytes) -> None:
    understood(_text(data), Path("config"))
    route_of("pi1", read_settings(_text(data)))


@_allowing(PiclusterError, ValueError)
def framed_output(data: bytes) -> None:
    out, _, err = data.partition(b"\xff")
    split_output(out, err, "picluster-0123", 2)


@_allowing(PiclusterError)
def answers(data: bytes) -> None:
    """One byte says which probe is answered, another with which status."""
    if len(data) > 1:
        probe = PROBES[_NAMES[data[0] % len(_NAMES)]]
        out = data[2:].decode("utf-8", "replace")
        probe.parse(Observation(data[1] % 3, out, out))


@_allowing(PiclusterError)
def snapshot_manifest(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as here:
        (Path(here) / MANIFEST).write_bytes(data)
        read_bundle(Path(here))


@_allowing(UsageError)
def image_archive(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as here:
        (Path(here) / "image.tar").write_bytes(data)
        archives_in(Path(here))


@_allowing(ValueError)
def daemon_json(data: bytes) -> None:
    read_daemon_json(_text(data))


@_allowing()
def texts(data: bytes) -> None:
    """What reads whatever it is given, and answers with less."""
    text = _text(data)
    bases(text, {"BASE": "debian:12"})
    commit_in(text)
    parse_checksums(text)
    parse_version(text)
    moment(text)
    scrubbed(text)
    journal.explain(text)
    journal.tail(text)
    read_authority(text)
    cutter = LineCutter()
    list(cutter.feed(data))
    cutter.rest()


@_allowing()
def neighbours(data: bytes) -> None:
    text = _text(data)
    found = [each for read in _NEIGHBOURS for each in read(text)]
    for number, each in enumerate(discovery.merged(found)):
        discovery.node_name(each, number, ())


_NEIGHBOURS: tuple[Callable[[str], list[Any]], ...] = (
    discovery.from_arp,
    discovery.from_avahi,
    discovery.from_hosts,
)

TARGETS: dict[str, Target] = {
    "admin-kubeconfig": admin_kubeconfig,
    "answers": answers,
    "cluster-file": cluster_file,
    "daemon-json": daemon_json,
    "framed-output": framed_output,
    "image-archive": image_archive,
    "inventory": inventory,
    "known-hosts": known_hosts_file,
    "manifests": manifests,
    "neighbours": neighbours,
    "snapshot-manifest": snapshot_manifest,
    "ssh-configuration": ssh_configuration,
    "texts": texts,
    "users-kubeconfig": users_kubeconfig,
}
