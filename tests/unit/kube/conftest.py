from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.unit.kube.kube_double import Authority, Cluster, k3s_yaml


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def admin_yaml(authority: Authority) -> str:
    return k3s_yaml(authority, authority.issue("system:admin"))


@pytest.fixture
def start(authority: Authority, admin_yaml: str) -> Iterator[Callable[[int], Cluster]]:
    started: list[Cluster] = []

    def launch(count: int) -> Cluster:
        started.append(Cluster(authority, admin_yaml, count))
        return started[-1]

    yield launch
    for cluster in started:
        cluster.close()


@pytest.fixture
def cluster(start: Callable[[int], Cluster]) -> Cluster:
    return start(1)
