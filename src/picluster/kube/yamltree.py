"""Editing YAML as a tree of nodes, so that what is not edited keeps its exact scalars."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.representer import SafeRepresenter

from picluster.errors import PiclusterError
from picluster.model.yaml_limits import LOADER, check_limits

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def compose(text: str) -> yaml.MappingNode:
    """Parse a kubeconfig text into a tree; an empty one is an empty mapping.

    Raises `PiclusterError` with the position, and without any of the text: it holds credentials.
    """
    try:
        check_limits(text)
        root = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise _broken(_position(error)) from None
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _NULL):
        return yaml.MappingNode("tag:yaml.org,2002:map", [], flow_style=False)
    if not isinstance(root, yaml.MappingNode):
        raise _broken("the top level is not a mapping")
    return root


def serialize(root: yaml.Node) -> str:
    """Write a tree as text; scalars that were parsed come out as they went in.

    Raises `PiclusterError` if the text would not read back as the same tree.
    """
    text: str = yaml.serialize(
        root, Dumper=_DUMPER, allow_unicode=True, width=_NEVER_FOLD, indent=2
    )
    try:
        intact = _shape(compose(text)) == _shape(root)
    except RecursionError:
        raise _broken("it refers to itself") from None
    if not intact:
        raise _broken("it holds characters that cannot be written back as they are")
    return text


def _shape(node: yaml.Node) -> object:
    """Return what a tree says, types included, without how it is laid out."""
    if isinstance(node, yaml.MappingNode):
        return node.tag, [(_shape(key), _shape(value)) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return node.tag, [_shape(item) for item in node.value]
    return node.tag, node.value


def as_node(value: Any) -> yaml.Node:
    """Turn plain data into a tree."""
    representer = SafeRepresenter(default_flow_style=False, sort_keys=False)
    node: yaml.Node = representer.represent_data(value)
    return node


def plain(node: yaml.Node | None) -> Any:
    """Turn a tree into plain data, every scalar as its text; None stays None."""
    match node:
        case yaml.MappingNode():
            return {scalar(key): plain(value) for key, value in node.value}
        case yaml.SequenceNode():
            return [plain(item) for item in node.value]
        case yaml.ScalarNode():
            return scalar(node)
        case _:
            return None


def scalar(node: yaml.Node | None) -> str:
    """Return a scalar's text; empty for null, for what is no scalar, and for None."""
    return str(node.value) if isinstance(node, yaml.ScalarNode) and node.tag != _NULL else ""


def get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return the value at `key` of a mapping, or None if there is none or it is no mapping."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if scalar(name) == key:
                found: yaml.Node = value
                return found
    return None


def fork(mapping: yaml.MappingNode) -> yaml.MappingNode:
    """Copy a mapping, not its values, so that an edit does not reach others through an alias."""
    return yaml.MappingNode(mapping.tag, list(mapping.value), flow_style=mapping.flow_style)


def set_key(mapping: yaml.MappingNode, key: str, value: yaml.Node) -> None:
    """Set `key`, in its place if it is there, else at the end."""
    for index, (name, _) in enumerate(mapping.value):
        if scalar(name) == key:
            mapping.value[index] = (name, value)
            return
    mapping.value.append((as_node(key), value))


def drop_key(mapping: yaml.MappingNode, key: str) -> None:
    """Take `key` out, if it is there."""
    mapping.value[:] = [(name, value) for name, value in mapping.value if scalar(name) != key]


def items(root: yaml.MappingNode, section: str) -> list[yaml.Node]:
    """Return the live list of a section's items; a section that is absent or null has none."""
    node = get(root, section)
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _NULL):
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise _broken(f"`{section}` is not a list")
    listed: list[yaml.Node] = node.value
    return listed


def named(root: yaml.MappingNode, section: str, name: str) -> yaml.MappingNode | None:
    """Return the first item of a section with this name."""
    for item in items(root, section):
        if isinstance(item, yaml.MappingNode) and scalar(get(item, "name")) == name:
            return item
    return None


def append_item(root: yaml.MappingNode, section: str, item: yaml.Node) -> None:
    """Add an item to a section, creating the section if it is absent or null."""
    items(root, section)
    node = get(root, section)
    if isinstance(node, yaml.SequenceNode):
        if not node.value:
            node.flow_style = False  # `[]` would force the whole entry onto one line
        node.value.append(item)
    else:
        set_key(root, section, yaml.SequenceNode(_SEQ, [item], flow_style=False))


_NULL = "tag:yaml.org,2002:null"
_SEQ = "tag:yaml.org,2002:seq"
_NEVER_FOLD = 1 << 20


def _position(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return "it is not YAML"


def _broken(why: str) -> PiclusterError:
    return PiclusterError(
        "the kubeconfig cannot be read",
        why=why,
        fix="repair it by hand, or move it away and run again; it was not touched",
    )
