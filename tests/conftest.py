"""What all tests share: no example of a property test fails because the machine is busy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from picluster import secret

settings.register_profile(
    "shared-machines", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(  # what `python -m tests.mutants` runs them with: is there any failure?
    "mutants",
    parent=settings.get_profile("shared-machines"),
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("shared-machines")


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "a directory with a real K3s: the binary, install.sh, sha256sum-ARCH.txt, images"
    parser.addoption("--release", type=Path, help=told)
    parser.addoption("--next", type=Path, help=f"{told}; what is upgraded to")
    parser.addoption("--vm", action="store_true", help="boot the emulated machine of tests/vm")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Tell which K3s is run, if it is a real one."""
    named = [config.getoption(name) for name in ("--release", "--next")]
    return [f"a real K3s, from {directory}" for directory in named if directory]


@pytest.fixture(autouse=True)
def no_secrets_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test knows to be secret is hidden for it alone: some tests take words for secrets."""
    monkeypatch.setattr(secret, "_known", secret._known)
