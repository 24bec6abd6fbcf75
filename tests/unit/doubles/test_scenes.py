"""The stand-in's pods in trouble look as a kubelet and a scheduler show them, as time goes by."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.k3s.scenes import Scene, failed_pods, reference, scene

POD = {
    "metadata": {"name": "web-stuck", "namespace": "own", "uid": "9a0c"},
    "spec": {"containers": [{"name": "web", "image": "postgres:16"}]},
}


def at(trouble: str, age: float) -> Scene:
    return scene(trouble, POD, age)


def waiting(trouble: str, age: float) -> dict[str, Any]:
    (container,) = at(trouble, age).status["containerStatuses"]
    found: dict[str, Any] = container["state"].get("waiting", {})
    return found


def counts(found: Scene) -> dict[str, int]:
    return {" ".join(event.message.split()[:2]): event.count for event in found.events}


def test_an_image_that_cannot_be_had_is_told_of_in_two_ways_by_turns() -> None:
    reasons = [waiting("image-missing", age)["reason"] for age in range(0, 104, 2)]
    turns = [reasons[0]]
    for reason in reasons:
        if reason != turns[-1]:
            turns.append(reason)
    assert turns == ["ErrImagePull", "ImagePullBackOff"] * 3
    said = waiting("image-missing", 0)["message"]
    assert said.endswith(
        '"docker.io/library/postgres:16": docker.io/library/postgres:16: not found'
    )
    assert waiting("image-missing", 13)["message"] == (
        f'Back-off pulling image "postgres:16": ErrImagePull: {said}'
    )


def test_it_is_tried_again_after_ever_longer_times_and_each_try_is_counted() -> None:
    first = counts(at("image-missing", 1))
    assert set(first.values()) == {1}
    later = counts(at("image-missing", 60))
    assert later["Failed to"] == 3
    assert later["Back-off pulling"] == 2
    tries = [counts(at("image-missing", age))["Pulling image"] for age in
             (0, 21, 23, 53, 55, 105, 107)]  # fmt: skip
    assert tries == [1, 1, 2, 2, 3, 3, 4]
    hours = [counts(at("image-missing", age))["Error: ErrImagePull"] for age in (7200, 7513)]
    assert hours[1] == hours[0] + 1, "five minutes is the longest"


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        (
            "postgres",
            ("docker.io/library/postgres:latest", "registry-1.docker.io", "library/postgres"),
        ),
        ("rancher/x:1", ("docker.io/rancher/x:1", "registry-1.docker.io", "rancher/x")),
        ("10.0.0.11:5000/a/b:2", ("10.0.0.11:5000/a/b:2", "10.0.0.11:5000", "a/b")),
        ("ghcr.io/a/b:3", ("ghcr.io/a/b:3", "ghcr.io", "a/b")),
    ],
)
def test_an_image_is_asked_for_under_its_full_name(image: str, asked: tuple[str, ...]) -> None:
    assert reference(image)[:3] == asked


def test_a_container_that_ends_is_started_at_once_and_then_ever_later() -> None:
    starts = [
        at("crash-loop", age).status["containerStatuses"][0]["restartCount"]
        for age in (0, 1, 3, 13, 15, 35, 37)
    ]
    assert starts == [0, 0, 1, 1, 2, 2, 3]
    said = waiting("crash-loop", 5)
    assert said["reason"] == "CrashLoopBackOff"
    assert said["message"].startswith("back-off 10s restarting failed container=web pod=web-stuck_")
    assert waiting("crash-loop", 15) == {}, "it runs"


def test_a_job_fails_six_times_and_once_more() -> None:
    assert [failed_pods(age) for age in (0, 3, 15, 40, 10_000)] == [0, 1, 2, 3, 7]


@pytest.fixture
def api() -> ApiInMemory:
    return ApiInMemory("pi1")


def job(api: ApiInMemory, trouble: str) -> str:
    space = "/apis/batch/v1/namespaces/default/jobs"
    template = {"spec": {"containers": [{"name": "it", "image": "it:1"}]}}
    notes = {"annotations": {"stand-in/trouble": trouble}}
    api.create(space, "batch/v1", "Job", "it", metadata=notes, spec={"template": template})
    return f"{space}/it"


def test_a_job_that_fails_is_given_up_in_the_end(api: ApiInMemory) -> None:
    path = job(api, "job-fails")
    assert "succeeded" not in api.get(path)["status"]
    api.slept = 20
    assert api.get(path)["status"]["failed"] == 2
    api.slept = 10_000
    (condition,) = api.get(path)["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("Failed", "BackoffLimitExceeded")
    (pod,) = api.get("/api/v1/namespaces/default/pods")["items"]
    assert pod["status"]["phase"] == "Failed"


def test_a_job_whose_image_cannot_be_had_does_not_end(api: ApiInMemory) -> None:
    path = job(api, "image-missing")
    api.slept = 10_000
    assert api.get(path)["status"]["active"] == 1


def test_a_job_without_trouble_is_done_at_once(api: ApiInMemory) -> None:
    assert api.get(job(api, ""))["status"]["succeeded"] == 1


def test_events_are_counted_and_not_repeated(api: ApiInMemory) -> None:
    job(api, "image-missing")
    for seconds in (5, 30, 60, 60):
        api.slept = seconds
        events = api.get("/api/v1/namespaces/default/events")["items"]
    pulls = [event for event in events if event["message"].startswith("Failed to pull image")]
    assert [event["count"] for event in pulls] == [3]
