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
from picluster.kube.workload import Workload
from picluster.model.apps import OPENTAKSERVER
from picluster.model.opentakserver import OpenTakServer
from picluster.steps.manifests.objects import Identity, identity

Object = dict[str, Any]

PART = OPENTAKSERVER
SERVER, DATABASE, BROKER = "opentakserver", "postgres", "rabbitmq"
_DATA = "/var/lib/ots/data"
_CONFIG = "opentakserver-config"
_CLAIM = "opentakserver-data"
_API = 8081
_WEB, _MARTI, _ENROLMENT = 8080, 8443, 8446
_UID, _DATABASE_UID, _BROKER_UID = 1000, 999, 999


@dataclass(frozen=True, slots=True)
class PinnedImages:
    """The images by what they are, each with its digest, so that a pod runs what was built."""

    server: str
    ui: str
    database: str
    broker: str


def objects(ots: OpenTakServer, images: PinnedImages, storage_class: str | None) -> list[Object]:
    """Return all objects but the doors and the Secret, which is generated; none holds a secret."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ots.namespace}},
        _config(ots),
        _headless(ots, DATABASE, 5432),
        _database(ots, images.database, storage_class),
        _headless(ots, BROKER, 5672),
        _broker(ots, images.broker, storage_class),
        _claim(ots, storage_class),
        _server(ots, images),
    ]


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
    volumes = [
        *_config_volumes(),
        {"name": "data", "emptyDir": {}},
        _secret_volume("password", {credentials.ADMINISTRATOR_PASSWORD: "password"}),
    ]
    mounts = [
        {"name": "data", "mountPath": _DATA},
        {"name": "password", "mountPath": "/etc/picluster/password", "subPath": "password"},
    ]
    pod = {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "securityContext": _run_as(_UID),
        "initContainers": [_configure(ots, image)],
        "containers": [
            {
                "name": "password",
                "image": image,
                "command": ["python", "/opt/picluster/pod.py"],
                "args": ["password", credentials.ADMINISTRATOR],
                "env": _environment(),
                "volumeMounts": mounts,
                "resources": _resources("100m", "192Mi", "512Mi"),
                "securityContext": _confined(),
            }
        ],
        "volumes": volumes,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "administrator-password", "namespace": ots.namespace},
        "spec": {"backoffLimit": 3, "template": {"metadata": _labels("setup"), "spec": pod}},
    }


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


def _config(ots: OpenTakServer) -> Object:
    data = {
        "config.json": json.dumps(settings(ots), indent=2, sort_keys=True),
        "nginx.conf": _nginx(ots),
    }
    metadata = {"name": _CONFIG, "namespace": ots.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _config_volumes() -> list[Object]:
    return [
        {"name": "config", "configMap": {"name": _CONFIG}},
        _secret_volume("secrets", {key: key for key in credentials.CONFIG_KEYS}),
    ]


def _secret_volume(name: str, items: dict[str, str]) -> Object:
    listed = [{"key": key, "path": path} for key, path in items.items()]
    secret = {"secretName": credentials.NAME, "items": listed, "defaultMode": 0o440}
    return {"name": name, "secret": secret}


def _configure(ots: OpenTakServer, image: str) -> Object:
    """Return the init container: config.yml is merged, once database and broker answer."""
    script = f"python /opt/picluster/pod.py wait {DATABASE}:5432 {BROKER}:5672"
    postgis = {"name": "PICLUSTER_POSTGIS", "value": "on" if needs(ots.version).postgis else "off"}
    return {
        "name": "configure",
        "image": image,
        "command": ["sh", "-c", f"{script} && exec python /opt/picluster/pod.py configure"],
        "env": [*_environment(), postgis],
        "volumeMounts": [
            {"name": "data", "mountPath": _DATA},
            {"name": "config", "mountPath": "/etc/picluster/config.json", "subPath": "config.json"},
            {"name": "secrets", "mountPath": "/etc/picluster/secrets"},
        ],
        "resources": _resources("50m", "64Mi", "256Mi"),
        "securityContext": _confined(),
    }


# ------------------------------------------------------------------ the server's pod


def _server(ots: OpenTakServer, images: PinnedImages) -> Object:
    digest = hashlib.sha256(json.dumps(_config(ots)["data"], sort_keys=True).encode()).hexdigest()
    labels = _labels(SERVER)
    # A change of the configuration starts the pod anew.
    metadata = {**labels, "annotations": {"picluster.dev/configuration": digest[:16]}}
    ports = ots.ports
    containers = [
        _main(images.server),
        _beside("cot-parser", images.server, ["cot_parser"]),
        _beside("eud-tcp", images.server, ["eud_handler", "--no-ssl"], ports.tcp),
        _beside("eud-ssl", images.server, ["eud_handler", "--ssl"], ports.ssl),
    ]
    if ports.udp is not None and needs(ots.version).udp:
        containers.append(_beside("eud-udp", images.server, ["eud_handler", "--udp"]))
    containers.append(_web(ots, images.ui))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SERVER, "namespace": ots.namespace, **labels},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels["labels"]},
            "template": {
                "metadata": metadata,
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 30,
                    "securityContext": _run_as(_UID),
                    "initContainers": [_configure(ots, images.server)],
                    "containers": containers,
                    "volumes": [
                        {"name": "data", "persistentVolumeClaim": {"claimName": _CLAIM}},
                        {"name": "tmp", "emptyDir": {}},
                        *_config_volumes(),
                    ],
                },
            },
        },
    }


def _process(name: str, image: str, arguments: list[str]) -> Object:
    return {
        "name": name,
        "image": image,
        "args": arguments,
        "env": _environment(),
        # Upstream logs to standard output only if that is a terminal.
        "tty": True,
        "volumeMounts": [
            {"name": "data", "mountPath": _DATA},
            {"name": "secrets", "mountPath": "/etc/picluster/secrets"},
        ],
        "securityContext": _confined(),
    }


def _main(image: str) -> Object:
    # It listens on the pod's loopback only, which the kubelet cannot ask.
    check = {"exec": {"command": ["python", "/opt/picluster/pod.py", "healthy"]}}
    return {
        **_process("server", image, ["server"]),
        # Migrations and the certificate authority take minutes on a Pi's first start.
        "startupProbe": {
            **check,
            "periodSeconds": 10,
            "timeoutSeconds": 10,
            "failureThreshold": 90,
        },
        "livenessProbe": {
            **check,
            "periodSeconds": 60,
            "timeoutSeconds": 10,
            "failureThreshold": 4,
        },
        "resources": _resources("200m", "320Mi", "1Gi"),
    }


def _beside(name: str, image: str, arguments: list[str], port: int | None = None) -> Object:
    """Return a process that starts once the server is up: it needs its tables and certificates."""
    container = _process(name, image, ["launcher", *arguments])
    health = f"http://127.0.0.1:{_API}/api/health"
    # Another process, for what waits has loaded ssl before gevent could patch it.
    start = 'exec python /opt/picluster/launcher.py "$@"'
    container["command"] = ["sh", "-c", f"python /opt/picluster/pod.py wait {health} && {start}"]
    container["resources"] = _resources("50m", "192Mi", "512Mi")
    if port is not None:
        container["ports"] = [{"name": name, "containerPort": port, "protocol": "TCP"}]
        container["readinessProbe"] = {"exec": {"command": listens(port)}, "periodSeconds": 10}
    return container


def listens(port: int) -> list[str]:
    """Return the command that looks whether somebody listens on a port of the pod.

    A probe that connects would be taken for a device that goes without a word: each leaves a
    traceback in the log, and starts a process and a connection to the broker.
    """
    listening = f"^ *[0-9]+: [0-9A-F]+:{port:04X} [0-9A-F]+:0000 0A "
    return ["grep", "-Eqs", listening, "/proc/net/tcp", "/proc/net/tcp6"]


def _web(ots: OpenTakServer, image: str) -> Object:
    start = 'exec nginx -c /etc/nginx/picluster/nginx.conf -g "daemon off;"'
    ports: list[Object] = [{"name": "web", "containerPort": _WEB, "protocol": "TCP"}]
    mounts: list[Object] = [{"name": "config", "mountPath": "/etc/nginx/picluster"}]
    mounts.append({"name": "tmp", "mountPath": "/tmp"})  # noqa: S108 - the container's own
    if _has_tls(ots):
        certificate = f"{_DATA}/ca/certs/opentakserver/opentakserver.nopass.key"
        start = f"until [ -s {certificate} ]; do sleep 2; done; {start}"
        mounts.append({"name": "data", "mountPath": _DATA, "readOnly": True})
        ports.append({"name": "marti", "containerPort": _MARTI, "protocol": "TCP"})
        ports.append({"name": "enrolment", "containerPort": _ENROLMENT, "protocol": "TCP"})
    return {
        "name": "web",
        "image": image,
        "command": ["sh", "-c", start],
        "ports": ports,
        "volumeMounts": mounts,
        "readinessProbe": {"httpGet": {"path": "/api/health", "port": "web"}, "periodSeconds": 10},
        "resources": _resources("25m", "32Mi", "128Mi"),
        "securityContext": _confined(),
    }


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
    labels = _labels(SERVER)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVER, "namespace": ots.namespace, **labels},
        "spec": {"type": "NodePort", "selector": labels["labels"], "ports": listed},
    }


def _door(name: str, inside: int, outside: int, protocol: str = "TCP") -> Object:
    return {
        "name": name,
        "port": inside,
        "targetPort": inside,
        "nodePort": outside,
        "protocol": protocol,
    }


def _claim(ots: OpenTakServer, storage_class: str | None) -> Object:
    metadata = {"name": _CLAIM, "namespace": ots.namespace}
    spec = _volume(ots.sizes.data, storage_class)
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _volume(size: str, storage_class: str | None) -> Object:
    spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {**spec, "storageClassName": storage_class} if storage_class else spec


# ------------------------------------------------------------------ database and broker


def _database(ots: OpenTakServer, image: str, storage_class: str | None) -> Object:
    ready = {"exec": {"command": ["pg_isready", "-q", "-U", credentials.DATABASE_USER]}}
    container = {
        "name": DATABASE,
        "image": image,
        "ports": [{"name": DATABASE, "containerPort": 5432, "protocol": "TCP"}],
        "env": [
            {"name": "POSTGRES_USER", "value": credentials.DATABASE_USER},
            {"name": "POSTGRES_DB", "value": credentials.DATABASE},
            {"name": "POSTGRES_PASSWORD_FILE", "value": "/etc/picluster/password"},
            # A fresh ext4 volume has a lost+found, and initdb wants an empty directory.
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
        ],
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "password", "mountPath": "/etc/picluster/password", "subPath": "password"},
        ],
        "startupProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 60},
        "readinessProbe": {**ready, "periodSeconds": 10, "timeoutSeconds": 5},
        "livenessProbe": {
            **ready,
            "periodSeconds": 30,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
        "resources": _resources("100m", "256Mi", "1Gi"),
        "securityContext": _confined(),
    }
    password = _secret_volume("password", {credentials.DATABASE_PASSWORD: "password"})
    pod = {"securityContext": _run_as(_DATABASE_UID), "containers": [container]}
    return _stateful(
        ots, DATABASE, {**pod, "volumes": [password]}, _volume(ots.sizes.database, storage_class)
    )


def _broker(ots: OpenTakServer, image: str, storage_class: str | None) -> Object:
    listens = {"tcpSocket": {"port": 5672}}
    password = {"name": credentials.NAME, "key": credentials.BROKER_PASSWORD}
    container = {
        "name": BROKER,
        "image": image,
        "ports": [{"name": "amqp", "containerPort": 5672, "protocol": "TCP"}],
        "env": [
            {"name": "RABBITMQ_DEFAULT_USER", "value": credentials.BROKER_USER},
            {"name": "RABBITMQ_DEFAULT_PASS", "valueFrom": {"secretKeyRef": password}},
            # Its data is kept under the node's name, which must not follow the pod's.
            {"name": "RABBITMQ_NODENAME", "value": "rabbit@localhost"},
        ],
        # Only the data: the cookie beside it must stay readable by its owner alone, and a volume's
        # group would read it.
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/rabbitmq/mnesia"}],
        "startupProbe": {**listens, "periodSeconds": 10, "failureThreshold": 60},
        "readinessProbe": {**listens, "periodSeconds": 10},
        "livenessProbe": {**listens, "periodSeconds": 30, "failureThreshold": 6},
        "resources": _resources("100m", "192Mi", "512Mi"),
        "securityContext": _confined(),
    }
    pod = {"securityContext": _run_as(_BROKER_UID), "containers": [container]}
    return _stateful(ots, BROKER, pod, _volume(ots.sizes.broker, storage_class))


def _stateful(ots: OpenTakServer, name: str, pod: Object, volume: Object) -> Object:
    labels = _labels(name)
    bare = {"automountServiceAccountToken": False, "enableServiceLinks": False, **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": ots.namespace, **labels},
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "selector": {"matchLabels": labels["labels"]},
            "template": {"metadata": labels, "spec": bare},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": volume}],
        },
    }


def _headless(ots: OpenTakServer, name: str, port: int) -> Object:
    labels = _labels(name)
    ports = [{"name": name, "port": port, "targetPort": port, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": ots.namespace, **labels},
        "spec": {"clusterIP": "None", "selector": labels["labels"], "ports": ports},
    }


# ------------------------------------------------------------------ what all have in common


def _labels(name: str) -> Object:
    return {"labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": PART}}


def _environment() -> list[Object]:
    """Return what the launcher needs of the broker's login; the rest is in config.yml."""
    password = {"name": credentials.NAME, "key": credentials.BROKER_PASSWORD}
    return [
        {"name": "OTS_DATA_FOLDER", "value": _DATA},
        {"name": "OTS_RABBITMQ_USERNAME", "value": credentials.BROKER_USER},
        {"name": "OTS_RABBITMQ_PASSWORD", "valueFrom": {"secretKeyRef": password}},
    ]


def _run_as(user: int) -> Object:
    return {
        "runAsUser": user,
        "runAsGroup": user,
        "runAsNonRoot": True,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _confined() -> Object:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _resources(cpu: str, memory: str, limit: str) -> Object:
    """Requests that fit a 4 GB Pi together; no limit on CPU, which would only slow starts down."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}
