"""A cluster made by `picluster up`: of the stand-in, or of the real K3s that `--release` names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.bench import Bench
from tests.lab.conftest import artifacts, home, lab_can_run, prepared_card
from tests.lab.labs import rehearse
from tests.real.release import rehearse_real, release_in

__all__ = ["artifacts", "home", "lab_can_run", "prepared_card"]


@pytest.fixture(scope="session")
def real(pytestconfig: pytest.Config) -> bool:
    return pytestconfig.getoption("--release") is not None


@pytest.fixture(scope="session")
def box(pytestconfig: pytest.Config, home: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Three servers and an agent in a cluster."""
    release = release_in(pytestconfig.getoption("--release"))
    if release is None:
        asked = request.getfixturevalue
        card = asked("prepared_card")
        benches = rehearse("contract", 4, 3, home, asked("artifacts"), image=card)
    else:
        benches = rehearse_real("contract", 4, 3, home, release)
    for bench in benches:
        bench.picluster("up", seconds=1800)
        yield bench
