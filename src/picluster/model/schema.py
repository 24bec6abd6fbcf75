"""The JSON Schema of the cluster file, for editors that complete and check as one types."""

from __future__ import annotations

from typing import Any

from picluster.model.cluster import Cluster
from picluster.model.explain import described, fields


def json_schema() -> dict[str, Any]:
    """Return the schema, in draft 2020-12.

    It knows the keys, types and choices. The rules about names, and those about the cluster as a
    whole, are for `picluster validate`.
    """
    schema = Cluster.model_json_schema()
    sections = {field.section.__name__: field.section for field in fields()}
    for name, section in sections.items():
        known = schema if section is Cluster else schema["$defs"][name]
        for field, text in described(section).items():
            found = known["properties"][field]
            # What a section says of itself need not stand beside it again.
            inner = found.get("$ref", "").removeprefix("#/$defs/")
            if text != schema["$defs"].get(inner, {}).get("description"):
                known["properties"][field] = dict(sorted({**found, "description": text}.items()))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "picluster cluster file",
        **{key: value for key, value in schema.items() if key != "title"},
    }
