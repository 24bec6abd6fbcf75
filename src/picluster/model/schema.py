"""The JSON Schema of the cluster file, for editors that complete and check as one types."""

from __future__ import annotations

from typing import Any

from picluster.model.cluster import Cluster


def json_schema() -> dict[str, Any]:
    """Return the schema, in draft 2020-12.

    It knows the keys, types and choices. The rules about names, and those about the cluster as a
    whole, are for `picluster validate`.
    """
    schema = Cluster.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "picluster cluster file",
        **{key: value for key, value in schema.items() if key != "title"},
    }
