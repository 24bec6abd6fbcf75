"""Saving all that `up` needs: whole or refused, never twice, and named where it lacks."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from urllib.request import Request

import pytest
import yaml
from tests.doubles.internet import Internet, digest_of, served
from tests.doubles.shell_nodes import NoForward, ShellNodes, ShellSession
from tests.unit.phases.sites import site_on
from tests.unit.steps.looking import decide_from, look_at

from picluster import commands
from picluster.apps.rancher.charts import Charts
from picluster.engine.lock import WorkstationLock
from picluster.engine.place import Tools
from picluster.engine.step import Blocked, Satisfied
from picluster.errors import Locked, PiclusterError, PreflightRefused, StepFailed
from picluster.model import Cluster, parse
from picluster.model.mirrors import Mirror
from picluster.model.rancher import Rancher
from picluster.operations.saving import Saving
from picluster.phases.air_gap import DirectoryWhole, Lacking, LackingHere, air_gap
from picluster.secret import Secret
from picluster.steps import download
from picluster.steps.image_reference import read_reference
from picluster.steps.images import distribution, sources
from picluster.steps.images.archives import archives_in
from picluster.steps.images.distribution import Puller, PullPlace
from picluster.steps.preflight.machine import SYSTEM, System
from picluster.steps.registry.credentials import Credentials
from picluster.steps.registry.image import find_archive
from picluster.steps.saved_images import for_docker, for_nodes, read_saved

K3S = "/k3s/v1.36.3%2Bk3s1"
FILE = """\
name: home
nodes:
  - {{name: pi1, address: 10.0.0.1, role: server}}
  - {{name: pi2, address: 10.0.0.2, role: agent}}
k3s:
  version: v1.36.3+k3s1
  release_url: {url}/k3s
  install_url: {url}/install.sh
  vip: {{address: 10.0.0.9, image: "ghcr.io/kube-vip/kube-vip:v1.2.3"}}
  mirrors: [{{registry: "*", endpoints: ["{url}"]}}]
  airgap_dir: {directory}
registry: {{node: pi2}}
apps: [{{name: web, url: "{url}/web.yaml"}}]
"""
RANCHER = """\
rancher:
  {{hostname: r.example.org, version: 2.15.1, cert_manager_version: v1.21.1,
  chart_url: "{url}/charts", cert_manager_url: "{url}/jetstack", release_url: "{url}/rancher"}}
"""
WEB = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
WEB_IMAGE = for_nodes("docker.io/own/web:1", "arm64")
VIP_IMAGE = for_nodes("ghcr.io/kube-vip/kube-vip:v1.2.3", "arm64")
REGISTRY = for_docker("registry:2")
FILES = {
    "install.sh",
    "releases.txt",
    "k3s-images.txt",
    "sha256sum-arm64.txt",
    "k3s-arm64",
    "k3s-airgap-images-arm64.tar.zst",
}


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no registry but the mirror: tests speak to this computer alone."""
    monkeypatch.setattr(sources, "default_source", lambda host: "http://127.0.0.1:9")


@pytest.fixture
def internet() -> Iterator[Internet]:
    """What a small cluster needs, for both processors."""
    with served(Internet()) as internet:
        of_both = ("amd64", "arm64")
        internet.put("library/registry", "2", *of_both)
        internet.put("kube-vip/kube-vip", "v1.2.3", *of_both)
        internet.put("own/web", "1", *of_both)
        spec = {"containers": [{"name": "web", "image": "own/web:1"}]}
        internet.files |= {
            "/install.sh": b"#!/bin/sh\n",
            "/web.yaml": yaml.safe_dump({**WEB, "spec": spec}).encode(),
            f"{K3S}/k3s-images.txt": b"docker.io/rancher/mirrored-pause:3.6\n",
        }
        for arch, binary in (("amd64", "k3s"), ("arm64", "k3s-arm64")):
            release = {binary: b"K3s", f"k3s-airgap-images-{arch}.tar.zst": b"its images"}
            sums = (f"{digest_of(data)[7:]}  {name}\n" for name, data in release.items())
            release[f"sha256sum-{arch}.txt"] = "".join(sums).encode()
            internet.files |= {f"{K3S}/{name}": data for name, data in release.items()}
        yield internet


@dataclass
class Desk:
    """A connected computer, and the directory that things are saved to."""

    internet: Internet
    path: Path
    more: str = ""
    told: list[str] = field(default_factory=list)
    nodes: ShellNodes | None = None

    @property
    def directory(self) -> Path:
        return self.path / "air gap"

    @property
    def cluster(self) -> Cluster:
        known = {"url": self.internet.url, "directory": self.directory}
        return parse((FILE + self.more).format(**known), self.path / "cluster.yaml").cluster

    def save(self, *platforms: str) -> tuple[PiclusterError, ...]:
        """Save it, and return what could not be had."""
        site = site_on(self.nodes or ShellNodes(self.path / "nodes"), self.cluster, self.path)
        return Saving(site, self.directory, platforms or ("arm64",), self.told.append).run()

    @property
    def files(self) -> set[str]:
        found = (path for path in self.directory.rglob("[!.]*") if path.is_file())
        return {str(path.relative_to(self.directory)) for path in found}

    def decide(self, arch: str = "arm64", more: str = "") -> object:
        """Return what `up` says of the directory, on a node with that processor."""
        self.more += more
        saved = read_saved(self.directory)
        assert saved is not None
        step = DirectoryWhole(self.cluster, saved)
        lacking = step.probe().ask(Tools())
        system = System("0", "systemd", has_apt=True, arch=arch, kernel="", pretty="")
        return step.decide(look_at(step, {step.probe().name: lacking, SYSTEM.name: system}))


@pytest.fixture
def desk(internet: Internet, tmp_path: Path) -> Desk:
    return Desk(internet, tmp_path)


def app_file(desk: Desk) -> str:
    return next(name for name in desk.files if name.startswith("apps/"))


def test_everything_is_there_and_one_file_tells_all_checksums(desk: Desk) -> None:
    assert desk.save() == ()
    images = {WEB_IMAGE, VIP_IMAGE, REGISTRY}
    assert desk.files == {*FILES, *images, app_file(desk), "SHA256SUMS"}
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=desk.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(desk.files) - 1, "it lists every file but itself"
    assert desk.decide() == Satisfied(detail=f"{len(desk.files) - 1} files")


def test_an_archive_is_what_containerd_imports_and_docker_loads(desk: Desk) -> None:
    desk.save()
    with tarfile.open(desk.directory / WEB_IMAGE) as tar:
        content = {
            entry.name: tar.extractfile(entry).read()  # type: ignore[union-attr]
            for entry in tar.getmembers()
        }
    blobs = {name: data for name, data in content.items() if name.startswith("blobs/sha256/")}
    assert all(hashlib.sha256(data).hexdigest() == name[13:] for name, data in blobs.items())
    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(content["index.json"])["manifests"]
    assert entry["annotations"] == {
        "io.containerd.image.name": "docker.io/own/web:1",
        "org.opencontainers.image.ref.name": "1",
    }
    manifest = json.loads(blobs[f"blobs/sha256/{entry['digest'][7:]}"])
    (legacy,) = json.loads(content["manifest.json"])
    paths = [f"blobs/sha256/{part['digest'][7:]}" for part in manifest["layers"]]
    assert (legacy["RepoTags"], legacy["Layers"]) == (["own/web:1"], paths)
    assert json.loads(content[legacy["Config"]])["architecture"] == "arm64"
    assert {*paths, legacy["Config"]} < set(content), "all that it names is in it"


def test_up_finds_what_was_saved_for_docker(desk: Desk) -> None:
    desk.save()
    path = desk.directory / REGISTRY
    assert find_archive(desk.directory, "registry:2") == path
    (found,) = archives_in(desk.directory / "docker")
    assert (found.path, found.references) == (path, ("registry:2",))


def test_what_is_here_and_whole_is_not_fetched_again(desk: Desk) -> None:
    desk.save()
    desk.internet.asked.clear()
    before = {name: (desk.directory / name).read_bytes() for name in desk.files}
    assert desk.save() == ()
    assert not [path for path in desk.internet.asked if "/v2/" in path or "elsewhere" in path]
    assert f"{K3S}/k3s-arm64" not in desk.internet.asked
    assert {name: (desk.directory / name).read_bytes() for name in desk.files} == before


def test_a_run_that_was_cut_off_costs_no_image_that_was_here(desk: Desk) -> None:
    desk.save()

    def cut_off(line: str) -> None:
        if line.startswith("[2/3]"):
            raise KeyboardInterrupt

    site = site_on(ShellNodes(desk.path / "nodes"), desk.cluster, desk.path)
    with pytest.raises(KeyboardInterrupt):
        Saving(site, desk.directory, ("arm64",), cut_off).run()
    desk.internet.asked.clear()
    assert desk.save() == ()
    assert not [path for path in desk.internet.asked if "/v2/" in path]


def test_what_is_not_needed_any_more_is_not_listed_any_more(desk: Desk) -> None:
    desk.save("arm64", "amd64")
    desk.save("arm64")
    saved = read_saved(desk.directory)
    assert saved is not None
    assert not [name for name in saved.sums if "amd64" in name]


def test_a_file_that_was_damaged_since_is_fetched_again(desk: Desk) -> None:
    desk.save()
    (desk.directory / WEB_IMAGE).write_bytes(b"half")
    (desk.directory / "k3s-arm64").write_bytes(b"half")
    assert desk.save() == ()
    assert desk.decide() == Satisfied(detail=f"{len(desk.files) - 1} files")
    assert (desk.directory / "k3s-arm64").read_bytes() == b"K3s"
    assert (desk.directory / WEB_IMAGE).stat().st_size > len(b"half")


def blob_of(internet: Internet, repository: str) -> str:
    """The digest of the layer of an image for arm64."""
    manifests = internet.manifests.items()
    documents = [json.loads(text) for (name, _), (_, text) in manifests if name == repository]
    of_arm = [
        each
        for each in documents
        if "layers" in each
        and json.loads(internet.blobs[each["config"]["digest"]])["architecture"] == "arm64"
    ]
    return str(of_arm[0]["layers"][0]["digest"])


@pytest.mark.parametrize("fault", ["gone", "another", "short"])
def test_a_layer_that_is_not_what_its_digest_says_is_refused_and_the_rest_is_saved(
    desk: Desk, fault: str
) -> None:
    digest = blob_of(desk.internet, "own/web")
    right = desk.internet.blobs.pop(digest)
    if fault != "gone":
        desk.internet.blobs[digest] = right[:-1] if fault == "short" else bytes(len(right))
    (failure,) = desk.save()
    assert isinstance(failure, StepFailed)
    assert WEB_IMAGE not in desk.files
    assert {VIP_IMAGE, REGISTRY} < desk.files
    assert not [name for name in desk.files if name.endswith(".part")], "nothing half is left"
    refused = desk.decide()
    assert isinstance(refused, Blocked)
    assert WEB_IMAGE in refused.reason

    desk.internet.blobs[digest] = right
    desk.internet.asked.clear()
    assert desk.save() == ()
    fetched = [path for path in desk.internet.asked if path.startswith("/elsewhere/")]
    assert fetched == [f"/elsewhere/{digest}"], "the other parts were here already"
    assert not [name for name in desk.files if name.startswith(".parts/")]


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(desk: Desk) -> None:
    manifests = desk.internet.manifests
    for (repository, version), (kind, content) in list(manifests.items()):
        if repository == "own/web" and version.startswith("sha256:"):
            manifests[repository, version] = (kind, content + b" ")
    (failure,) = desk.save()
    assert "the manifest has not the digest that it is called by" in failure.why
    assert WEB_IMAGE not in desk.files


def test_a_password_is_not_sent_where_a_registry_with_https_has_none() -> None:
    puller = Puller(PullPlace("https://r.example.org", Credentials("me", Secret("pass word"))))
    with pytest.raises(ValueError, match="without HTTPS"):
        puller._login('Bearer realm="http://t.example.org",service="x"')


@pytest.mark.parametrize("login", ["", "me:pass word"])
def test_a_registry_may_want_a_token_and_storage_never_sees_it(desk: Desk, login: str) -> None:
    desk.internet.tokens, desk.internet.login = True, login
    site = site_on(ShellNodes(desk.path / "nodes"), desk.cluster, desk.path)
    if login:
        host = desk.internet.url.removeprefix("http://")
        known = {host: Credentials("me", Secret("pass word"))}
        site = replace(site, registry_logins=known)
    assert Saving(site, desk.directory, ("arm64",), desk.told.append).run() == ()
    assert desk.internet.asked.count("/token") == len(("registry", "kube-vip", "web"))
    assert "pass word" not in "".join(desk.told)


def rewritten(internet: Internet, repository: str, old: bytes, new: bytes) -> None:
    """Have a registry say something else of an image that is for arm64 alone."""
    for key, (kind, text) in list(internet.manifests.items()):
        if key == (repository, "1"):
            assert old in text
            internet.manifests[key] = (kind, text.replace(old, new, 1))


@pytest.mark.parametrize(
    "size", [b"1e999", b"NaN", b"-1", b"9" * 400, b"9" * 5000, b'"\xc2\xb2"', b"[]", b"+1"]
)
def test_an_image_with_a_part_of_a_size_that_makes_no_sense_is_told_and_the_rest_is_saved(
    desk: Desk, size: bytes
) -> None:
    desk.internet.put_plain("own/web", "1", "arm64")
    _, text = desk.internet.manifests["own/web", "1"]
    was = json.dumps(json.loads(text)["layers"][0]["size"]).encode()
    wanted = json.loads(text)["layers"][0]["digest"].encode()
    old = wanted + b'", "size": ' + was
    rewritten(desk.internet, "own/web", old, wanted + b'", "size": ' + size)
    (failure,) = desk.save()
    assert failure.what == "docker.io/own/web:1 cannot be had for arm64"
    assert {VIP_IMAGE, REGISTRY} < desk.files


def test_a_manifest_that_says_more_bytes_than_a_part_has_is_told_and_the_rest_is_saved(
    desk: Desk,
) -> None:
    desk.internet.put_plain("own/web", "1", "arm64")
    _, text = desk.internet.manifests["own/web", "1"]
    layer = json.loads(text)["layers"][0]
    old = f'{layer["digest"]}", "size": {layer["size"]}'.encode()
    rewritten(desk.internet, "own/web", old, old + b"0")
    (failure,) = desk.save()
    assert "another size" in failure.why
    assert WEB_IMAGE not in desk.files
    assert {VIP_IMAGE, REGISTRY} < desk.files


def test_a_registry_cannot_have_a_file_of_this_computer_sent_as_its_token(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text('{"token": "of-somebody-else"}')
    puller = Puller(PullPlace(desk.internet.url))
    challenge = f'Bearer realm="{(tmp_path / "key").as_uri()}#x"'
    with pytest.raises(ValueError, match="logged in to without HTTPS"):
        puller._login(challenge)


@pytest.mark.parametrize("answer", [b"[]", b"{}", b"5", b"null", b"[" * 100_000, b"no"])
def test_a_login_that_is_answered_with_no_token_is_no_token(desk: Desk, answer: bytes) -> None:
    desk.internet.files["/login"] = answer
    puller = Puller(PullPlace(desk.internet.url))
    with pytest.raises(ValueError, match="no token"):
        puller._login(f'Bearer realm="{desk.internet.url}/login"')


def test_a_registry_that_redirects_away_from_https_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def redirect(request: Request, *_: object, **__: object) -> None:
        download._NoWayBack().redirect_request(
            request, BytesIO(), 307, "", {}, "http://elsewhere.example.org/"
        )

    monkeypatch.setattr(distribution, "opened", redirect)
    puller = Puller(PullPlace("https://registry.example.org"))
    with pytest.raises(StepFailed, match="cannot fetch") as caught:
        puller.manifest(read_reference("own/web:1"), "arm64")
    assert "without HTTPS" in caught.value.why


def test_a_rewrite_keeps_its_backslashes(desk: Desk) -> None:
    image = read_reference("own/web:1")
    mirror = Mirror(registry="*", endpoints=(desk.internet.url,), rewrites={"^own/(.*)": r"\d/$1"})
    assert sources._renamed(mirror, image) == replace(image, repository=r"\d/web")


@pytest.mark.parametrize(("pattern", "into"), [("[", "x"), ("^own", "$7"), (r"\pN|\z", "x")])
def test_a_rewrite_that_cannot_be_done_is_told(desk: Desk, pattern: str, into: str) -> None:
    mirror = Mirror(registry="*", endpoints=(desk.internet.url,), rewrites={pattern: into})
    with pytest.raises(StepFailed, match="cannot be rewritten"):
        sources._renamed(mirror, read_reference("own/web:1"))


def test_a_save_that_was_cut_off_forgets_nothing_that_was_saved_before(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save()
    with monkeypatch.context() as patched:
        patched.setattr(Saving, "_k3s", interrupt)
        with pytest.raises(KeyboardInterrupt):
            desk.save()
    desk.internet.asked.clear()
    assert desk.save() == ()
    assert not [path for path in desk.internet.asked if "/v2/" in path or "elsewhere" in path]


def interrupt(_: object) -> None:
    raise KeyboardInterrupt


def test_what_is_not_wanted_any_more_is_not_listed_after_a_save(desk: Desk) -> None:
    desk.save("arm64", "amd64")
    desk.save("arm64")
    assert "amd64" not in (desk.directory / "SHA256SUMS").read_text()


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("images/arm64/../../../secret.tar", "0" * 64),
        ("/etc/shadow", "0" * 64),
        ("images/arm64/a.tar", "../../../etc"),
        ("images/arm64/a.tar", "0" * 63),
        ("images/arm64/a.tar", "²" * 64),
    ],
)
def test_a_checksum_file_names_nothing_outside_of_its_directory(
    tmp_path: Path, name: str, digest: str
) -> None:
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  {name}\n{'1' * 64}  images/arm64/b.tar\n")
    saved = read_saved(tmp_path)
    assert saved is not None
    assert saved.sums == {"images/arm64/b.tar": "1" * 64}


@pytest.mark.parametrize("inside", ["", "/deeper"])
def test_a_directory_that_cannot_be_made_is_told(desk: Desk, inside: str) -> None:
    file = desk.path / "file"
    file.write_text("something else")
    site = site_on(ShellNodes(desk.path / "nodes"), desk.cluster, desk.path)
    with pytest.raises(StepFailed, match="this computer refuses it"):
        Saving(site, Path(f"{file}{inside}"), ("arm64",), desk.told.append).run()
    assert file.read_text() == "something else"


def test_a_directory_with_something_else_in_place_of_the_checksums_is_told(desk: Desk) -> None:
    (desk.directory / "SHA256SUMS").mkdir(parents=True)
    with pytest.raises(StepFailed, match="this computer refuses it"):
        desk.save()


def test_a_directory_is_saved_to_by_one_run_at_a_time(desk: Desk) -> None:
    other = WorkstationLock(desk.directory / ".picluster.lock")
    other.take()
    with pytest.raises(Locked, match="it is being saved to already") as caught:
        desk.save()
    assert caught.value.where == str(desk.directory)
    assert f"process {os.getpid()}," in caught.value.why
    assert desk.internet.asked == []
    assert desk.files == set()
    other.release()
    assert desk.save() == ()


def test_an_image_with_a_name_longer_than_a_files_is_saved(desk: Desk) -> None:
    name = "/".join(["r.example.org:5000", *["deep"] * 50])
    desk.internet.put(name.partition("/")[2], "1", "arm64")
    spec = {"containers": [{"name": "web", "image": f"{name}:1"}]}
    desk.internet.files["/web.yaml"] = yaml.safe_dump({**WEB, "spec": spec}).encode()
    assert desk.save() == ()
    assert desk.decide() == Satisfied(detail=f"{len(desk.files) - 1} files")


def test_without_the_login_it_says_what_is_wanted(desk: Desk) -> None:
    desk.internet.tokens, desk.internet.login = True, "me:secret"
    failures = desk.save()
    assert len(failures) == len(("registry", "kube-vip", "web"))
    assert all("401 Unauthorized" in each.why for each in failures)


@pytest.mark.parametrize("plain", [True, False])
def test_an_image_for_another_processor_is_not_taken_for_one(desk: Desk, plain: bool) -> None:
    internet = desk.internet
    internet.manifests = {k: v for k, v in internet.manifests.items() if k[0] != "own/web"}
    if plain:
        internet.put_plain("own/web", "1", "amd64")
    else:
        internet.put("own/web", "1", "amd64")
    (failure,) = desk.save()
    assert failure.what == "docker.io/own/web:1 cannot be had for arm64"
    assert "processor" in failure.why
    assert desk.save("amd64") == ()


def test_another_processor_in_the_cluster_is_named_before_anything_starts(desk: Desk) -> None:
    desk.save("arm64")
    refused = desk.decide("amd64")
    assert isinstance(refused, Blocked)
    lacking = ["sha256sum-amd64.txt", "k3s", "k3s-airgap-images-amd64.tar.zst"]
    lacking += [each.replace("arm64", "amd64") for each in (VIP_IMAGE, WEB_IMAGE)]
    assert refused == Blocked(
        f"the air-gap directory {desk.directory} has no {', '.join(lacking)}",
        f"where there is a network: picluster images save '{desk.directory}' --arch amd64",
    )
    desk.save("arm64", "amd64")
    assert isinstance(desk.decide("amd64"), Satisfied)


def test_a_plan_of_real_nodes_refuses_for_their_processor(desk: Desk) -> None:
    """Which processor a node has is asked in the very phase that decides on it."""
    desk.save(*{"amd64", "arm64"})
    site = site_on(ShellNodes(desk.path / "nodes"), desk.cluster, desk.path)

    def code() -> int:
        saved = read_saved(desk.directory)
        assert saved is not None
        phase = air_gap(desk.cluster, saved)
        return commands.plan(site, lambda site, absent: [phase]).exit_code

    assert code() == 0
    for arch in ("amd64", "arm64"):
        (desk.directory / WEB_IMAGE.replace("arm64", arch)).unlink()
    assert code() == PreflightRefused.exit_code


def test_what_the_file_asks_for_since_is_named_before_anything_starts(desk: Desk) -> None:
    desk.save()
    refused = desk.decide(more="longhorn: {{version: v1.12.1}}\n")
    assert refused == Blocked(
        f"the air-gap directory {desk.directory} has no Longhorn v1.12.1, longhorn.yaml",
        f"where there is a network: picluster images save '{desk.directory}' --arch arm64",
    )


def test_a_directory_of_another_release_is_not_taken_for_this_one(desk: Desk) -> None:
    """Files of K3s and Longhorn are called the same whatever their release."""
    desk.save()
    saved = read_saved(desk.directory)
    assert saved is not None
    k3s = desk.cluster.k3s.model_copy(update={"version": "v1.36.4+k3s1"})
    asked = LackingHere(desk.cluster.model_copy(update={"k3s": k3s}), saved).ask(Tools())
    assert dict(asked.missing)["arm64"] == ("K3s v1.36.4+k3s1",)


def test_charts_are_saved_by_their_index_and_sent_along(desk: Desk) -> None:
    chart, itself = b"the chart of cert-manager", b"the chart of Rancher"
    index = {
        "/jetstack": ("cert-manager", "v1.21.1", "charts/cm.tgz", chart),
        "/charts": ("rancher", "2.15.1", f"{desk.internet.url}/r.tgz", itself),
    }
    for place, (name, version, where, content) in index.items():
        entry = {"version": version, "urls": [where], "digest": digest_of(content)[7:]}
        desk.internet.files[f"{place}/index.yaml"] = yaml.safe_dump(
            {"entries": {name: [{"version": "0.1.0", "urls": ["x"]}, entry]}}
        ).encode()
    desk.internet.files |= {
        "/jetstack/charts/cm.tgz": chart,
        "/r.tgz": itself,
        "/rancher/v2.15.1/rancher-images.txt": b"rancher/rancher:v2.15.1\nrancher/other:v1\n",
    }
    for part in ("controller", "webhook", "cainjector", "startupapicheck"):
        desk.internet.put(f"jetstack/cert-manager-{part}", "v1.21.1", "arm64")
    desk.internet.put("rancher/rancher", "v2.15.1", "arm64")
    desk.more = RANCHER
    assert desk.save() == ()
    assert {"cert-manager-v1.21.1.tgz", "rancher-2.15.1.tgz"} < desk.files
    wanted = desk.cluster.rancher
    assert isinstance(wanted, Rancher)
    objects = Charts(wanted, 1, read_saved(desk.directory))(Tools())
    specs = {each["metadata"]["name"]: each["spec"] for each in objects if "spec" in each}
    assert specs["rancher"]["chartContent"] == "dGhlIGNoYXJ0IG9mIFJhbmNoZXI="
    assert not {"repo", "chart", "version"} & specs["rancher"].keys(), "nothing is fetched"
    assert isinstance(desk.decide(), Satisfied)

    (desk.directory / "rancher-2.15.1.tgz").write_bytes(b"a chart of somebody else")
    with pytest.raises(StepFailed, match=r"the checksum of rancher-2\.15\.1\.tgz is wrong"):
        Charts(wanted, 1, read_saved(desk.directory))(Tools())

    desk.internet.files["/r.tgz"] = b"another"
    (desk.directory / "rancher-2.15.1.tgz").unlink()
    (failure,) = desk.save()
    assert "checksum" in failure.what


@dataclass(slots=True)
class _Door(NoForward):
    port: int = 0


class Forwarding(ShellNodes):
    """Nodes whose registry is the internet's double."""

    def __init__(self, base: Path, port: int) -> None:
        super().__init__(base)
        self.port = port

    def connect(self, node: str) -> ShellSession:
        session = _Forwarded(node, self)
        session.port = self.port
        return session


class _Forwarded(ShellSession):
    port: int

    def forward(self, host: str, port: int) -> NoForward:
        return _Door(self.port)


BUILT = "images: {{build: [{{name: tak/map, tag: '1', context: ctx}}]}}\n"


def test_what_a_cluster_has_built_is_saved_from_its_registry(desk: Desk) -> None:
    (desk.path / "ctx").mkdir()
    (desk.path / "ctx/Dockerfile").write_text("FROM own/web:1\n")
    desk.internet.put_plain("tak/map", "1", "arm64")
    desk.more, desk.nodes = BUILT, Forwarding(desk.path / "nodes", desk.internet.port)
    assert desk.save() == ()
    found = {name for each in archives_in(desk.directory / "docker") for name in each.references}
    assert found == {"registry:2", "tak/map:1", "own/web:1"}, "and what it is built on"


def test_what_no_cluster_has_built_yet_is_told_and_does_not_keep_up_from_trying(desk: Desk) -> None:
    (desk.path / "ctx").mkdir()
    (desk.path / "ctx/Dockerfile").write_text("FROM own/web:1\n")
    desk.more = BUILT
    (failure,) = desk.save()
    assert failure.what == "tak/map:1 is built on a node, and no registry has it yet"
    decision = desk.decide()
    assert isinstance(decision, Satisfied)
    assert decision.warning.startswith("tak/map:1 will be built")


def test_a_directory_that_was_put_together_by_hand_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "k3s-arm64").write_bytes(b"K3s")
    assert read_saved(tmp_path) is None
    assert read_saved(tmp_path / "nowhere") is None


def test_what_the_checksum_file_does_not_list_was_not_saved(desk: Desk) -> None:
    desk.save()
    (desk.directory / "stray").write_bytes(b"half a file")
    saved = read_saved(desk.directory)
    assert saved is not None
    assert (saved.path("stray"), saved.path("k3s-arm64")) == (None, desk.directory / "k3s-arm64")


def test_the_processors_that_no_node_has_do_not_matter(desk: Desk) -> None:
    desk.save()
    saved = read_saved(desk.directory)
    assert saved is not None
    step = DirectoryWhole(desk.cluster, saved)
    lacking = Lacking((("amd64", ("k3s",)), ("arm64", ())))
    system = System("0", "systemd", has_apt=True, arch="arm64", kernel="", pretty="")
    assert isinstance(decide_from(step, lacking, {SYSTEM.name: system}), Satisfied)
