"""What releases of OpenTAKServer need."""

from __future__ import annotations

import pytest

from picluster.apps.opentakserver.requirements import needs


@pytest.mark.parametrize(
    ("version", "python", "postgis", "udp"),
    [
        ("1.6.3", "3.11", False, False),
        ("1.7.10", "3.11", False, False),
        ("1.7.13", "3.11", False, True),
        ("1.7.14", "3.12", True, True),
        ("2.0.0", "3.12", True, True),
    ],
)
def test_each_release_has_its_needs(version: str, python: str, postgis: bool, udp: bool) -> None:
    found = needs(version)
    assert (found.python, found.postgis, found.udp) == (python, postgis, udp)


@pytest.mark.parametrize("version", ["", "1.7", "v1.7.13", "1.4.9", "latest"])
def test_what_is_no_release_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match=r"release|too old"):
        needs(version)
