"""Real nodes for the tests: booted once for the session, fresh cards where a test needs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from picluster.errors import PreflightRefused
from picluster.lab import requirements
from tests.doubles.k3s.build import build
from tests.lab.bench import Bench, Pi, forget_environment
from tests.lab.labs import prepared_image, rehearse

_REQUIRED = os.environ.get("PICLUSTER_LAB") == "required"


# Files that take longest come first, so that no worker ends long after the others. Nodes boot, wait
# and time out for much of that time: there are more workers than cores (`make test-lab`).
_LONGEST_FIRST = (
    "failures",
    "apps",
    "interrupted",
    "high_availability",
    "registry",
    "documented_commands",
    "snapshots",
    "card",
    "build",
    "leaving",
    "seven_nodes",
    "more_servers",
    "first_cluster",
    "screens",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)
    rank = {f"test_{name}": place for place, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def lab_can_run() -> None:
    """Without root and its programs the lab tests are skipped, but in CI that is a failure."""
    try:
        requirements.check()
    except PreflightRefused as error:
        if _REQUIRED:
            pytest.fail(f"the lab cannot run here: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, lab_can_run: None) -> Iterator[Path]:
    """A home of the tests' own; only the cache of base trees is shared with the user's."""
    home = tmp_path_factory.mktemp("home")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    before = dict(os.environ)
    environment = forget_environment(home) | {"XDG_CACHE_HOME": cache}
    os.environ.clear()
    os.environ.update(environment)
    yield home
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in for K3s, as a release page would have it."""
    directory = tmp_path_factory.mktemp("artifacts")
    build(directory)
    return directory


@pytest.fixture(scope="session")
def prepared_card(tmp_path_factory: pytest.TempPathFactory, home: Path, artifacts: Path) -> Path:
    """A card as `phase prepare` leaves it, for labs that do not test what comes before."""
    mine = tmp_path_factory.getbasetemp()
    shared = mine.parent if os.environ.get("PYTEST_XDIST_WORKER") else mine
    return prepared_image(shared, home, artifacts)


@pytest.fixture(scope="session")
def trio(home: Path, artifacts: Path) -> Iterator[Bench]:
    """Three nodes, all servers; tests leave a cluster on them, or fresh cards."""
    yield from rehearse("trio", 3, 3, home, artifacts)


@pytest.fixture(scope="session")
def solo(home: Path, artifacts: Path) -> Iterator[Bench]:
    """One node."""
    yield from rehearse("solo", 1, 1, home, artifacts)


@pytest.fixture
def pi(solo: Bench) -> Iterator[Pi]:
    """One fresh node."""
    node = solo.node(1)
    solo.reflash(node)
    yield node
    node.mend()
