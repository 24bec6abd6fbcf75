"""Every parser of text that comes from outside, and the errors that it may answer with.

A target takes bytes. What it raises besides its own errors is a finding: a user would be told of a
bug in picluster, by somebody else's file or node.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from picluster import discovery, local_names
from picluster.apps.image_lists import K3S_LIST, LONGHORN, RANCHER_LIST, read_lists
from picluster.apps.longhorn.manifest import adapted
from picluster.apps.needed_images import needed_images
from picluster.apps.opentakserver.interface import unpack
from picluster.apps.opentakserver.reachable import _handshake
from picluster.apps.rancher.charts import ChartFile
from picluster.engine.journal import EVENTS, RecordedRun
from picluster.engine.lines import LineCutter
from picluster.engine.probe import Observation, unpacked
from picluster.engine.script import split_output
from picluster.errors import ConfigInvalid, PiclusterError, StepFailed, Unreadable, UsageError
from picluster.kube import access
from picluster.kube.errors import ApiRefused, ApiUnavailable
from picluster.kube.https import Https
from picluster.kube.kubeconfig import AdminKubeconfig, merge, remove, rewrite
from picluster.kube.kubeconfig import parse as parse_kubeconfig
from picluster.kube.link import LinkDown, Request
from picluster.kube.times import moment
from picluster.model import parse
from picluster.model.ansible_inventory import read_inventory
from picluster.model.from_ansible import from_ansible
from picluster.model.opentakserver import OpenTakServer
from picluster.model.releases import parse_version
from picluster.operations import saving
from picluster.queries import versions
from picluster.secret import Secret
from picluster.ssh import known_hosts
from picluster.ssh.keys import public_half
from picluster.ssh.remote_shell import read_cost
from picluster.ssh.session import _Heard
from picluster.ssh.user_config import read_settings, route_of, understood
from picluster.steps.download import parse_checksums
from picluster.steps.evidence import scrubbed
from picluster.steps.image_reference import read_reference
from picluster.steps.images.archives import archives_in
from picluster.steps.images.distribution import Puller, PullPlace
from picluster.steps.images.dockerfile import bases
from picluster.steps.images.workshop import commit_in
from picluster.steps.k3s import journal
from picluster.steps.k3s.bundle import MANIFEST, read_bundle
from picluster.steps.k3s.config import _options, joined_server
from picluster.steps.manifests.objects import parse_objects
from picluster.steps.registry.api import RegistryApi, RegistryEndpoint
from picluster.steps.registry.docker import read_daemon_json
from picluster.steps.registry.probe_image import probe_image
from picluster.steps.registry.signing import read_authority
from picluster.steps.saved_images import SUMS, read_saved
from tests.fuzz.wire import answering
from tests.unit.phases.everything import EVERYTHING
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
    _handshake(EVERYTHING.opentakserver or OpenTakServer(), text)
    joined_server(EVERYTHING, text)
    _options(text)
    with contextlib.suppress(Unreadable):
        unpacked(text.strip(), "text")
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

# ------------------------------------------------------------------ over HTTP

_LONGEST_NAME = 256 - len(".0123456789abcdef.part")
_IMAGE = read_reference("registry:2")
_UNTRUSTED = ssl.create_default_context()


@_allowing(LinkDown, ApiRefused, ApiUnavailable)
def api_answer(data: bytes) -> None:
    """An API server's answer, to a request for data and to one for its state."""
    request = Request("GET", "/api/v1/nodes")
    with answering(data):
        answer = Https("127.0.0.1", 6443, _UNTRUSTED).send(request)
    link: Any = SimpleNamespace(server=SimpleNamespace(node="pi1"), via="tunnel")
    access._date(answer)
    access._what_it_said(answer)
    access._result(request, link, answer)


@_allowing(StepFailed)
def cluster_registry(data: bytes) -> None:
    """The first byte says what the cluster's own registry is asked for."""
    api = RegistryApi(RegistryEndpoint("pi1", 5000), 5000)
    asked: tuple[Callable[[], object], ...] = (
        api.repositories,
        lambda: api.tags("web"),
        lambda: api.size("web", "1"),
        lambda: api.digest("web", "1"),
        lambda: api.tag("web", "1", "2"),
        lambda: api.push(probe_image("pi1")),
    )
    with answering(data[1:]):
        asked[data[0] % len(asked) if data else 0]()


@_allowing(StepFailed)
def image_registry(data: bytes) -> None:
    """A registry of images: its login, its index, a manifest and a part of the image."""
    place = Puller(PullPlace("http://registry.example.org"))
    with answering(data), tempfile.TemporaryDirectory() as here:
        manifest = place.manifest(_IMAGE, "arm64")
        place.blob(_IMAGE, manifest.config, Path(here) / "config")


@_allowing(StepFailed)
def chart_index(data: bytes) -> None:
    with answering(data):
        saving._in_index(ChartFile("rancher", "2.15.1", "http://charts.example.org"))


@_allowing()
def published(data: bytes) -> None:
    """What a publisher says is current; the answer may be no JSON either."""
    with answering(data):
        versions.current()


# ------------------------------------------------------------------ on this computer


@_allowing(PiclusterError)
def saved_directory(data: bytes) -> None:
    """An air-gap directory: its checksums and lists, and what they lead to."""
    sums, _, rest = data.partition(b"\xff")
    listed, _, longhorn = rest.partition(b"\xff")
    with tempfile.TemporaryDirectory() as here:
        directory = Path(here)
        for name, content in ((SUMS, sums), (LONGHORN, longhorn), (K3S_LIST, listed)):
            (directory / name).write_bytes(content)
        (directory / RANCHER_LIST).write_bytes(listed)
        saved = read_saved(directory)
        assert saved is not None
        lists = read_lists(EVERYTHING, directory, fetch=False)
        for each in needed_images(EVERYTHING, lists, ("arm64",)):
            saved.path(each.image)
            image = read_reference(each.image)
            assert len(os.fsencode(image.file)) < _LONGEST_NAME
            saved.path(image.file)


@_allowing()
def remembered(data: bytes) -> None:
    """What picluster keeps for itself, and a power cut has damaged."""
    with tempfile.TemporaryDirectory() as here:
        for name in (EVENTS, "names.json"):
            (Path(here) / name).write_bytes(data)
        list(RecordedRun(Path(here)).events())
        local_names._read(Path(here) / "names.json")


@_allowing(PiclusterError)
def longhorn_manifest(data: bytes) -> None:
    """Longhorn's manifest, with the settings that it is given; parts of it are YAML again."""
    objects = parse_objects(_text(data), "longhorn.yaml")
    assert EVERYTHING.longhorn is not None
    adapted(objects, EVERYTHING.longhorn, 3)


@_allowing(PiclusterError)
def interface_archive(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as here:
        (Path(here) / "ui.zip").write_bytes(data)
        unpack(Path(here) / "ui.zip", Path(here) / "site")


@_allowing()
def key_file(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as here:
        for name in ("id", "id.pub"):
            (Path(here) / name).write_bytes(data)
            public_half(Path(here) / name)


# ------------------------------------------------------------------ out of an SSH channel


@_allowing()
def script_output(data: bytes) -> None:
    """A stream as it arrives, piece by piece, and what it says that the script has cost."""
    pieces = data.split(b"\xff")
    heard = _Heard(b"\nbegins\n", b"cost-")
    told = b"".join(heard.hear(piece) for piece in pieces)
    assert told == bytes(heard.data[: len(told)]), "what was told once is taken back"
    _, cost = read_cost(bytes(heard.data), b"cost-")
    assert cost.forks >= 0
    assert 0 <= cost.cpu_seconds < float("inf")


TARGETS: dict[str, Target] = {
    "admin-kubeconfig": admin_kubeconfig,
    "answers": answers,
    "api-answer": api_answer,
    "chart-index": chart_index,
    "cluster-file": cluster_file,
    "cluster-registry": cluster_registry,
    "daemon-json": daemon_json,
    "framed-output": framed_output,
    "image-archive": image_archive,
    "image-registry": image_registry,
    "inventory": inventory,
    "interface-archive": interface_archive,
    "key-file": key_file,
    "known-hosts": known_hosts_file,
    "longhorn-manifest": longhorn_manifest,
    "manifests": manifests,
    "neighbours": neighbours,
    "published": published,
    "remembered": remembered,
    "saved-directory": saved_directory,
    "script-output": script_output,
    "snapshot-manifest": snapshot_manifest,
    "ssh-configuration": ssh_configuration,
    "texts": texts,
    "users-kubeconfig": users_kubeconfig,
}
