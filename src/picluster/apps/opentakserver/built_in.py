"""The images that picluster itself brings, as if they were of the cluster file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from picluster.apps import opentakserver as server_files
from picluster.apps.opentakserver import database as database_files
from picluster.apps.opentakserver.interface import UiFiles, release_file
from picluster.apps.opentakserver.requirements import needs
from picluster.apps.opentakserver.web import nginx_conf, release_files, source_files
from picluster.model import Cluster
from picluster.model.images import BuiltImage
from picluster.model.opentakserver import OpenTakServer, SocketIo
from picluster.steps.saved_images import read_saved

SERVER = "picluster/opentakserver"
UI = "picluster/opentakserver-ui"
DATABASE = "picluster/postgis"
PLAIN_DATABASE = "postgres:17-bookworm"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """OpenTAKServer's images, and the step that brings the web interface's files here.

    `database` is only there for a release that needs PostGIS, unless the file names an image.
    """

    server: BuiltImage
    ui: BuiltImage
    ui_files: UiFiles
    database: BuiltImage | None = None


def built_in(cluster: Cluster, cache: Path) -> BuiltIn | None:
    """Return OpenTAKServer's images; None if the cluster is without it."""
    opentakserver = cluster.opentakserver
    if opentakserver is None:
        return None
    ui = opentakserver.ui
    tag = (ui.ref or ui.version).replace("/", "-")
    directory = cache / "opentakserver-ui" / tag
    arguments = {"BASE_IMAGE": ui.base_image}
    if ui.ref is not None:
        arguments |= {"NODE_IMAGE": ui.node_image, "UI_GIT": ui.git, "UI_REF": ui.ref}
    saved = read_saved(cluster.k3s.airgap_dir)
    archive = saved.path(release_file(ui)[0]) if saved and ui.archive is None else None
    if archive is not None:
        ui = ui.model_copy(update={"archive": archive})
    files = release_files() if ui.ref is None else source_files()
    return BuiltIn(
        server=_server(opentakserver),
        ui=BuiltImage(name=UI, tag=tag, context=directory, args=arguments),
        ui_files=UiFiles(ui, directory, {**files, "nginx.conf": nginx_conf()}),
        database=_database(opentakserver),
    )


def _database(opentakserver: OpenTakServer) -> BuiltImage | None:
    if opentakserver.database_image or not needs(opentakserver.version).postgis:
        return None
    context = Path(database_files.__file__).parent
    tag = PLAIN_DATABASE.partition(":")[2]
    return BuiltImage(name=DATABASE, tag=tag, context=context, args={"BASE_IMAGE": PLAIN_DATABASE})


def _server(opentakserver: OpenTakServer) -> BuiltImage:
    python = needs(opentakserver.version).python
    arguments = {
        "BASE_IMAGE": opentakserver.base_image or f"python:{python}-slim-bookworm",
        "OTS_VERSION": opentakserver.version,
        **_socketio(opentakserver.socketio),
    }
    if opentakserver.pip_options:
        arguments["PIP_OPTIONS"] = opentakserver.pip_options
    context = Path(server_files.__file__).parent
    return BuiltImage(name=SERVER, tag=opentakserver.version, context=context, args=arguments)


def _socketio(socketio: SocketIo) -> dict[str, str]:
    return {
        "SOCKETIO_PING_TIMEOUT": str(socketio.ping_timeout),
        "SOCKETIO_PING_INTERVAL": str(socketio.ping_interval),
        "SOCKETIO_CORS_ORIGINS": ",".join(socketio.cors_origins),
        "MESSAGE_QUEUE": "on" if socketio.message_queue else "off",
    }
