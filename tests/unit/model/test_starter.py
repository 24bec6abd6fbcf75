"""The first cluster file: it loads, says what was given, and quotes what YAML would misread."""

from __future__ import annotations

from typing import Any

import pytest

from picluster.errors import ConfigInvalid, UsageError
from picluster.model import parse
from picluster.model.starter import Draft, NewNode, parse_node, starter, try_out


def draft(count: int, name: str = "home", **more: Any) -> Draft:
    nodes = [NewNode(f"pi{number}", f"10.0.0.{10 + number}") for number in range(1, count + 1)]
    return Draft(name, tuple(nodes), **more)


@pytest.mark.parametrize(("count", "servers"), [(1, 1), (2, 1), (3, 3), (7, 3)])
def test_it_loads_with_the_roles_that_are_suggested(count: int, servers: int) -> None:
    cluster = parse(starter(draft(count))).cluster
    assert len(cluster.servers) == servers
    assert len(cluster.nodes) == count
    assert cluster.registry is None


def test_what_is_given_is_in_it() -> None:
    text = starter(draft(1, user="tak", key="~/.ssh/field key"))
    cluster = parse(text).cluster
    assert cluster.ssh_for(cluster.nodes[0]).user == "tak"
    assert str(cluster.ssh_for(cluster.nodes[0]).key).endswith("field key")


@pytest.mark.parametrize("name", ["on", "1e3", "null", "no"])
def test_a_name_that_yaml_would_misread_stays_a_name(name: str) -> None:
    assert parse(starter(draft(1, name))).cluster.name == name


def test_two_servers_are_refused_by_the_loader() -> None:
    with pytest.raises(ConfigInvalid):
        parse(starter(draft(2, servers=2)))


def test_more_servers_than_nodes_are_refused() -> None:
    with pytest.raises(UsageError, match="3 of 2 nodes cannot be servers"):
        starter(draft(2, servers=3))


def test_a_draft_without_nodes_is_judged_by_the_rest() -> None:
    try_out(Draft("home"))
    with pytest.raises(ConfigInvalid, match="name 'No_Name'"):
        try_out(Draft("No_Name"))


def test_commented_settings_are_real_ones() -> None:
    text = starter(draft(3))
    for line in ("#domain: lan", "#prepare: {timezone: Europe/Berlin}"):
        assert line in text
        parse(text.replace(line, line.lstrip("#")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pi1=10.0.0.11", NewNode("pi1", "10.0.0.11")),
        ("10.0.0.11", NewNode("pi4", "10.0.0.11")),
        ("box=fe80::1", NewNode("box", "fe80::1")),
    ],
)
def test_nodes_are_read(text: str, expected: NewNode) -> None:
    assert parse_node(text, 4) == expected


@pytest.mark.parametrize("text", ["=10.0.0.1", "pi1="])
def test_half_a_node_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_node(text, 1)
    assert "pi1=10.0.0.11" in caught.value.fix
