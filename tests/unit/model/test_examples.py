"""The examples load, and together they show everything there is."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from picluster.model import fields, json_schema, load, parse

EXAMPLES = Path(__file__).parents[3] / "examples"
SCHEMA = json_schema()
SWITCHED_OFF = re.compile(r"^( *)#(?=\S)", re.MULTILINE)


def everything_on() -> str:
    return SWITCHED_OFF.sub(r"\1", (EXAMPLES / "cluster.yaml").read_text())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_an_example_loads_and_fits_the_schema(path):
    load(path)
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text()))


def test_the_examples_have_the_sizes_they_claim():
    sizes = {
        name: (
            len(load(EXAMPLES / name).cluster.servers),
            len(load(EXAMPLES / name).cluster.agents),
        )
        for name in ("cluster.yaml", "single-node.yaml", "ha.yaml")
    }
    assert sizes == {"cluster.yaml": (3, 4), "single-node.yaml": (1, 0), "ha.yaml": (3, 0)}


def test_the_large_example_mentions_every_field():
    loaded = parse(everything_on())
    mentioned = {
        re.sub(r"\[\d+\]", "[]", path)
        for path, origin in loaded.origins.items()
        if origin != "default"
    }
    for field in fields():
        if not field.is_section:
            inside = [
                path for path in mentioned if re.match(rf"{re.escape(field.path)}(\.|$)", path)
            ]
            assert inside, f"examples/cluster.yaml does not show {field.path}"


def test_the_large_example_sets_node_fields_on_a_node():
    last = yaml.safe_load(everything_on())["nodes"][-1]
    for section in ("ssh", "prepare", "k3s"):
        names = {field.name for field in fields() if field.path.startswith(f"nodes[].{section}.")}
        assert set(last[section]) == names


def test_the_large_example_fits_the_schema_with_everything_on():
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(everything_on()))


def test_the_large_example_shows_defaults_where_it_does_not_say_otherwise():
    shown, default = parse(everything_on()).cluster, load(EXAMPLES / "single-node.yaml").cluster
    assert shown.limits == default.limits
    assert shown.k3s.etcd == default.k3s.etcd
    for name in ("packages", "apt_cache_max_age", "set_hostname", "swap", "time_sync"):
        assert getattr(shown.prepare, name) == getattr(default.prepare, name)
    for name in ("version", "cluster_cidr", "service_cidr", "disable", "flannel_backend"):
        assert getattr(shown.k3s, name) == getattr(default.k3s, name)
    for name in ("kubeconfig_mode", "install_url", "release_url"):
        assert getattr(shown.k3s, name) == getattr(default.k3s, name)
