"""OpenTAKServer and its web interface: which versions, and how browsers and radios are served."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from picluster.model.duration import Duration
from picluster.model.image import image_like
from picluster.model.images import GitRef, GitUrl
from picluster.model.names import HostLabel
from picluster.model.network import Url
from picluster.model.paths import LocalPath
from picluster.model.refusal import refuse
from picluster.model.releases import DEFAULTS
from picluster.model.scalars import Digest, NodePort, Text, YesNo, matching, release_of
from picluster.model.section import Section

DEFAULT_VERSION = DEFAULTS["opentakserver"]
DEFAULT_UI = DEFAULTS["opentakserver_ui"]
OLDEST = (1, 5, 0)
"""The first release whose needs are known."""
_UI_RELEASES = "https://github.com/brian7704/OpenTAKServer-UI/releases/download"
_UI_SOURCE = "https://github.com/brian7704/OpenTAKServer-UI.git"
_NODE = "node:24-bookworm-slim"
_POSTGRES = "postgres:17-bookworm"
_RABBITMQ = "rabbitmq:3.13"
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9][A-Za-z0-9.:-]{0,250}")


def _not_too_old(version: str) -> str:
    if tuple(map(int, version.split("."))) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise refuse("is older than what picluster knows", f"choose {oldest} or newer")
    return version


Version = Annotated[str, release_of("OpenTAKServer", DEFAULT_VERSION), AfterValidator(_not_too_old)]
UiVersion = Annotated[str, release_of("OpenTAKServer-UI", DEFAULT_UI)]
Quantity = Annotated[
    str, matching(r"[1-9][0-9]{0,5}(Mi|Gi|Ti)", "is not a size of a volume", "write 10Gi or 500Mi")
]


def _origin(value: str) -> str:
    if not _ORIGIN.fullmatch(value):
        raise refuse("is not an origin", 'write one such as http://tak.lan:31080, or "*"')
    return value


class SocketIo(Section):
    """The connection that browsers keep open for live events."""

    ping_timeout: Duration = 60
    """Seconds without an answer after which a browser is taken for gone."""
    ping_interval: Duration = 25
    """Seconds between two pings of a browser."""
    cors_origins: tuple[Annotated[Text, AfterValidator(_origin)], ...] = ()
    """Other origins that may connect, or "*"; the web interface always may."""
    message_queue: YesNo = True
    """Whether other processes' events reach browsers, through RabbitMQ; without, the live map
    stands still.
    """


class Ui(Section):
    """The web interface: static files behind nginx."""

    version: UiVersion = DEFAULT_UI
    """Release of OpenTAKServer-UI."""
    archive: LocalPath | None = None
    """Its .zip on this computer, instead of downloading it."""
    sha256: Digest | None = None
    """What the .zip has to have as SHA-256; not checked if left out."""
    release_url: Url = _UI_RELEASES
    """Where releases are downloaded from, by version and name."""
    ref: GitRef | None = None
    """Tag or commit to build it from instead of a release; takes Node.js."""
    git: GitUrl = _UI_SOURCE
    """Git repository that opentakserver.ui.ref is of."""
    node_image: Annotated[str, image_like(_NODE)] = _NODE
    """The image with Node.js that it is built in, if it is."""
    base_image: Annotated[str, image_like("nginx:1.28-alpine")] = "nginx:1.28-alpine"
    """The image with nginx that it is put on."""


class Ports(Section):
    """Where OpenTAKServer is reached, on every node's address; Kubernetes calls them NodePorts.

    Certificates and data packages name the port of the streams, so that one port is used
    throughout: the process listens on the very port that is advertised.
    """

    web: NodePort = 31080
    """The web interface, its API and Socket.IO."""
    tcp: NodePort = 31088
    """Streams of CoT without encryption."""
    ssl: NodePort = 31089
    """Streams of CoT with TLS, for enrolled devices."""
    udp: NodePort | None = None
    """CoT by UDP, from OpenTAKServer 1.7.11 on; closed if left out."""
    marti: NodePort | None = None
    """HTTPS with client certificates, for TAK clients; closed if left out."""
    enrolment: NodePort | None = None
    """HTTPS for enrolling for a certificate; closed if left out."""


class Sizes(Section):
    """How large the volumes are."""

    data: Quantity = "10Gi"
    """Certificates, uploads, data packages, logs."""
    database: Quantity = "10Gi"
    """PostgreSQL's data."""
    broker: Quantity = "1Gi"
    """RabbitMQ's data."""


class OpenTakServer(Section):
    """OpenTAKServer, built as an image of the cluster's own, with its database and broker."""

    version: Version = DEFAULT_VERSION
    """Release of opentakserver on PyPI."""
    base_image: Annotated[str, image_like("python:3.12-slim-bookworm")] | None = None
    """Debian image with Python that it is put on; if left out, one with the Python that the release
    needs.
    """
    pip_options: Text = ""
    """Options for pip while it is built, such as the address of a mirror."""
    socketio: SocketIo = SocketIo()
    """The connection that browsers keep open for live events."""
    namespace: HostLabel = "tak"
    """Kubernetes namespace of all its objects."""
    ports: Ports = Ports()
    """Where it is reached, on every node's address."""
    sizes: Sizes = Sizes()
    """How large its volumes are."""
    storage_class: HostLabel | None = None
    """StorageClass of its volumes; longhorn if there is a longhorn section, else the cluster's
    default.
    """
    database_image: Annotated[str, image_like(_POSTGRES)] | None = None
    """PostgreSQL's image; if left out, a plain one or, for releases that need PostGIS, one that is
    built with it.
    """
    broker_image: Annotated[str, image_like(_RABBITMQ)] = _RABBITMQ
    """RabbitMQ's image."""
    mediamtx: YesNo = False
    """Whether it looks for a MediaMTX video server, which you run yourself."""
    ui: Ui = Ui()
    """The web interface: static files behind nginx."""
