"""OpenTAKServer's Kubernetes objects: database, broker, the server's pod and its doors. Pure.

All processes of the server share config.yml, the certificate authority and the node's id, so they
are containers of one pod; that has one volume, so there is one pod.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from picluster.apps.opentakserver import credentials
from picluster.apps.opentakserver.requirements import needs
from picluster.apps.opentakserver.web import nginx_conf, tls_conf
from picluster.kube.template import template
from picluster.kube.workload import Workload
from picluster.model.apps import OPENTAKSERVER
from picluster.model.opentakserver import OpenTakServer
from picluster.steps.manifests.objects import Identity, identity

Object = dict[str, Any]

PART = OPENTAKSERVER
SERVER, DATABASE, BROKER = "opentakserver", "postgres", "rabbitmq"
_DATA = "/var/lib/ots/data"
_API = 8081
_WEB, _MARTI, _ENROLMENT = 8080, 8443, 8446


@dataclass(frozen=True, slots=True)
class PinnedImages:
    """The images by what they are, each with its digest, so that a pod runs what was built."""

    server: str
    ui: str
    database: str
    broker: str


def objects(ots: OpenTakServer, images: PinnedImages, storage_class: str | None) -> list[Object]:
    """Return all objects but the doors and the Secret, which is generated; none holds a secret."""
    found = template(__package__, "opentakserver")
    for each in found:
        each["metadata"]["namespace"] = ots.namespace
    config, _, database, _, broker, claim, server = found
    config["data"] = {
        "config.json": json.dumps(settings(ots), indent=2, sort_keys=True),
        "nginx.conf": _nginx(ots),
    }
    for workload, image in ((database, images.database), (broker, images.broker)):
        _pod(workload)["containers"][0]["image"] = image
    for volume, size in (
        (database["spec"]["volumeClaimTemplates"][0], ots.sizes.database),
        (broker["spec"]["volumeClaimTemplates"][0], ots.sizes.broker),
        (claim, ots.sizes.data),
    ):
        volume["spec"]["resources"] = {"requests": {"storage": size}}
        volume["spec"] |= {"storageClassName": storage_class} if storage_class else {}
    # A change of the configuration starts the pod anew.
    digest = hashlib.sha256(json.dumps(config["data"], sort_keys=True).encode()).hexdigest()
    notes = {"picluster.dev/configuration": digest[:16]}
    server["spec"]["template"]["metadata"]["annotations"] = notes
    _fit_server(_pod(server), ots, images)
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ots.namespace}}, *found]


def _pod(workload: Object) -> Object:
    pod: Object = workload["spec"]["template"]["spec"]
    return pod


def workloads(ots: OpenTakServer) -> tuple[Workload, ...]:
    """Return what has to run of it: database and broker first."""
    return (
        Workload("StatefulSet", ots.namespace, DATABASE),
        Workload("StatefulSet", ots.namespace, BROKER),
        Workload("Deployment", ots.namespace, SERVER),
    )


def identities(ots: OpenTakServer) -> tuple[Identity, ...]:
    """Return which objects `objects` makes, whatever the images are."""
    return tuple(map(identity, objects(ots, PinnedImages("", "", "", ""), None)))


def administrator_job(ots: OpenTakServer, image: str) -> Object:
    """Return the Job that sets the administrator's password, by the application's own command."""
    (job,) = template(__package__, "administrator")
    job["metadata"]["namespace"] = ots.namespace
    _fit_configuring(_pod(job), ots, image)
    return job


# ------------------------------------------------------------------ configuration


def settings(ots: OpenTakServer) -> dict[str, Any]:
    """Return the managed keys of config.yml that are no secrets."""
    ports = ots.ports
    found: dict[str, Any] = {
        "OTS_DATA_FOLDER": _DATA,
        "OTS_CA_FOLDER": f"{_DATA}/ca",
        "UPLOAD_FOLDER": f"{_DATA}/uploads",
        "OTS_LISTENER_ADDRESS": "127.0.0.1",
        "OTS_LISTENER_PORT": _API,
        "OTS_TCP_STREAMING_PORT": ports.tcp,
        "OTS_SSL_STREAMING_PORT": ports.ssl,
        "OTS_MARTI_HTTP_PORT": ports.web,
        "OTS_RABBITMQ_SERVER_ADDRESS": BROKER,
        "OTS_RABBITMQ_USERNAME": credentials.BROKER_USER,
        "OTS_MEDIAMTX_ENABLE": ots.mediamtx,
    }
    if ports.marti is not None:
        found["OTS_MARTI_HTTPS_PORT"] = ports.marti
    if ports.udp is not None:
        found["OTS_UDP_PORT"] = ports.udp
    return found


def _nginx(ots: OpenTakServer) -> str:
    if not _has_tls(ots):
        return nginx_conf(f"127.0.0.1:{_API}")
    tls = tls_conf(
        f"127.0.0.1:{_API}", ca=f"{_DATA}/ca", marti=str(_MARTI), enrolment=str(_ENROLMENT)
    )
    return nginx_conf(f"127.0.0.1:{_API}", tls=tls)


def _has_tls(ots: OpenTakServer) -> bool:
    return ots.ports.marti is not None or ots.ports.enrolment is not None


# ------------------------------------------------------------------ the server's pod


def _fit_configuring(pod: Object, ots: OpenTakServer, image: str) -> None:
    """Give a pod its image, and its init container, which writes config.yml, what it needs."""
    for each in (*pod["initContainers"], *pod["containers"]):
        each["image"] = image
    postgis = {"name": "PICLUSTER_POSTGIS", "value": "on" if needs(ots.version).postgis else "off"}
    configure = pod["initContainers"][0]
    configure["env"] = [*configure["env"], postgis]
    secrets = next(each["secret"] for each in pod["volumes"] if each["name"] == "secrets")
    secrets["items"] = [{"key": key, "path": key} for key in credentials.CONFIG_KEYS]


def _fit_server(pod: Object, ots: OpenTakServer, images: PinnedImages) -> None:
    _fit_configuring(pod, ots, images.server)
    containers = {each["name"]: each for each in pod["containers"]}
    for name, port in (("eud-tcp", ots.ports.tcp), ("eud-ssl", ots.ports.ssl)):
        containers[name] |= {
            "ports": [_port(name, port)],
            "readinessProbe": {"exec": {"command": listens(port)}, "periodSeconds": 10},
        }
    if ots.ports.udp is None or not needs(ots.version).udp:
        pod["containers"].remove(containers["eud-udp"])
    web = containers["web"]
    web["image"] = images.ui
    if _has_tls(ots):
        certificate = f"{_DATA}/ca/certs/opentakserver/opentakserver.nopass.key"
        web["command"][-1] = f"until [ -s {certificate} ]; do sleep 2; done; {web['command'][-1]}"
        web["volumeMounts"].append({"name": "data", "mountPath": _DATA, "readOnly": True})
        web["ports"] += [_port("marti", _MARTI), _port("enrolment", _ENROLMENT)]


def _port(name: str, number: int) -> Object:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def listens(port: int) -> list[str]:
    """Return the command that looks whether somebody listens on a port of the pod.

    A probe that connects would be taken for a device that goes without a word: each leaves a
    traceback in the log, and starts a process and a connection to the broker.
    """
    listening = f"^ *[0-9]+: [0-9A-F]+:{port:04X} [0-9A-F]+:0000 0A "
    return ["grep", "-Eqs", listening, "/proc/net/tcp", "/proc/net/tcp6"]


def door_service(ots: OpenTakServer) -> Object:
    """Return the Service with a NodePort for each way in: without it, nobody outside gets in."""
    ports = ots.ports
    rows = [("web", _WEB, ports.web), ("tcp", ports.tcp, ports.tcp), ("ssl", ports.ssl, ports.ssl)]
    listed = [_door(name, inside, outside) for name, inside, outside in rows]
    if ports.marti is not None:
        listed.append(_door("marti", _MARTI, ports.marti))
    if ports.enrolment is not None:
        listed.append(_door("enrolment", _ENROLMENT, ports.enrolment))
    if ports.udp is not None and needs(ots.version).udp:
        listed.append(_door("udp", ports.udp, ports.udp, "UDP"))
    labels = {"app.kubernetes.io/name": SERVER, "app.kubernetes.io/part-of": PART}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVER, "namespace": ots.namespace, "labels": labels},
        "spec": {"type": "NodePort", "selector": labels, "ports": listed},
    }


def _door(name: str, inside: int, outside: int, protocol: str = "TCP") -> Object:
    return {
        "name": name,
        "port": inside,
        "targetPort": inside,
        "nodePort": outside,
        "protocol": protocol,
    }
