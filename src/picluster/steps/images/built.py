"""An image in the registry is built from what its inputs are now, and from nothing else.

A digest of the inputs is a second tag of every image: where the registry has it, there is nothing
to build. It is pushed last, so that it is only there if the image's own tag is too.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place, Progress, Tools
from picluster.engine.pool import Sessions
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.errors import ActionFailed, PiclusterError
from picluster.model.images import BuiltImage
from picluster.steps.download import digest_of
from picluster.steps.images.archives import ImageArchive, archive_of
from picluster.steps.images.context import Context
from picluster.steps.images.dockerfile import bases
from picluster.steps.images.workshop import Builder, Workshop
from picluster.steps.registry.api import RegistryApi, reach
from picluster.steps.registry.paths import WORKSHOP

BUILT = "image-built"

_FORMAT = 1
"""Raise it when the same inputs are to be built anew."""
_SHORT = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of an image.

    `inputs` is their digest; where it cannot be told yet, `unknown` says why. `stored` is what the
    registry has for these inputs, `tagged` what it has under the image's own tag: digests, or
    empty.
    """

    inputs: str = ""
    unknown: str = ""
    stored: str = ""
    tagged: str = ""


@dataclass(frozen=True, slots=True)
class ImageBuilt:
    """The registry has the image, made of its present inputs.

    Inputs are the Dockerfile, the files of the context, the build arguments and the images that it
    is built from; or the archive that it comes in. `made_by` is what an earlier step makes true
    before the context is there.
    """

    image: BuiltImage
    builder: Builder
    made_by: str = ""
    name: str = BUILT

    @property
    def title(self) -> str:
        return f"the registry has {self.image.reference}, of its present inputs"

    def probe(self) -> Inputs:
        return Inputs(self.image, self.builder, self.made_by, self.name)

    def decide(self, look: Look) -> Decision:
        seen = look.read(self.probe())
        if seen.stored and seen.stored == seen.tagged:
            return Satisfied(detail=f"built already from these very inputs ({seen.inputs})")
        verb = "tag" if seen.stored else "push" if self._comes_in_an_archive else "build"
        return Change(
            f"{verb} {self.image.reference}",
            (Produce(self.image, self.builder, self.made_by, f"{verb} {self.image.reference}"),),
            reason=self._reason(seen),
        )

    @property
    def _comes_in_an_archive(self) -> bool:
        return archive_of(self.builder.archives, self.image.reference) is not None

    def _reason(self, seen: Seen) -> str:
        if seen.unknown:
            return seen.unknown
        if seen.stored:
            return "it was built from these inputs before, and the tag names another one"
        return "its inputs changed" if seen.tagged else "the registry does not have it"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an image is made of now, and what the registry has of it."""

    image: BuiltImage
    builder: Builder
    made_by: str
    name: str
    secret: bool = False

    def ask(self, tools: Tools) -> Seen:
        """Digest the inputs and ask. Raises a `PiclusterError` for inputs that cannot be read."""
        making = _Making(self.image, Workshop(self.builder, tools.get(Sessions)), self.made_by)
        try:
            inputs, unknown = making.inputs()
            with making.registry() as api:
                stored = api.digest(self.image.name, _tag_of(inputs)) if inputs else ""
                tagged = api.digest(self.image.name, self.image.tag)
        except ActionFailed:
            raise
        except PiclusterError as error:
            if error.exit_code != 1:
                raise
            return Seen(unknown="the registry does not answer yet")
        return Seen(inputs, unknown, stored, tagged)


@dataclass(frozen=True, slots=True)
class Produce:
    """Bring an image into the registry: build it, push it from an archive, or tag what is there."""

    image: BuiltImage
    builder: Builder
    made_by: str
    title: str

    def perform(self, place: Place) -> None:
        """Make it. Raises `ActionFailed` with what failed of the build."""
        shop = Workshop(self.builder, place.sessions)
        _Making(self.image, shop, self.made_by).produce(place.progress)


@dataclass(frozen=True, slots=True)
class _Making:
    """One image in the making."""

    image: BuiltImage
    workshop: Workshop
    made_by: str

    def registry(self) -> AbstractContextManager[RegistryApi]:
        return reach(self.workshop.builder.endpoint, self.workshop.sessions)

    # -------------------------------------------------------------- what it is made of

    @property
    def _archive(self) -> ImageArchive | None:
        return archive_of(self.workshop.builder.archives, self.image.reference)

    @property
    def _slug(self) -> str:
        return self.image.reference.replace("/", "_").replace(":", "_")

    def inputs(self) -> tuple[str, str]:
        """Return the digest of the inputs, or why it cannot be told yet."""
        archive = self._archive
        if archive is not None:
            return digest_of(archive.path)[:_SHORT], ""
        context = self._context
        if self.made_by and context is not None and not context.directory.is_dir():
            return "", f"not yet so: {self.made_by}"
        source, dockerfile = self._source()
        if dockerfile is None:
            return "", "its source was not fetched yet"
        wanted = bases(dockerfile, self.image.args)
        ids = self.workshop.image_ids(wanted)
        missing = [name for name in wanted if name not in ids]
        if missing:
            return "", f"{', '.join(missing)}, which it is built from, is not on the builder yet"
        parts = [_FORMAT, source, self.image.dockerfile, sorted(self.image.args.items())]
        parts += [[name, ids[name]] for name in wanted]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_SHORT], ""

    def _source(self) -> tuple[str, str | None]:
        """Return what identifies the files, and the Dockerfile's text if it can be read."""
        context = self._context
        if context is not None:
            dockerfile = context.text()
            return context.digest(), dockerfile
        commit = self._commit()
        return commit, self.workshop.file_at(self._slug, commit, self.image.dockerfile)

    @property
    def _context(self) -> Context | None:
        if self.image.context is None:
            return None
        return Context(self.image.context, self.image.dockerfile)

    def _commit(self) -> str:
        return self.workshop.commit(self.image.git or "", self.image.ref or "")

    # -------------------------------------------------------------- making it

    def produce(self, progress: Progress) -> None:
        shop = self.workshop
        try:
            if self._archive is None:
                self._gather(progress)
            inputs, unknown = self.inputs()
            if unknown:
                raise ActionFailed(
                    f"{self.image.reference} cannot be built",
                    why=unknown,
                    fix="run `picluster phase build` again: it fetches what is missing first",
                )
            if self._is_stored(inputs):
                return
            local = f"{shop.builder.prefix}/{self.image.reference}"
            if self._archive is not None:
                shop.load(self._slug, self._archive, local, progress)
            else:
                self._build(local, progress)
            names = [local, f"{shop.builder.prefix}/{self.image.name}:{_tag_of(inputs)}"]
            shop.push(self._slug, local, names, progress)
        finally:
            shop.tidy(self._slug)

    def _gather(self, progress: Progress) -> None:
        """Bring what the digest of the inputs depends on: the source, and what it builds upon."""
        if self.image.git is not None:
            progress.report(f"fetching {self.image.ref} of {self.image.git}")
            commit = self._commit()
            self.workshop.fetch(self._slug, self.image.git, self.image.ref or "", commit)
        _, dockerfile = self._source()
        if dockerfile is None:
            raise ActionFailed(
                f"{self.image.git} has no {self.image.dockerfile} at {self.image.ref}",
                fix="correct images.build.dockerfile in the cluster file",
            )
        wanted = bases(dockerfile, self.image.args)
        present = self.workshop.image_ids(wanted)
        for base in wanted:
            if base not in present:
                self.workshop.obtain(self._slug, base, progress)

    def _is_stored(self, inputs: str) -> bool:
        """Whether these inputs were built before; then the image's own tag names that."""
        with self.registry() as api:
            if not api.digest(self.image.name, _tag_of(inputs)):
                return False
            api.tag(self.image.name, _tag_of(inputs), self.image.tag)
            return True

    def _build(self, local: str, progress: Progress) -> None:
        context = self._context
        place = f"{WORKSHOP}/{self._slug}/git"
        if context is not None:
            with tempfile.TemporaryDirectory(prefix="picluster-") as scratch:
                self.workshop.bring(self._slug, context, Path(scratch), progress)
            place = f"{WORKSHOP}/{self._slug}/context"
        arguments = ["--tag", local, "--file", f"{place}/{self.image.dockerfile}"]
        for key, value in sorted(self.image.args.items()):
            arguments += ["--build-arg", f"{key}={value}"]
        self.workshop.build(self._slug, [*arguments, place], progress)


def _tag_of(inputs: str) -> str:
    return f"inputs-{inputs}"
