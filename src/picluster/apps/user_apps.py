"""The user's own applications: where their manifests come from."""

from __future__ import annotations

import errno
import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Tools
from picluster.errors import ConfigInvalid, StepFailed
from picluster.kube.api import Object
from picluster.kube.workload import Workload
from picluster.model.apps import App
from picluster.steps.download import MOST_TEXT, digest_of, download, exposed, plain_http
from picluster.steps.manifests.objects import parse_objects

APPS = "apps"
"""The directory, in the cache or among what was saved, of manifests that were downloaded."""
_SUFFIXES = (".yaml", ".yml", ".json")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_BUILDERS = (("kustomize", "build"), ("kubectl", "kustomize"))
_SECONDS = 120.0
_DEFAULT = "default"
_WAITED_FOR = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True, slots=True)
class AppSource:
    """The manifests of one application; `cache` is a directory for what is downloaded.

    With `kept`, what was downloaded before is all that may be used.
    """

    app: App
    cache: Path
    kept: bool = False

    def __call__(self, tools: Tools) -> list[Object]:
        """Return its objects. Raises `ConfigInvalid` for files that are none, or are not there."""
        found = self._objects()
        if self.app.namespace and not any(
            _is_namespace(each, self.app.namespace) for each in found
        ):
            metadata = {"name": self.app.namespace}
            found.append({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        return found

    @property
    def warning(self) -> str:
        """What the user is to know about the place that they come from."""
        app = self.app
        if app.url is None or app.sha256 is not None or not exposed(app.url):
            return ""
        return plain_http(app.url)

    def _objects(self) -> list[Object]:
        path = self.app.path if self.app.path is not None else self._downloaded()
        if path.is_file():
            return parse_objects(_text(path), str(path))
        if not path.is_dir():
            raise ConfigInvalid(
                "there is no such file or directory",
                where=str(path),
                fix=f"correct the path of the app {self.app.name}",
            )
        if any((path / name).is_file() for name in _KUSTOMIZATIONS):
            return parse_objects(_kustomized(path), f"{path} (kustomize)")
        files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES)
        if not files:
            raise ConfigInvalid(
                "there is no manifest in it",
                where=str(path),
                fix=f"put files that end in {', '.join(_SUFFIXES)} there",
            )
        return [each for file in files for each in parse_objects(_text(file), str(file))]

    def _downloaded(self) -> Path:
        """Return the file from the internet, fetched anew unless its digest is given."""
        url = self.app.url or ""
        path = self.cache / file_of(self.app)
        wanted = self.app.sha256
        if self.kept:
            return self._kept(path)
        if wanted is None or not path.is_file() or digest_of(path) != wanted:
            fix = f"check the url and sha256 of the app {self.app.name}"
            download(url, path, lambda _: None, sha256=wanted, fix=fix, most=MOST_TEXT)
        return path

    def _kept(self, path: Path) -> Path:
        if path.is_file():
            return path
        raise StepFailed(
            f"the air-gap directory has no manifests of the app {self.app.name}",
            where=str(path),
            fix="run `picluster images save` again where there is a network",
        )


def file_of(app: App) -> str:
    """Return what the file is called that is downloaded for an application with a `url`."""
    return f"{hashlib.sha256((app.url or '').encode()).hexdigest()[:16]}.yaml"


@dataclass(frozen=True, slots=True)
class AppWorkloads:
    """What has to run of an application."""

    source: AppSource

    def __call__(self, tools: Tools) -> tuple[Workload, ...]:
        """Return it. Raises what the source does."""
        return workloads_among(self.source(tools), self.source.app.namespace or _DEFAULT)


def workloads_among(manifests: Sequence[Object], namespace: str = _DEFAULT) -> tuple[Workload, ...]:
    """Return what has to run; `namespace` is for manifests that name none."""
    return tuple(
        Workload(
            each["kind"], each["metadata"].get("namespace") or namespace, each["metadata"]["name"]
        )
        for each in manifests
        if each["kind"] in _WAITED_FOR and each["apiVersion"] == "apps/v1"
    )


def _is_namespace(manifest: Object, name: str) -> bool:
    return bool(manifest["kind"] == "Namespace" and manifest["metadata"]["name"] == name)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_TEXT:
            raise OSError(errno.EFBIG, f"it is larger than {MOST_TEXT} bytes")
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(
            "it cannot be read",
            where=str(path),
            why=str(error),
            fix="let apps[].path name a file or directory of manifests that you may read",
        ) from None


def _kustomized(directory: Path) -> str:
    """Have kustomize build a directory. Raises `StepFailed` with what it says."""
    for program, verb in _BUILDERS:
        if shutil.which(program) is None:
            continue
        done = subprocess.run(
            [program, verb, str(directory)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            said = done.stderr.strip()[-500:]
            raise StepFailed(
                "kustomize cannot build it",
                where=str(directory),
                why=said,
                fix=f"`{program} {verb} {directory}` has to work",
            )
        return done.stdout
    raise StepFailed(
        "it has a kustomization, and there is no kustomize on this computer",
        where=str(directory),
        fix="install kustomize or kubectl here",
    )
