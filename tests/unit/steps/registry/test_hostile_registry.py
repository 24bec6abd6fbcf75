"""A registry that answers nonsense fails its own step, with its node named; nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picluster.errors import StepFailed
from picluster.steps.images.archives import archives_in
from picluster.steps.registry.api import RegistryApi, RegistryEndpoint, Reply
from picluster.steps.registry.docker import read_daemon_json
from picluster.steps.registry.probe_image import probe_image

DEEP = b"[" * 100_000
NONSENSE = [b"", DEEP, b"5", b'{"repositories": 5, "tags": 5, "manifests": 5, "layers": 5}']


def saying(monkeypatch: pytest.MonkeyPatch, body: bytes, **headers: str) -> RegistryApi:
    asked: list[str] = []

    def call(self: object, method: str, path: str, body_: bytes = b"", **sent: str) -> Reply:
        asked.append(path)
        assert len(asked) < 2000, "it is asked without end"
        return Reply(200, body, headers)

    monkeypatch.setattr(RegistryApi, "call", call)
    return RegistryApi(RegistryEndpoint("pi4", 5000), 1)


@pytest.mark.parametrize("body", NONSENSE)
def test_a_list_that_makes_no_sense_fails_the_step(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    api = saying(monkeypatch, body)
    with pytest.raises(StepFailed, match="makes no sense") as caught:
        api.repositories()
    assert caught.value.where == "pi4"


def test_what_has_no_digest_or_type_fails_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    api = saying(monkeypatch, b"{}")
    with pytest.raises(StepFailed, match="makes no sense"):
        api.digest("tak/map", "1.0")
    with pytest.raises(StepFailed, match="makes no sense"):
        api.tag("tak/map", "1.0", "2.0")


def test_layers_that_are_none_fail_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StepFailed, match="makes no sense"):
        saying(monkeypatch, b'{"layers": [5]}').size("tak/map", "1.0")


@pytest.mark.parametrize("size", ["1e999", "-Infinity", "NaN"])
def test_a_size_that_is_no_number_fails_the_step(
    monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    with pytest.raises(StepFailed, match="makes no sense"):
        saying(monkeypatch, f'{{"layers": [{{"size": {size}}}]}}'.encode()).size("tak/map", "1.0")


def test_a_place_to_upload_to_that_is_no_url_fails_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("picluster.steps.registry.api._NOT_FOUND", 200)
    with pytest.raises(StepFailed, match="makes no sense"):
        saying(monkeypatch, b"", location="http://[").push(probe_image("now"))


def test_a_name_that_no_request_can_hold_fails_the_step() -> None:
    with pytest.raises(StepFailed, match="does not answer"):
        RegistryApi(RegistryEndpoint("pi4", 5000), 1).digest("\ud800", "1.0")


def test_an_index_that_lists_itself_is_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    index = json.dumps({"manifests": [{"digest": "sha256:1"}]}).encode()
    assert saying(monkeypatch, index).size("tak/map", "1.0")[1] == 0


def test_a_list_without_an_end_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    api = saying(monkeypatch, b'{"repositories": ["a"]}', link='</v2/_catalog?n=1>; rel="next"')
    with pytest.raises(StepFailed, match="makes no sense"):
        api.repositories()


def test_deep_nesting_is_a_refusal_wherever_json_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        read_daemon_json(DEEP.decode())
    assert archives_in(tmp_path) == ()
