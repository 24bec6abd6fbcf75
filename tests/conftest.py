"""What all tests share: no example of a property test fails because the machine is busy."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

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
