"""A change of what runs is not over before its pods run."""

from __future__ import annotations

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.unit.kube.test_rollout import WEB, Passing, make
from tests.unit.steps.acting import NOWHERE

from picluster.engine.place import Place, Tools
from picluster.engine.survey import CLUSTER
from picluster.errors import WaitFailed
from picluster.steps.manifests.rollout import AwaitRollouts


def test_pods_that_cannot_run_fail_the_step_that_waits_for_them() -> None:
    api = ApiInMemory("pi1")
    make(api, "image-missing")
    at = Place(CLUSTER, NOWHERE, Tools(NOWHERE, api), Passing(api))
    with pytest.raises(WaitFailed) as caught:
        AwaitRollouts("web runs", lambda _: [WEB], 900).perform(at)
    assert "no node takes it" in caught.value.why, "its volume is not there"
