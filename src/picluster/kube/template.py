"""Kubernetes objects of picluster's own: YAML files beside the Python that uses them."""

from __future__ import annotations

from importlib import resources

import yaml

from picluster.kube.api import Object
from picluster.model.yaml_limits import LOADER


def template(package: str, name: str) -> list[Object]:
    """Return the objects of `NAME.yaml`, for the caller to put in what depends on the cluster."""
    text = (resources.files(package) / f"{name}.yaml").read_text()
    return list(yaml.load_all(text, LOADER))
