"""OpenTAKServer's and Rancher's objects: valid in every Kubernetes, whole, and without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest

from picluster.apps.opentakserver import credentials
from picluster.apps.opentakserver.manifests import (
    PinnedImages,
    administrator_job,
    door_service,
    identities,
    objects,
    settings,
)
from picluster.apps.rancher import charts
from picluster.model import parse
from picluster.model.k3s import DEFAULT_VERSION, OLDEST_MINOR
from picluster.model.opentakserver import OpenTakServer, Ports
from picluster.steps.manifests.objects import identity, marked

IMAGES = PinnedImages(
    "lan:5000/server@sha256:1", "lan:5000/ui@sha256:2", "postgres:17", "rabbitmq:3"
)
ALL_PORTS = Ports(udp="31090", marti="31443", enrolment="31446")
VARIANTS = {
    "plain": OpenTakServer(),
    "before PostGIS": OpenTakServer(version="1.6.3"),
    "every port": OpenTakServer(version="1.7.14", ports=ALL_PORTS),
}
ALL = VARIANTS["every port"]
PINNED = DEFAULT_VERSION.lstrip("v").rpartition(".")[0]
OLDEST = f"1.{OLDEST_MINOR}"


def everything(ots: OpenTakServer) -> list[dict[str, Any]]:
    job = administrator_job(ots, IMAGES.server)
    return [*objects(ots, IMAGES, "longhorn"), door_service(ots), job]


def rancher_objects() -> list[dict[str, Any]]:
    head = "name: a\nnodes: [{name: pi1, address: 10.0.0.1, role: server}]\n"
    wanted = parse(f"{head}rancher: {{hostname: rancher.lan}}\n").cluster.rancher
    assert wanted is not None
    return charts.objects(wanted, 1)


@pytest.mark.parametrize("release", [PINNED, OLDEST])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_fits_the_published_schemas(release: str, variant: str) -> None:
    for each in everything(VARIANTS[variant]):
        kubernetes_validate.validate(marked(each, "opentakserver"), release, strict=True)


@pytest.mark.parametrize("release", [PINNED, OLDEST])
def test_ranchers_objects_fit_the_published_schemas(release: str) -> None:
    for each in rancher_objects():
        if each["kind"] != "HelmChart":  # a kind of K3s' own, which nobody publishes a schema of
            kubernetes_validate.validate(marked(each, "rancher"), release, strict=True)


def test_the_validation_would_notice() -> None:
    broken = administrator_job(OpenTakServer(), "x")
    broken["spec"]["template"]["spec"]["container"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, PINNED, strict=True)


def found(value: object, key: str) -> Iterator[Any]:
    """Yield every value under a key, wherever it is in an object."""
    if isinstance(value, dict):
        yield from ([value[key]] if key in value else [])
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from found(inner, key)


def test_objects_and_code_call_logins_keys_and_directories_by_the_same_names() -> None:
    made = everything(ALL)
    secrets = [*found(made, "secretName"), *(each["name"] for each in found(made, "secretKeyRef"))]
    assert set(secrets) == {credentials.NAME}
    items = [item["key"] for each in found(made, "secret") for item in each["items"]]
    assert {*items, *(each["key"] for each in found(made, "secretKeyRef"))} == set(credentials.KEYS)
    env = {(each["name"], each.get("value")) for listed in found(made, "env") for each in listed}
    assert env >= {
        ("POSTGRES_USER", credentials.DATABASE_USER),
        ("POSTGRES_DB", credentials.DATABASE),
        ("RABBITMQ_DEFAULT_USER", credentials.BROKER_USER),
        ("OTS_RABBITMQ_USERNAME", credentials.BROKER_USER),
        ("OTS_DATA_FOLDER", settings(ALL)["OTS_DATA_FOLDER"]),
    }
    assert ["password", credentials.ADMINISTRATOR] in list(found(made, "args"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_object_holds_a_generated_secret(variant: str) -> None:
    values = [secret.reveal() for secret in credentials.Generated().make({}).values()]
    text = json.dumps(everything(VARIANTS[variant]) + rancher_objects())
    assert not [value for value in values if value in text]
    assert '"stringData"' not in text
    assert '"kind": "Secret"' not in text


def containers(ots: OpenTakServer) -> dict[str, dict[str, Any]]:
    deployment = next(each for each in objects(ots, IMAGES, None) if each["kind"] == "Deployment")
    return {each["name"]: each for each in deployment["spec"]["template"]["spec"]["containers"]}


def test_one_pod_has_all_processes_on_one_volume() -> None:
    found = containers(OpenTakServer())
    assert list(found) == ["server", "cot-parser", "eud-tcp", "eud-ssl", "web"]
    for name in ("server", "cot-parser", "eud-tcp", "eud-ssl"):
        assert found[name]["tty"] is True
        assert {"name": "data", "mountPath": "/var/lib/ots/data"} in found[name]["volumeMounts"]


def test_udp_is_there_where_the_release_has_it() -> None:
    ports = Ports(udp="31090")
    assert "eud-udp" in containers(OpenTakServer(version="1.7.11", ports=ports))
    assert "eud-udp" not in containers(OpenTakServer(version="1.7.10", ports=ports))
    assert "eud-udp" not in containers(OpenTakServer(version="1.7.11"))


def doors(ots: OpenTakServer) -> dict[str, dict[str, Any]]:
    return {port["name"]: port for port in door_service(ots)["spec"]["ports"]}


def test_nothing_but_the_doors_can_be_reached_from_outside() -> None:
    services = [each for each in objects(ALL, IMAGES, None) if each["kind"] == "Service"]
    assert {each["spec"].get("clusterIP") for each in services} == {"None"}
    assert "hostPort" not in json.dumps(everything(ALL))
    assert "hostNetwork" not in json.dumps(everything(ALL))


def test_which_objects_there_are_does_not_depend_on_the_images() -> None:
    assert identities(ALL) == tuple(map(identity, objects(ALL, IMAGES, "longhorn")))


def test_the_node_ports_are_those_of_the_reference_system() -> None:
    ports = {name: door["nodePort"] for name, door in doors(OpenTakServer()).items()}
    assert ports == {"web": 31080, "tcp": 31088, "ssl": 31089}


def test_streams_listen_on_the_very_port_that_is_advertised() -> None:
    ots = OpenTakServer(ports=ALL_PORTS)
    told = settings(ots)
    for door, key in (("tcp", "OTS_TCP_STREAMING_PORT"), ("ssl", "OTS_SSL_STREAMING_PORT")):
        port = doors(ots)[door]
        assert port["targetPort"] == port["nodePort"] == told[key]
    assert doors(ots)["marti"]["nodePort"] == told["OTS_MARTI_HTTPS_PORT"] == 31443


def test_the_service_finds_the_pods() -> None:
    found = objects(OpenTakServer(), IMAGES, None)
    for service in (each for each in found if each["kind"] == "Service"):
        wanted = service["spec"]["selector"].items()
        carriers = [
            each
            for each in found
            if each["kind"] in ("Deployment", "StatefulSet")
            and wanted <= each["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert len(carriers) == 1, service["metadata"]["name"]


def mebibytes(text: str) -> int:
    return int(text[:-2]) * (1024 if text.endswith("Gi") else 1)


def test_all_requests_together_leave_half_of_a_pi_with_4_gb() -> None:
    pods = [each["spec"]["template"]["spec"] for each in workloads(VARIANTS["every port"])]
    requests = [
        mebibytes(container["resources"]["requests"]["memory"])
        for pod in pods
        for container in pod["containers"]
    ]
    assert sum(requests) <= 2048


def workloads(ots: OpenTakServer) -> Iterator[dict[str, Any]]:
    for each in objects(ots, IMAGES, None):
        if each["kind"] in ("Deployment", "StatefulSet"):
            yield each


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_runs_as_root_or_may_become_it(variant: str) -> None:
    for each in workloads(VARIANTS[variant]):
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_the_server_has_time_for_its_first_start_on_a_pi() -> None:
    probe = containers(OpenTakServer())["server"]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600


def test_volumes_are_of_the_class_that_is_asked_for_or_the_default() -> None:
    def classes(storage_class: str | None) -> set[str | None]:
        found = objects(OpenTakServer(), IMAGES, storage_class)
        specs = [each["spec"] for each in found if each["kind"] == "PersistentVolumeClaim"]
        for each in found:
            templates = each.get("spec", {}).get("volumeClaimTemplates", ())
            specs += [template["spec"] for template in templates]
        assert len(specs) == 3
        return {spec.get("storageClassName") for spec in specs}

    assert classes("longhorn") == {"longhorn"}
    assert classes(None) == {None}


# ------------------------------------------------------------------ credentials


def test_every_key_is_generated_and_different_each_time() -> None:
    first, second = credentials.Generated().make({}), credentials.Generated().make({})
    assert set(first) == set(credentials.KEYS)
    assert all(first[key].reveal() != second[key].reveal() for key in credentials.KEYS)


def test_passwords_that_are_there_stay_in_accord_with_what_is_made() -> None:
    made = credentials.Generated().make({"database-password": "a/b@c", "broker-password": "b"})
    assert "a%2Fb%40c@postgres" in made["SQLALCHEMY_DATABASE_URI"].reveal()
    assert made["OTS_RABBITMQ_PASSWORD"].reveal() == "b"


# ------------------------------------------------------------------ rancher


def test_charts_are_pinned_and_the_password_is_not_in_their_values() -> None:
    found = {each["metadata"]["name"]: each for each in rancher_objects()}
    assert found["rancher"]["spec"]["version"]
    assert found["cert-manager"]["spec"]["version"].startswith("v")
    values = json.loads(found["rancher"]["spec"]["valuesContent"])
    assert values["hostname"] == "rancher.lan"
    assert "bootstrapPassword" not in values
    assert found["rancher-nodeport"]["spec"]["ports"][0]["nodePort"] == 30443
