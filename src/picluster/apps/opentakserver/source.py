"""Where OpenTAKServer's manifests come from: its settings, and the images that the registry has."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.apps.opentakserver.built_in import PLAIN_DATABASE, BuiltIn
from picluster.apps.opentakserver.manifests import PinnedImages, door_service, objects
from picluster.engine.place import Tools
from picluster.engine.pool import Sessions
from picluster.errors import PiclusterError
from picluster.kube.api import Object
from picluster.model.images import BuiltImage
from picluster.model.opentakserver import OpenTakServer
from picluster.steps.manifests.component import Unsettled
from picluster.steps.registry.api import RegistryEndpoint, reach


@dataclass(frozen=True, slots=True)
class Manifests:
    """OpenTAKServer's manifests, which name images by what the registry has at the moment.

    `prefix` is the registry as images name it; `storage_class` is used where the file names none.
    """

    ots: OpenTakServer
    own: BuiltIn
    endpoint: RegistryEndpoint
    prefix: str
    storage_class: str | None = None

    def __call__(self, tools: Tools) -> list[Object]:
        """Return them. Raises `Unsettled` while the registry does not have the images."""
        return objects(self.ots, self.images(tools), self.ots.storage_class or self.storage_class)

    def server_image(self, tools: Tools) -> str:
        """Return the server's image with its digest. Raises `Unsettled`."""
        return self.images(tools).server

    def images(self, tools: Tools) -> PinnedImages:
        """Return the images with their digests. Raises `Unsettled`."""
        own = self.own
        found = self._digests(
            [own.server, own.ui, *([own.database] if own.database else [])], tools
        )
        if own.database is not None:
            database = found[own.database.reference]
        else:
            database = self.ots.database_image or PLAIN_DATABASE
        return PinnedImages(
            server=found[own.server.reference],
            ui=found[own.ui.reference],
            database=database,
            broker=self.ots.broker_image,
        )

    def _digests(self, images: list[BuiltImage], tools: Tools) -> dict[str, str]:
        try:
            with reach(self.endpoint, tools.get(Sessions)) as registry:
                digests = {each.reference: registry.digest(each.name, each.tag) for each in images}
        except PiclusterError as error:
            if error.exit_code != PiclusterError.exit_code:
                raise
            raise Unsettled(
                "the registry does not answer", why=error.what, fix="picluster phase registry"
            ) from error
        missing = [each.reference for each in images if not digests[each.reference]]
        if missing:
            raise Unsettled(
                f"the registry does not have {', '.join(missing)}",
                why=f"{', '.join(missing)} was not built yet",
                fix="picluster phase build",
            )
        return {
            each.reference: f"{self.prefix}/{each.name}@{digests[each.reference]}"
            for each in images
        }


@dataclass(frozen=True, slots=True)
class Door:
    """The source of the service that lets the outside in."""

    ots: OpenTakServer

    def __call__(self, tools: Tools) -> list[Object]:
        """Return it."""
        return [door_service(self.ots)]
