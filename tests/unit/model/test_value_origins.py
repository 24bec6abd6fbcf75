"""Where each value comes from."""

from __future__ import annotations

import json

import pytest

from picluster.model import fields, parse

TEXT = """\
name: small
ssh:
  user: pi
nodes:
  - name: pi1
    address: 10.0.0.11
    role: server
    labels: {disk: nvme, example.com/a: b}
    ssh:
      port: 2222
  - {name: pi2, address: 10.0.0.12, role: agent}
prepare:
  packages:
    - git
  swap: keep
k3s:
  token: env:TOKEN
  disable:
"""


@pytest.fixture
def rows():
    return {row.path: row for row in parse(TEXT, "dir/cluster.yaml").rows()}


@pytest.mark.parametrize(
    ("path", "value", "origin"),
    [
        ("name", "small", "dir/cluster.yaml:1"),
        ("ssh.user", "pi", "dir/cluster.yaml:3"),
        ("ssh.port", None, "default"),
        ("nodes[0].labels.disk", "nvme", "dir/cluster.yaml:8"),
        ("nodes[0].labels.'example.com/a'", "b", "dir/cluster.yaml:8"),
        ("nodes[0].ssh.port", 2222, "dir/cluster.yaml:10"),
        ("nodes[1].role", "agent", "dir/cluster.yaml:11"),
        ("nodes[1].taints", [], "default"),
        ("prepare.packages", ["git"], "dir/cluster.yaml:13"),
        ("k3s.token", "env:TOKEN", "dir/cluster.yaml:17"),
        ("k3s.disable", ["servicelb", "traefik"], "default"),
        ("k3s.etcd.snapshot_retention", 5, "default"),
        ("registry", None, "default"),
        ("limits.reboot", 600, "default"),
    ],
)
def test_a_value_is_shown_with_its_line_or_as_a_default(rows, path, value, origin):
    assert (rows[path].value, rows[path].origin) == (value, origin)


def test_a_node_shows_what_it_takes_over_from_the_cluster(rows):
    assert rows["nodes[0].ssh.user"][1:] == ("pi", "dir/cluster.yaml:3")
    assert rows["nodes[1].prepare.swap"][1:] == ("keep", "dir/cluster.yaml:15")
    assert rows["nodes[1].prepare.set_hostname"][1:] == (True, "default")


def test_the_rows_are_plain_data():
    json.dumps(parse(TEXT).rows())


def test_every_field_has_a_row_somewhere(rows):
    shown = {path.replace("[0]", "[]") for path in rows}
    plain = {field.path for field in fields() if not field.is_section}
    absent = ("registry.", "images.build[].", "opentakserver.", "longhorn.", "rancher.", "apps[].")
    absent += ("nodes[].disks[].", "k3s.mirrors[].", "k3s.registry_access[].")
    plain -= {"nodes[].labels"} | {path for path in plain if path.startswith(absent)}
    plain -= {f"k3s.vip.{name}" for name in ("address", "interface", "image")}
    assert plain <= shown


def test_origins_are_by_path():
    loaded = parse(TEXT)
    assert loaded.origins["nodes[0].address"] == "cluster.yaml:6"
    assert loaded.origins["k3s.version"] == "default"
