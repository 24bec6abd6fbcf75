"""Docker: accepted from wherever it is, and its configuration shared with its owner."""

from __future__ import annotations

import base64
import json

import pytest
from tests.unit.steps.looking import decide

from picluster.engine.step import Blocked, Change, Observation, Satisfied, WriteFile
from picluster.engine.waiting import Done, Waiting
from picluster.steps.host.packages import installation
from picluster.steps.registry import paths
from picluster.steps.registry.docker import (
    CONFIG,
    NOTE_PACKAGES,
    DaemonConfig,
    DockerClient,
    DockerEngine,
    DockerRunning,
    read_daemon_json,
    settled,
    with_insecure,
)

MINE = ("pi4:5000", "10.0.0.14:5000")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(text: str | None, ours: str = "", wanted: tuple[str, ...] = MINE) -> Change | None:
    lines = [] if text is None else [f"text={encoded(text)}"]
    lines += [f"ours={encoded(ours)}"] if ours else []
    decision = decide(DaemonConfig(wanted), *lines)
    assert isinstance(decision, Change | Satisfied)
    return decision if isinstance(decision, Change) else None


def written(change: Change | None) -> dict[str, str]:
    assert change is not None
    return {
        action.path: str(action.content)
        for action in change.actions
        if isinstance(action, WriteFile)
    }


class TestEngine:
    NEW = installation(["docker.io"], repair=False, refresh=False)

    def test_debians_package_is_installed_and_what_came_with_it_noted_first(self) -> None:
        decision = decide(DockerEngine(3600), "age=1")
        assert isinstance(decision, Change)
        assert decision.actions == (NOTE_PACKAGES, self.NEW)

    def test_any_engine_that_is_there_is_accepted(self) -> None:
        assert decide(DockerEngine(3600), "program=dockerd", "age=1") == Satisfied()

    def test_an_installation_cut_off_is_finished_without_another_engine(self) -> None:
        decision = decide(DockerEngine(3600), "program=dockerd", "interrupted=yes", "age=1")
        assert isinstance(decision, Change)
        assert decision.actions == (installation([], repair=True, refresh=False),)

    def test_a_package_without_its_program_is_not_taken_for_an_engine(self) -> None:
        decision = decide(DockerEngine(3600), "have=installed docker.io", "age=1")
        assert isinstance(decision, Blocked)

    @pytest.mark.parametrize("found", [(), ("docker",), ("docker", "dockerd")])
    def test_the_command_is_not_installed_before_the_engine_or_twice(
        self, found: tuple[str, ...]
    ) -> None:
        lines = [f"program={name}" for name in found]
        assert decide(DockerClient(3600), *lines, "age=1") == Satisfied()

    def test_the_command_is_installed_where_the_engine_came_without_it(self) -> None:
        decision = decide(DockerClient(3600), "program=dockerd", "age=1")
        assert isinstance(decision, Change)
        assert decision.actions == (installation(["docker-cli"], repair=False, refresh=False),)


class TestConfiguration:
    def test_other_keys_and_other_registries_stay_in_their_order(self) -> None:
        theirs = {"log-driver": "local", "insecure-registries": ["a:1"], "ipv6": True}
        files = written(config(json.dumps(theirs)))
        result = json.loads(files[paths.DAEMON_JSON])
        assert list(result) == list(theirs)
        assert result["insecure-registries"] == ["a:1", *MINE]
        assert files[paths.INSECURE_MARK].split() == list(MINE)

    def test_what_is_as_it_should_be_is_left_as_it_is_written(self) -> None:
        text = json.dumps({"insecure-registries": ["a:1", *MINE]}, indent=None)
        assert config(text) is None

    def test_what_the_owner_had_already_is_not_noted_as_ours(self) -> None:
        text = json.dumps({"insecure-registries": [MINE[0]]})
        assert written(config(text))[paths.INSECURE_MARK].split() == [MINE[1]]

    def test_our_former_names_go_and_the_owners_stay(self) -> None:
        present = {"insecure-registries": ["a:1", "pi4:5001", "pi4:5000"]}
        assert with_insecure(present, ("pi4:5000",), ("pi4:5001",)) == {
            "insecure-registries": ["a:1", "pi4:5000"]
        }

    def test_the_key_goes_with_the_last_name(self) -> None:
        present = {"x": 1, "insecure-registries": ["pi4:5000"]}
        assert with_insecure(present, (), ("pi4:5000",)) == {"x": 1}

    def test_nothing_is_written_where_nothing_is_needed(self) -> None:
        assert config(None, wanted=()) is None

    def test_the_owners_file_is_backed_up(self) -> None:
        change = config("{}")
        assert change is not None
        assert [a.backup for a in change.actions if isinstance(a, WriteFile)] == [False, True]

    @pytest.mark.parametrize("text", ["{,}", "[]", '{"insecure-registries": "a:1"}', "5"])
    def test_a_file_that_docker_could_not_read_is_not_replaced(self, text: str) -> None:
        with pytest.raises(ValueError, match="it"):
            read_daemon_json(text)
        decision = decide(DaemonConfig(MINE), f"text={encoded(text)}")
        assert isinstance(decision, Blocked)


class TestRunning:
    KNOWN = tuple(f"insecure={name}" for name in MINE)

    def decide(self, *lines: str, planned: tuple[str, ...] = ()) -> object:
        return decide(DockerRunning(MINE), *lines, planned=planned)

    def test_a_docker_that_knows_the_registry_is_left_alone(self) -> None:
        assert self.decide("enabled=enabled", "active=active", *self.KNOWN) == Satisfied()

    @pytest.mark.parametrize(
        ("lines", "reason"),
        [
            (("enabled=enabled", "active=inactive"), "it is stopped"),
            (("enabled=disabled", "active=active", *KNOWN), "it would not start at boot"),
            (("enabled=enabled", "active=active", KNOWN[0]), "it has not read"),
        ],
    )
    def test_any_other_is_changed(self, lines: tuple[str, ...], reason: str) -> None:
        decision = self.decide(*lines)
        assert isinstance(decision, Change)
        assert reason in decision.reason

    def test_a_file_about_to_change_is_read_again(self) -> None:
        lines = ("enabled=enabled", "active=active", *self.KNOWN)
        assert isinstance(self.decide(*lines, planned=(CONFIG,)), Change)

    def test_it_is_waited_for_until_docker_has_read_its_file(self) -> None:
        wait = settled(MINE)
        judge = lambda *lines: wait.judge(wait.look.parse(Observation(out="\n".join(lines))))  # noqa: E731
        assert judge(*self.KNOWN) == Done()
        verdict = judge(self.KNOWN[0])
        assert isinstance(verdict, Waiting)
        assert MINE[1] in verdict.state

    def test_the_start_is_followed_by_that_wait(self) -> None:
        decision = self.decide("enabled=enabled", "active=inactive")
        assert isinstance(decision, Change)
        assert decision.actions[-1] == settled(MINE)
