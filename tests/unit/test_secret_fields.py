"""Every field of the cluster file that is secret, and every process that is started here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.unit.test_secret_shapes import SECRET, SHAPES

import picluster
from picluster.model import Cluster, parse
from picluster.model.secret_ref import SecretRef
from picluster.secret import redact

FILE = """\
name: home
ssh: {password: env:ONE, sudo_password: env:ONE}
nodes:
  - name: pi1
    address: 10.0.0.11
    role: server
    ssh: {password: env:ONE, sudo_password: env:ONE}
k3s:
  token: env:ONE
  registry_access:
    - {host: mirror.lan:5000, username: me, password: env:ONE}
registry: {node: pi1, tls: true, username: builder, password: env:ONE}
"""


def references(value: Any, path: str = "") -> Iterator[tuple[str, SecretRef]]:
    """Yield every reference in a model, with where it is."""
    if isinstance(value, SecretRef):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from references(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, tuple):
        for each in value:
            yield from references(each, f"{path}[]")


def fields(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Yield every field that can hold a reference, by its annotation."""
    for name, field in model.model_fields.items():
        here = f"{path}.{name}".lstrip(".")
        if "SecretRef" in str(field.annotation) or "SecretRef" in str(field.metadata):
            yield here
        yield from (each for kind in _sections(field.annotation) for each in fields(kind, here))


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _sections(inner)


FOUND = dict(references(parse(FILE).cluster))


def test_the_file_here_has_every_field_that_is_secret() -> None:
    assert {path.replace("[]", "") for path in FOUND} == set(fields(Cluster))


@pytest.mark.parametrize("path", FOUND)
def test_no_shape_of_what_a_field_refers_to_gets_out(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("picluster.secret._known", ((), ()))
    FOUND[path].resolve(label=path, ask=str, environ={"ONE": SECRET})
    shown = [name for name, shape in SHAPES.items() if SECRET in redact(shape)]
    assert not shown
    assert all(redact(shape) != shape for shape in SHAPES.values())


# What is started on this computer, and what is among its arguments: others may read these.
STARTED = {
    "ssh/user_config.py": "`ssh -G`, with a host's name, a user's and a port",
    "ssh/proxy_command.py": "what the user's own ~/.ssh/config says, with a host's name and a port",
    "discovery.py": "`avahi-browse` and `ip`, with nothing",
    "cli/remote.py": "`ssh`, with what a user would type",
    "apps/user_apps.py": "`kubectl kustomize`, with a directory",
    "apps/opentakserver/pod.py": "in the pod: OpenTAKServer's own programs",
}
_STARTS = {"run", "Popen", "call", "check_call", "check_output", "execvp", "execv", "system"}


def starts(path: Path) -> bool:
    """Whether a module starts a process."""
    calls = (
        node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    )
    return any(
        isinstance(call, ast.Attribute)
        and call.attr in _STARTS
        and isinstance(call.value, ast.Name)
        and call.value.id in ("subprocess", "os", "pty")
        for call in calls
    )


def test_what_is_started_here_is_known_with_its_arguments() -> None:
    """The lab is left out: its nodes are thrown away, and it has no secrets but theirs."""
    source = Path(picluster.__file__).parent
    modules = [path for path in source.rglob("*.py") if "lab" not in path.relative_to(source).parts]
    found = {str(path.relative_to(source)) for path in modules if starts(path)}
    by_paramiko = {"ssh/proxy_command.py"}
    assert found | by_paramiko == set(STARTED), (
        "say what the process gets, and that it is no secret"
    )
