"""Nothing that a user could type, or that a program could read, has been lost.

`surface.json` and `documents.json` are what 0f1ed27 had: the commands with their parameters, the
exit codes, the JSON documents with their required fields. They only grow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.surface import surface

from picluster import errors

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[2] / "docs" / "schemas"
COMMANDS: dict[str, list[str]] = json.loads((HERE / "surface.json").read_text())
DOCUMENTS: dict[str, dict[str, str]] = json.loads((HERE / "documents.json").read_text())
NOT_KNOWN = {"status.json": {"/properties/nodes/items/ready": '"boolean"'}}
"""May be null since then: with the API away nobody knows, and `false` was not true."""
EXIT_CODES = {
    "PiclusterError": 1,
    "UsageError": 2,
    "ConfigInvalid": 3,
    "NodeError": 4,
    "PreflightRefused": 5,
    "Locked": 6,
    "Interrupted": 130,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_before_is_still_there_with_all_that_it_takes(command: str) -> None:
    now = surface()
    assert command in now, f"`{command}` is gone"
    assert sorted(set(COMMANDS[command]) - set(now[command])) == []


def test_exit_codes_mean_what_they_meant() -> None:
    assert {name: getattr(errors, name).exit_code for name in EXIT_CODES} == EXIT_CODES


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_of_before_still_has_its_fields(document: str) -> None:
    now = required_in(json.loads((SCHEMAS / document).read_text()))
    lost = {field: kind for field, kind in DOCUMENTS[document].items() if now.get(field) != kind}
    assert lost == NOT_KNOWN.get(document, {})


def required_in(schema: Any, path: str = "") -> dict[str, str]:
    """Return the required fields of a JSON Schema with their types, nested ones by their path."""
    found: dict[str, str] = {}
    if isinstance(schema, dict):
        for name in schema.get("required", ()):
            kind = schema.get("properties", {}).get(name, {}).get("type", "")
            found[f"{path}/{name}"] = json.dumps(kind)
        for key, inner in schema.items():
            found |= required_in(inner, f"{path}/{key}")
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            found |= required_in(inner, f"{path}/{_kind(inner) or number}")
    return found


def _kind(schema: Any) -> str:
    """Return what an alternative is for: an event by its name."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return str(properties.get("event", {}).get("const", ""))
