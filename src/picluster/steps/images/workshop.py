"""The node that images are built on: what it can be asked, and what it can be told to do.

`/var/lib/picluster/build` on it holds the sources while something is built of them, and clones of
Git repositories for the next time. Docker keeps its layers itself.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.lines import LineCutter
from picluster.engine.place import Progress
from picluster.engine.pool import Sessions
from picluster.engine.quote import quote
from picluster.engine.session import Completed
from picluster.engine.step import WriteFile
from picluster.errors import ActionFailed
from picluster.secret import Secret
from picluster.steps.download import digest_of
from picluster.steps.files import send_file
from picluster.steps.images.archives import ImageArchive, archive_of, name_in
from picluster.steps.images.context import Context
from picluster.steps.images.log import BuildLog
from picluster.steps.registry.api import RegistryEndpoint
from picluster.steps.registry.paths import WORKSHOP

_ASK_SECONDS = 120.0
_UPLOAD_SECONDS = 3600.0
_PRIVATE = 0o600
_COMMIT = re.compile(r"[0-9a-f]{40}")
_GIT = "GIT_TERMINAL_PROMPT=0 GIT_SSH_COMMAND='ssh -oBatchMode=yes' git"

# From version 23 on, the client needs a plugin for BuildKit; before, it was built in and off.
_BUILDKIT = """
if docker buildx version >/dev/null 2>&1 ||
    [ "$(docker version -f '{{.Client.Version}}' | cut -d. -f1)" -lt 23 ]; then
  export DOCKER_BUILDKIT=1 BUILDKIT_PROGRESS=plain
fi
"""


def commit_in(listed: str) -> str:
    """Return the commit in what `git ls-remote` prints, that of a tag itself last; empty if none.

    Names are whatever the server says they are: only what is a commit's digits is taken.
    """
    commits = [line.split("\t")[0] for line in listed.split("\n")]
    return next((each for each in reversed(commits) if _COMMIT.fullmatch(each)), "")


@dataclass(frozen=True, slots=True)
class Builder:
    """The node that images are built on, and the registry that it pushes to.

    `prefix` is the registry as images name it, `host:port`; `timeout` that of a build or a pull, in
    seconds. `environment` is how programs there find the proxy.
    """

    node: str
    endpoint: RegistryEndpoint
    prefix: str
    archives: tuple[ImageArchive, ...]
    timeout: float
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Workshop:
    """A builder at work."""

    builder: Builder
    sessions: Sessions

    @property
    def node(self) -> str:
        """The builder's name."""
        return self.builder.node

    # -------------------------------------------------------------- questions

    def image_ids(self, references: Sequence[str]) -> dict[str, str]:
        """Return Docker's ids of the images that are there."""
        ask = "docker image inspect -f '{{.Id}}' --"
        lines = (
            f"printf '%s ' {quote(name)}; {ask} {quote(name)} 2>/dev/null || echo"
            for name in references
        )
        done = self._run("\n".join(lines) or "true", _ASK_SECONDS)
        rows = [line.split() for line in done.text.splitlines()]
        return {row[0]: row[1] for row in rows if len(row) == len(("name", "id"))}

    def commit(self, url: str, ref: str) -> str:
        """Return the commit that a branch or tag is at. Raises `ActionFailed`."""
        if _COMMIT.fullmatch(ref):
            return ref
        peeled = f"{ref}^{{}}"
        words = " ".join(map(quote, (url, ref, peeled)))
        done = self._run(f"{_GIT} ls-remote -- {words}", _ASK_SECONDS)
        found = commit_in(done.text)
        if done.status != 0 or not found:
            why = _last(done) if done.status else f"it has no branch or tag {ref}"
            raise self._failure(f"the source at {url} cannot be asked for {ref}", why)
        return found

    def file_at(self, slug: str, commit: str, path: str) -> str | None:
        """Return a file of a clone at a commit; None if the clone does not have it."""
        show = (
            f"git -C {quote(f'{WORKSHOP}/{slug}/git')} show {quote(f'{commit}:{path}')} 2>/dev/null"
        )
        done = self._run(show, _ASK_SECONDS)
        return done.text if done.status == 0 else None

    # -------------------------------------------------------------- sources

    def fetch(self, slug: str, url: str, ref: str, commit: str) -> None:
        """Bring a commit into the clone. Raises `ActionFailed`."""
        clone, commit = quote(f"{WORKSHOP}/{slug}/git"), quote(commit)
        self._do(
            f"fetching {ref} of {url}",
            f"mkdir -p {clone}; cd {clone}; git init -q\n"
            f"git cat-file -e {commit}'^{{commit}}' 2>/dev/null || "
            f"{_GIT} fetch -q --depth 1 -- {quote(url)} {quote(ref)}\n"
            f"git -c advice.detachedHead=false checkout -q --force {commit} && git clean -fdxq",
        )

    def bring(self, slug: str, context: Context, scratch: Path, progress: Progress) -> None:
        """Unpack a context on the builder, made anew; `scratch` is a directory here."""
        archive = scratch / f"{slug}.tar.gz"
        context.archive(archive)
        progress.report(f"sending {archive.stat().st_size // 1000} kB to {self.node}")
        self._upload(archive, f"{WORKSHOP}/{slug}/context.tar.gz")
        here = quote(f"{WORKSHOP}/{slug}")
        self._do(
            "unpacking the context",
            f"rm -rf {here}/context; mkdir -p {here}/context\n"
            f"tar -xzf {here}/context.tar.gz -C {here}/context; rm -f {here}/context.tar.gz",
        )

    def tidy(self, slug: str) -> None:
        """Remove what was brought for one build."""
        here = quote(f"{WORKSHOP}/{slug}")
        self._run(f"rm -rf {here}/context {here}/*.tar*", _ASK_SECONDS)

    def obtain(self, slug: str, reference: str, progress: Progress) -> None:
        """Have an image that something is built from: out of an archive, or pulled."""
        archive = archive_of(self.builder.archives, reference)
        if archive is not None:
            self.load(slug, archive, reference, progress)
            return
        progress.report(f"pulling {reference}")
        with self._login("pull") as environment:
            self._do(f"pulling {reference}", f"{environment}docker pull -q -- {quote(reference)}")

    def load(self, slug: str, archive: ImageArchive, reference: str, progress: Progress) -> None:
        """Load an archive, and let its image be known by this reference.

        Builds go on beside each other, and may need the same archive: each has its own copy.
        """
        progress.report(f"sending {archive.path.name} to {self.node}")
        there = f"{WORKSHOP}/{slug}/{archive.path.name}"
        self._upload(archive.path, there)
        known = quote(name_in(archive, reference))
        self._do(
            f"loading {archive.path.name}",
            f"there={quote(there)}\ntrap 'rm -f \"$there\"' EXIT\n"
            f'docker load -q -i "$there"\ndocker tag -- {known} {quote(reference)}',
        )

    # -------------------------------------------------------------- work

    def build(self, slug: str, arguments: Sequence[str], progress: Progress) -> None:
        """Run `docker build` with these arguments. Raises `ActionFailed` with what failed."""
        log = BuildLog()

        def hear(line: str) -> None:
            told = log.note
            log.feed(line)
            if log.note != told:
                progress.report(log.note)
            progress.follow(log.state)

        # Docker knows these as arguments of any build, and keeps them out of the image.
        proxies = [f"--build-arg={name}" for name, _ in self.builder.environment]
        words = " ".join(map(quote, (*proxies, *arguments)))
        with self._login(slug) as environment:
            script = f"{_BUILDKIT}{environment}docker build {words} 2>&1"
            done = self._follow(script, hear)
        if done.status != 0:
            full = "full" in log.cause
            raise ActionFailed(
                f"the build stopped at {log.culprit}" if log.culprit else "the build failed",
                where=self.node,
                why=log.cause,
                fix="make room: `docker system df` shows what Docker takes, `docker system prune` "
                "removes what it does not use"
                if full
                else "correct the Dockerfile or what it copies, then run the same command again",
                evidence=log.evidence,
            )

    def push(self, slug: str, image: str, names: Sequence[str], progress: Progress) -> None:
        """Give an image these names in the registry, in order. Raises `ActionFailed`.

        A registry lists a tag only once all that it names is there, so that a push that is cut off
        leaves none.
        """
        with self._login(slug) as environment:
            for name in names:
                progress.report(f"pushing {name}")
                self._do(
                    f"pushing {name}",
                    f"docker tag -- {quote(image)} {quote(name)}\n"
                    f"{environment}docker push -- {quote(name)}",
                    fix="is the registry up? `picluster phase registry` repairs it",
                )

    # -------------------------------------------------------------- in detail

    def _login(self, slug: str) -> _Login:
        return _Login(self, f"/run/picluster/docker-{slug}")

    def _upload(self, source: Path, path: str) -> None:
        self.sessions.get(self.node).upload(
            source,
            path,
            sha256=digest_of(source),
            mode=_PRIVATE,
            owner="root:root",
            timeout=_UPLOAD_SECONDS,
        )

    def _do(self, what: str, script: str, fix: str = "") -> None:
        done = self._run(f"set -e\n{script}", self.builder.timeout)
        if done.status != 0:
            raise self._failure(f"{what} failed", _last(done), fix, f"{done.errors}\n{done.text}")

    def _run(self, script: str, timeout: float) -> Completed:
        return self.sessions.get(self.node).run(f"{self._environment}{script}", timeout=timeout)

    @property
    def _environment(self) -> str:
        """Shell that lets programs know the proxy: curl and git by names in small letters."""
        known = self.builder.environment
        names = (f"export {name}={quote(v)} {name.lower()}={quote(v)}" for name, v in known)
        return "".join(f"{line}\n" for line in names)

    def _follow(self, script: str, hear: Callable[[str], None]) -> Completed:
        # Each stream has lines of its own: what one began, the other does not end.
        cutters = {"stdout": LineCutter(), "stderr": LineCutter()}

        def on_output(stream: str, data: bytes) -> None:
            for line in cutters[stream].feed(data):
                hear(_text(line))

        session = self.sessions.get(self.node)
        whole = f"{self._environment}set -e\n{script}"
        return session.run(whole, timeout=self.builder.timeout, on_output=on_output)

    def _failure(self, what: str, why: str, fix: str = "", evidence: str = "") -> ActionFailed:
        if "no space left" in why.lower():
            fix = "make room on the builder: `docker system df` shows what Docker takes"
        return ActionFailed(
            what,
            where=self.node,
            why=why,
            fix=fix or "once the cause is gone, run the same command again",
            evidence=evidence[-2000:],
        )

    def enter(self, directory: str) -> str:
        """Let Docker's client know the registry's login; return the shell that uses it."""
        known = self.builder.endpoint.credentials
        if known is None:
            return ""
        pair = base64.b64encode(f"{known.username}:{known.password.reveal()}".encode()).decode()
        text = json.dumps({"auths": {self.builder.prefix: {"auth": Secret(pair).reveal()}}})
        file = WriteFile(f"{directory}/config.json", Secret.around(text), _PRIVATE)
        send_file(self.sessions, self.node, file)
        return f"export DOCKER_CONFIG={quote(directory)}\n"

    def leave(self, directory: str) -> None:
        """Remove the login again."""
        if self.builder.endpoint.credentials is not None:
            self._run(f"rm -rf {quote(directory)}", _ASK_SECONDS)


@dataclass(frozen=True, slots=True)
class _Login:
    """The registry's login, in a file of the builder for as long as the block lasts."""

    workshop: Workshop
    directory: str

    def __enter__(self) -> str:
        return self.workshop.enter(self.directory)

    def __exit__(self, *_: object) -> None:
        self.workshop.leave(self.directory)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _last(done: Completed) -> str:
    said = (done.errors or done.text.strip()).splitlines()
    return said[-1] if said else f"it ended with status {done.status}"
