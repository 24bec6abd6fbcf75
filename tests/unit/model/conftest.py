"""The smallest sound cluster file, and what is said when something is added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from picluster.model import ClusterFileInvalid, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from picluster.model import Cluster, Problem

SMALLEST = """\
name: small
nodes:
  - name: pi1
    address: 10.0.0.11
    role: server
"""


@pytest.fixture
def smallest() -> str:
    return SMALLEST


@pytest.fixture
def cluster() -> Callable[[str], Cluster]:
    """Load the smallest cluster file with more lines at its end: those of pi1, then top level."""
    return lambda more="": parse(SMALLEST + more).cluster


@pytest.fixture
def refusals() -> Callable[[str], list[Problem]]:
    """Return every problem of a text that has to be refused."""

    def read(text: str) -> list[Problem]:
        with pytest.raises(ClusterFileInvalid) as caught:
            parse(text)
        assert caught.value.exit_code == 3
        return list(caught.value.problems)

    return read


@pytest.fixture
def refusal(refusals: Callable[[str], list[Problem]]) -> Callable[[str], Problem]:
    """Return the one problem of the smallest cluster file with more lines at its end."""

    def read(more: str) -> Problem:
        problems = refusals(SMALLEST + more)
        assert len(problems) == 1, problems
        return problems[0]

    return read
