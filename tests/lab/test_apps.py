"""Storage and applications through the Kubernetes API, on real nodes with the stand-in's API.

Longhorn's manifest, OpenTAKServer's images and its doors are doubles, named as such: what is tested
is what picluster makes of a cluster, not what runs in pods.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from picluster.lab import registry_image
from picluster.lab.commands import run as run_here
from picluster.model.k3s import DEFAULT_VERSION
from picluster.model.opentakserver import DEFAULT_UI
from picluster.model.opentakserver import DEFAULT_VERSION as OTS
from picluster.model.rancher import DEFAULT_CERT_MANAGER as CERT_MANAGER
from picluster.model.rancher import DEFAULT_VERSION as RANCHER
from picluster.model.releases import KNOWN
from picluster.paths import cluster_state
from picluster.steps.image_reference import read_reference
from tests.doubles.internet import Internet, served
from tests.lab import doors_double
from tests.lab.bench import Bench, Pi, Result
from tests.lab.eavesdropper import Eavesdropper, eavesdropping
from tests.lab.kube import ask, fetched
from tests.lab.labs import rehearse

MANIFEST = Path(__file__).parent / "manifests" / "longhorn_like.yaml"
TAK = "/api/v1/namespaces/tak"
WEB = "/apis/apps/v1/namespaces/own/deployments/web"
APPLICATIONS = """
longhorn:
  manifest: {manifest}
opentakserver: {{}}
apps:
  - name: web
    path: {web}
    namespace: own
"""


BUILT = (f"picluster/opentakserver:{OTS}", f"picluster/opentakserver-ui:{DEFAULT_UI}")


@dataclass(frozen=True)
class Case:
    """A cluster in a case without the internet, which is a double on this computer's loopback.

    `first` is what `images save` said before there was a cluster, `second` when it had built images
    (doubles, too). `asked` is what `up` wanted of the internet. Cables are listened to all along.
    """

    bench: Bench
    directory: Path
    heard: Eavesdropper
    first: Result
    second: Result
    asked: tuple[str, ...]


@pytest.fixture(scope="module")
def case(home: Path, artifacts: Path, prepared_card: Path) -> Iterator[Case]:
    """A server, and an agent with the registry: prepared, and then made by what was saved."""
    web, airgap = home / "web", home / "apps-airgap"
    web.mkdir()
    write_web(web, "green")
    with served(Internet()) as internet:
        for bench in rehearse("apps", 2, 1, home, artifacts, image=prepared_card):
            put_all(internet, bench, artifacts, home / "apps-registry.tar")
            text = re.sub("(release_url): .*", rf"\1: {internet.url}/k3s", bench.file.read_text())
            text = re.sub("(install_url): .*", rf"\1: {internet.url}/install.sh", text)
            text += f"  airgap_dir: {airgap}\nregistry:\n  node: apps2\n"
            bench.file.write_text(text + APPLICATIONS.format(manifest=MANIFEST, web=web))
            abroad = connected(bench.file, internet)
            save = ("images", "save", str(airgap), "--arch", architecture())
            first = bench.picluster(*save, file=abroad, expect=1)
            with eavesdropping(bench.lab) as heard:
                internet.asked.clear()
                bench.picluster("up", "--until", "registry")
                asked = tuple(internet.asked)
                for name in BUILT:
                    where = f"apps2:5000/{name}"
                    bench.node(2).sh(f"docker tag registry:2 {where} && docker push -q {where}")
                second = bench.picluster(*save, file=abroad)
                yield Case(bench, airgap, heard, first, second, asked)


def architecture() -> str:
    return run_here("dpkg", "--print-architecture").strip()


def put_all(internet: Internet, bench: Bench, artifacts: Path, scratch: Path) -> None:
    """Let the internet's double have all that the file, and Rancher besides, leads to."""
    arch = architecture()
    internet.put_k3s(DEFAULT_VERSION, artifacts / DEFAULT_VERSION, arch)
    registry_image.build(bench.lab.base, scratch)
    internet.put_archive("library/registry", "2", scratch)
    names = ["python:3.11-slim-bookworm", "nginx:1.28-alpine", "postgres:17-bookworm"]
    names += ["rabbitmq:3.13", "longhorn-double:1", f"rancher/rancher:v{RANCHER}"]
    names += [f"{each}:{CERT_MANAGER}" for each in KNOWN.images_of_cert_manager]
    for name in map(read_reference, names):
        internet.put(name.repository, name.tag, arch)
    internet.put_chart("/charts", "rancher", RANCHER)
    internet.put_chart("/jetstack", "cert-manager", CERT_MANAGER)
    internet.files |= {
        "/install.sh": (artifacts / "install.sh").read_bytes(),
        f"/rancher/v{RANCHER}/rancher-images.txt": f"rancher/rancher:v{RANCHER}\n".encode(),
        f"/ui/{DEFAULT_UI}/OpenTAKServer-UI-{DEFAULT_UI}.zip": b"stands for the interface",
    }


def connected(file: Path, internet: Internet) -> Path:
    """The same cluster as a connected computer has it: its internet is the double, all of it."""
    wanted = yaml.safe_load(file.read_text())
    wanted["k3s"]["mirrors"] = [{"registry": "*", "endpoints": [internet.url]}]
    wanted["opentakserver"] = {"ui": {"release_url": f"{internet.url}/ui"}}
    wanted["rancher"] = {
        "hostname": "rancher.lan",
        "chart_url": f"{internet.url}/charts",
        "cert_manager_url": f"{internet.url}/jetstack",
        "release_url": f"{internet.url}/rancher",
    }
    abroad = file.with_name("connected.yaml")
    abroad.write_text(yaml.safe_dump(wanted))
    return abroad


@pytest.fixture(scope="module")
def apps(case: Case) -> Bench:
    """Its nodes and its file."""
    return case.bench


@pytest.fixture(scope="module")
def web(apps: Bench, home: Path) -> Path:
    return home / "web"


@pytest.fixture(scope="module")
def doors(apps: Bench) -> Pi:
    """Have somebody answer on the server's NodePorts."""
    node = apps.node(1)
    script = base64.b64encode(Path(doors_double.__file__).read_bytes()).decode()
    node.sh(
        f"echo {script} | base64 -d >/run/doors_double.py\n"
        "systemd-run -q --unit doors-double python3 /run/doors_double.py 31080 31088 31089"
    )
    return node


@pytest.fixture(scope="module")
def deployed(apps: Bench, doors: Pi) -> Result:
    """Everything deployed for the first time; storage before what is kept on it."""
    apps.picluster("phase", "longhorn")
    return apps.picluster("phase", "deploy", "--json")


def test_what_was_saved_before_anything_ran_lacks_only_what_is_built(case: Case) -> None:
    said = case.first.said
    assert [name for name in BUILT if f"{name} is built on a node" not in said] == []
    assert f"lacks {len(BUILT)} things" in said
    assert "lacks" not in case.second.said, "and then they come from the cluster's own registry"


def test_a_cluster_came_up_without_asking_the_internet_for_anything(case: Case) -> None:
    assert case.asked == ()
    sent = case.bench.node(1).sh("ls /var/lib/rancher/k3s/agent/images")
    assert "picluster-docker.io_library_rabbitmq_3.13-" in sent


def test_what_is_missing_is_named_before_anything_starts(case: Case) -> None:
    gone = f"images/{architecture()}/docker.io_library_rabbitmq_3.13.tar"
    aside = case.directory / "aside"
    (case.directory / gone).rename(aside)
    try:
        for command in ("plan", "up"):
            said = case.bench.picluster(command, expect=5).said
            assert f"has no {gone}" in said
            assert f"picluster images save {case.directory}" in said
    finally:
        aside.rename(case.directory / gone)


def config(name: str, colour: str) -> dict[str, Any]:
    meta = {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"colour": colour}}


def deployment(**notes: str) -> dict[str, Any]:
    labels = {"app": "web"}
    container = {"name": "web", "image": "apps2:5000/web:1"}
    marks = {f"stand-in/{key}": value for key, value in notes.items()}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": marks},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def write_web(directory: Path, colour: str, *, extra: bool = True, **notes: str) -> None:
    """Write the manifests of the user's application."""
    (directory / "config.json").write_text(json.dumps(config("settings", colour)))
    (directory / "web.json").write_text(json.dumps(deployment(**notes)))
    if extra:
        (directory / "extra.json").write_text(json.dumps(config("extra", colour)))
    else:
        (directory / "extra.json").unlink(missing_ok=True)


def changed(result: Result) -> set[str]:
    finished = [event for event in result.events if event["event"] == "StepFinished"]
    return {str(event["step"]) for event in finished if event["outcome"] == "changed"}


def planned(bench: Bench, *arguments: str) -> dict[str, dict[str, Any]]:
    """Plan storage and applications; not the images, whose doubles would be built anew."""
    found: dict[str, dict[str, Any]] = {}
    for phase in ("longhorn", "deploy"):
        words = ("plan", "--from", phase, "--until", phase, "--json", *arguments)
        document: Any = bench.picluster(*words).document
        found |= {each["step"]: each for each in document["changes"]}
    return found


def test_what_will_be_made_is_planned_object_by_object(apps: Bench) -> None:
    changes = planned(apps)
    assert "create" in changes["longhorn-objects"]["summary"]
    assert "DaemonSet longhorn-system/longhorn-manager: new" in str(changes["longhorn-objects"])
    assert "Namespace tak: new" in str(changes["opentakserver-objects"])
    assert "ConfigMap own/settings: new" in str(changes["app-web"])


def test_longhorn_is_installed_with_its_settings_and_as_the_only_default(apps: Bench) -> None:
    server = apps.node(1)
    flag = "storageclass.kubernetes.io/is-default-class"
    before = fetched(server, "/apis/storage.k8s.io/v1/storageclasses")["items"]
    assert [each["metadata"]["name"] for each in before] == ["local-path"], "as K3s makes it"
    first = apps.picluster("phase", "longhorn", "--json")
    assert {"longhorn-objects", "default-class"} <= changed(first)
    classes = fetched(server, "/apis/storage.k8s.io/v1/storageclasses")["items"]
    defaults = {each["metadata"]["name"]: each["metadata"]["annotations"][flag] for each in classes}
    assert defaults == {"local-path": "false", "longhorn": "true"}
    path = "/api/v1/namespaces/longhorn-system/configmaps/longhorn-default-setting"
    settings = fetched(server, path)["data"]["default-setting.yaml"]
    assert "default-replica-count: '2'" in settings
    assert "priority-class: longhorn-critical" in settings
    assert changed(apps.picluster("phase", "longhorn", "--json")) == set()


def test_a_second_deployment_changes_nothing(apps: Bench, deployed: Result) -> None:
    assert {"opentakserver-secrets", "opentakserver-objects", "app-web"} <= changed(deployed)
    ended = [each["step"] for each in deployed.events if each["event"] == "StepFinished"]
    assert ended.index("administrator-password") < ended.index("opentakserver-doors")
    assert changed(apps.picluster("phase", "deploy", "--json")) == set()
    assert planned(apps) == {}


def kept(server: Pi) -> dict[str, Any]:
    """Everything that must survive every run: volumes and secrets."""
    found = {}
    for path in (f"{TAK}/persistentvolumeclaims", f"{TAK}/secrets"):
        for item in fetched(server, path)["items"]:
            found[item["metadata"]["name"]] = (item["metadata"]["uid"], item.get("data"))
    return found


def test_volumes_and_secrets_survive_every_run(apps: Bench, deployed: Result) -> None:
    server = apps.node(1)
    before = kept(server)
    assert {"data-postgres-0", "data-rabbitmq-0", "opentakserver-data"} <= before.keys()
    assert "opentakserver-secrets" in before
    apps.picluster("phase", "longhorn")
    apps.picluster("phase", "deploy")
    apps.picluster("deploy", "--fix")
    with apps.edited("opentakserver: {}", "opentakserver: {sizes: {data: 10Gi}, mediamtx: true}"):
        apps.picluster("phase", "deploy")
    apps.picluster("phase", "deploy")
    assert kept(server) == before


def test_no_generated_password_is_in_a_log_an_output_or_a_plan(
    apps: Bench, deployed: Result
) -> None:
    secret = fetched(apps.node(1), f"{TAK}/secrets/opentakserver-secrets")["data"]
    values = [base64.b64decode(text).decode() for text in secret.values()]
    values += list(secret.values())
    said = [
        deployed.said,
        apps.picluster("plan", "--from", "deploy").said,
        apps.picluster("phase", "deploy").said,
    ]
    written = [path for path in cluster_state(apps.lab.name).rglob("*") if path.is_file()]
    said += [path.read_text(errors="replace") for path in written]
    assert written
    for text in said:
        assert not [value for value in values if value in text]


def test_credentials_are_shown_when_they_are_asked_for(apps: Bench, deployed: Result) -> None:
    secret = fetched(apps.node(1), f"{TAK}/secrets/opentakserver-secrets")["data"]
    password = base64.b64decode(secret["administrator-password"]).decode()
    said = apps.picluster("credentials").out
    assert password in said
    assert f"http://{apps.node(1).address}:31080" in said


def test_status_shows_what_runs_and_where(apps: Bench, deployed: Result) -> None:
    document: Any = apps.picluster("status", "--json").document
    parts = {part["name"]: part for part in document["parts"]}
    assert set(parts) == {"Longhorn", "OpenTAKServer", "web"}
    assert not [part for part in parts.values() if part["missing"]]
    assert parts["OpenTAKServer"]["url"].endswith(":31080")


def test_a_server_that_stops_answering_is_found_out(apps: Bench, deployed: Result) -> None:
    server = apps.node(1)
    server.sh("systemctl kill --signal STOP doors-double")
    try:
        assert "/api/health answers nothing" in apps.picluster("validate", expect=1).out
    finally:
        server.sh("systemctl kill --signal CONT doors-double")
    assert planned(apps) == {}


def test_a_run_with_nothing_to_do_asks_no_door_and_validate_each_of_the_web_once(
    apps: Bench, deployed: Result
) -> None:
    """What stays connected to a stream of devices, and says nothing, is never asked at all."""
    server = apps.node(1)
    heard = "journalctl -u doors-double -o cat"
    before = server.sh(heard)
    events = apps.picluster("phase", "deploy", "--json").events
    spent = [(each["scripts"], each["connections"]) for each in events if "scripts" in each]
    assert spent == [(2, 2)], "one look at each of the two nodes, and none for OpenTAKServer"
    assert server.sh(heard) == before
    apps.picluster("validate", expect=None)
    news = server.sh(heard).removeprefix(before).split("\n")
    asked = ["GET /", "GET /api/health", "GET /socket.io/?EIO=4&transport=polling"]
    assert sorted(filter(None, news)) == asked


def test_a_field_edited_by_hand_is_reported_and_taken_back_only_when_asked(
    apps: Bench, deployed: Result, web: Path
) -> None:
    server, path = apps.node(1), "/api/v1/namespaces/own/configmaps/settings"
    server.sh(ask("PATCH", path, json.dumps({"data": {"colour": "blue"}})))
    refused = apps.picluster("plan", "--from", "deploy", "--until", "deploy", expect=5)
    assert ".data.colour" in refused.out
    assert "--force-conflicts" in refused.out
    apps.picluster("phase", "deploy", expect=5)
    assert fetched(server, path)["data"] == {"colour": "blue"}
    change = planned(apps, "--force-conflicts")["app-web"]
    assert "data.colour: blue -> green" in str(change["diff"])
    apps.picluster("phase", "deploy", "--force-conflicts")
    assert fetched(server, path)["data"] == {"colour": "green"}


def test_what_left_the_manifests_is_planned_and_then_pruned(
    apps: Bench, deployed: Result, web: Path
) -> None:
    server, path = apps.node(1), "/api/v1/namespaces/own/configmaps"
    write_web(web, "red", extra=False)
    try:
        change = planned(apps)["app-web"]
        assert "ConfigMap own/extra: no longer in the file; delete it" in str(change)
        assert "data.colour: green -> red" in str(change)
        apps.picluster("phase", "deploy")
        names = {item["metadata"]["name"] for item in fetched(server, path)["items"]}
        assert "settings" in names
        assert "extra" not in names
    finally:
        write_web(web, "green")
        apps.picluster("phase", "deploy")


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (
            "image-offline",
            [
                "the image",
                " cannot be had on ",
                "no DNS, or no internet",
                "Failed to pull image",
                "Error: ImagePullBackOff",
            ],
        ),
        ("crash-loop", ["Back-off restarting failed container", "no database at db:5432"]),
    ],
)
def test_a_wait_that_cannot_succeed_ends_early_with_events_log_and_cause(
    apps: Bench, deployed: Result, web: Path, trouble: str, said: list[str]
) -> None:
    write_web(web, "green", trouble=trouble, log="no database at db:5432")
    try:
        result = apps.picluster("phase", "deploy", expect=1)
        for text in said:
            assert text in result.said
        assert "Deployment own/web" in apps.picluster("status", expect=1).out
    finally:
        write_web(web, "green")
        apps.picluster("deploy", "--fix")


def test_an_app_that_left_the_file_is_planned_and_removed(apps: Bench, deployed: Result) -> None:
    text = apps.file.read_text()
    apps.file.write_text(text.partition("apps:\n")[0])
    try:
        assert "remove web" in planned(apps)["apps-gone"]["summary"]
        apps.picluster("phase", "deploy")
        listed = fetched(apps.node(1), WEB.rpartition("/")[0])["items"]
        assert listed == []
    finally:
        apps.file.write_text(text)
        apps.picluster("phase", "deploy")


def test_an_opentakserver_that_left_the_file_leaves_its_data(apps: Bench, deployed: Result) -> None:
    server, text = apps.node(1), apps.file.read_text()
    before = kept(server)
    apps.file.write_text(text.replace("opentakserver: {}\n", ""))
    try:
        gone = planned(apps)["apps-gone"]["summary"]
        assert "remove opentakserver" in gone
        assert "keep Namespace tak, PersistentVolumeClaim tak/opentakserver-data" in gone
        apps.picluster("phase", "deploy")
        assert fetched(server, "/apis/apps/v1/namespaces/tak/deployments")["items"] == []
        assert kept(server) == before
    finally:
        apps.file.write_text(text)
    apps.picluster("phase", "deploy")
    assert kept(server) == before


def test_rancher_is_installed_by_charts_with_a_password_of_its_own(
    apps: Bench, deployed: Result
) -> None:
    text = apps.file.read_text()
    apps.file.write_text(f"{text}rancher:\n  hostname: rancher.lan\n")
    path = "/api/v1/namespaces/cattle-system/secrets/bootstrap-secret"
    try:
        first = apps.picluster("phase", "rancher", "--json")
        assert "rancher-charts" in changed(first)
        password = base64.b64decode(fetched(apps.node(1), path)["data"]["bootstrapPassword"])
        assert password.decode() not in first.said
        assert password.decode() in apps.picluster("credentials").out
        assert changed(apps.picluster("phase", "rancher", "--json")) == set()
        again = fetched(apps.node(1), path)["data"]["bootstrapPassword"]
        assert base64.b64decode(again) == password
    finally:
        apps.file.write_text(text)


def test_charts_were_sent_along_and_no_packet_of_all_that_left_the_case(
    case: Case, deployed: Result
) -> None:
    """Storage, OpenTAKServer, applications and Rancher are there; and the ear is not deaf."""
    node = case.bench.node(1)
    charts = fetched(node, "/apis/helm.cattle.io/v1/namespaces/kube-system/helmcharts")["items"]
    specs = {each["metadata"]["name"]: each["spec"] for each in charts}
    sent = {name: base64.b64decode(specs[name].get("chartContent", "")) for name in specs}
    names = ("cert-manager", "rancher")
    assert {name: sent.get(name) for name in names} == {
        name: f"stands for the chart of {name}".encode() for name in names
    }
    assert case.heard.outside == set()
    node.sh("bash -c 'echo hello >/dev/udp/192.0.2.1/9'")
    assert case.heard.soon() == {(node.address, "192.0.2.1")}


def test_a_support_bundle_has_the_evidence_and_no_secret(
    apps: Bench, deployed: Result, tmp_path: Path
) -> None:
    server, path = apps.node(1), tmp_path / "bundle.tar.gz"
    secret = fetched(server, f"{TAK}/secrets/opentakserver-secrets")["data"]
    values = [base64.b64decode(text).decode() for text in secret.values()]
    values += [server.read("/var/lib/rancher/k3s/server/token").strip().rpartition(":")[2]]
    apps.node(2).break_("cut")
    try:
        said = apps.picluster("support-bundle", "--output", str(path)).out
    finally:
        apps.node(2).mend()
    assert "read it before you share it" in said
    with tarfile.open(path) as archive:
        files = {
            name.partition("/")[2]: archive.extractfile(name).read().decode()  # type: ignore[union-attr]
            for name in archive.getnames()
        }
    assert "apps2" in files["MISSING.txt"]
    assert "it cannot be reached over SSH" in files["MISSING.txt"]
    assert "stand-in" in files["NOTICES.txt"]
    assert "=== journalctl -u k3s" in files["nodes/apps1.txt"]
    assert "apps1" in files["cluster/nodes.json"]
    assert any(name.startswith("runs/") for name in files)
    leaking = [name for name, text in files.items() if any(value in text for value in values)]
    assert not leaking, f"a secret is in {leaking}"


# ------------------------------------------------------------------ a disk of its own


@pytest.fixture
def disk(apps: Bench, tmp_path: Path) -> Iterator[Pi]:
    """Plug a disk of 12 GB into the agent: a sparse file, by way of a loop device."""
    node, image = apps.node(2), tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(12 * 10**9)
    found = subprocess.run(
        ["losetup", "--show", "-f", str(image)], capture_output=True, text=True, check=True
    )
    device = found.stdout.strip()
    number = device.removeprefix("/dev/loop")
    try:
        node.sh(
            f"[ -b {device} ] || mknod {device} b 7 {number}\n"
            f"mkdir -p /dev/disk/by-id && ln -sfn {device} /dev/disk/by-id/usb-lab"
        )
        yield node
        node.sh("umount /var/lib/longhorn || true")
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def test_a_disk_is_formatted_once_mounted_and_never_again(
    apps: Bench, deployed: Result, disk: Pi
) -> None:
    with apps.edited("role: agent}", "role: agent, disks: [{device: /dev/disk/by-id/usb-lab}]}"):
        disk.sh("mkfs.ext4 -q -F -L photos /dev/disk/by-id/usb-lab")
        refused = apps.picluster("phase", "longhorn", expect=5)
        assert "holds data (ext4, called photos)" in refused.said
        named = ("--format-disk", "apps2:/dev/disk/by-id/usb-lab")
        assert "data-disk" in changed(apps.picluster("phase", "longhorn", "--json", *named))
        disk.sh("mountpoint -q /var/lib/longhorn && touch /var/lib/longhorn/precious")
        assert "noatime,nofail" in disk.read("/etc/fstab")
        assert changed(apps.picluster("phase", "longhorn", "--json", *named)) == set()
        disk.sh("umount /var/lib/longhorn")
        assert changed(apps.picluster("phase", "longhorn", "--json", *named)) == {"data-disk"}
        assert disk.holds("[ -e /var/lib/longhorn/precious ]")
