"""The schema for editors, and the descriptions that it shares with `explain`."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from picluster.model import fields, json_schema

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_the_schema_is_valid_itself():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    json.dumps(json_schema())


@pytest.mark.parametrize(
    "more",
    [
        "nodess: []\n",
        "limits: {parallel: 0}\n",
        "limits: {connect: soon}\n",
        "prepare: {swap: perhaps}\n",
        "k3s: {disable: [trafik]}\n",
        "ssh: {password: hunter2}\n",
        "registry: {port: 5000}\n",
    ],
)
def test_the_schema_refuses_what_an_editor_can_see(smallest, more):
    VALIDATOR.validate(yaml.safe_load(smallest))
    assert not VALIDATOR.is_valid(yaml.safe_load(smallest + more))


def test_every_field_is_described_in_one_sentence():
    for field in fields():
        assert field.description.endswith("."), field.path
        assert 15 < len(field.description) < 140, field.path
        assert "\n" not in field.description, field.path


def test_every_length_of_time_names_its_unit():
    for field in fields():
        if field.path.startswith("limits.") and field.default and field.default > 10:
            assert "seconds" in field.description, field.path


def test_fields_are_known_by_the_paths_that_users_write():
    known = {field.path: field for field in fields()}
    assert known["nodes[].ssh.user"].name == "user"
    assert known["nodes"].required
    assert known["nodes"].is_section
    assert known["limits.reboot"].default == 600
    assert not known["registry"].required
