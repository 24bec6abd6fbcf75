"""One box of lab nodes for the whole story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.bench import Bench
from tests.lab.conftest import home, lab_can_run
from tests.real.release import Release, rehearse_real, release_in

__all__ = ["home", "lab_can_run"]

APP = Path(__file__).parent / "app.yaml"


@pytest.fixture(scope="session")
def release(pytestconfig: pytest.Config) -> Release:
    found = release_in(pytestconfig.getoption("--release"))
    if found is None:
        pytest.skip("no release of K3s was named: `make real RELEASE=dir`")
    return found


@pytest.fixture(scope="session")
def following(pytestconfig: pytest.Config) -> Release:
    found = release_in(pytestconfig.getoption("--next"))
    if found is None:
        pytest.skip("no second release was named: `make real RELEASE=dir NEXT=dir`")
    return found


@pytest.fixture(scope="session")
def case(home: Path, release: Release) -> Iterator[Bench]:
    """Three servers and an agent, bare, and a cluster file with an application of the user's."""
    for bench in rehearse_real("case", 4, 3, home, release):
        application = f"apps:\n  - {{name: store, path: {APP}, namespace: store}}\n"
        bench.file.write_text(bench.file.read_text() + application)
        yield bench
