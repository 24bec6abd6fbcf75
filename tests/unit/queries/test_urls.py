"""Every command names an application by the same URL."""

from __future__ import annotations

import pytest

from picluster.engine.place import Tools
from picluster.kube.api import Object
from picluster.model import parse
from picluster.queries.components import components_of
from picluster.queries.credentials import AskLogins
from picluster.steps.k3s.config import public_url

FILE = """\
name: home
nodes:
  - {name: pi1, address: 10.0.0.1, role: server}
  - {name: pi2, address: 10.0.0.2, role: server}
  - {name: pi3, address: 10.0.0.3, role: server}
registry: {node: pi1}
opentakserver: {}
rancher: {hostname: rancher.example.org}
"""


class _NoSecrets:
    """An API that has no password yet."""

    def access(self) -> _NoSecrets:
        return self

    def call(self, method: str, path: str, **more: object) -> Object:
        return {}


@pytest.mark.parametrize(
    ("more", "host"),
    [
        ("", "10.0.0.1"),
        ("k3s: {vip: {address: 10.0.0.100}}\n", "10.0.0.100"),
    ],
    ids=["first server", "VIP"],
)
def test_status_and_credentials_name_the_same_one(more: str, host: str) -> None:
    cluster = parse(FILE + more).cluster
    shown = {component.name: component.url for component in components_of(cluster)}
    told = {each.application: each.url for each in AskLogins(cluster).ask(Tools(_NoSecrets()))}
    assert told == {name: shown[name] for name in told}
    assert set(told) == {"OpenTAKServer", "Rancher"}
    assert told["OpenTAKServer"].startswith(f"http://{host}:")
    assert public_url(cluster).startswith(f"https://{host}:")
