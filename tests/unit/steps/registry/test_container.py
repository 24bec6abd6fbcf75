"""The registry's container: when it is made anew, and when it is only started."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.doubles.tool_doubles import run_with
from tests.unit.steps import looking

from picluster.engine.probe import Observation
from picluster.engine.step import Action, Blocked, Change, Run, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Waiting
from picluster.model import parse
from picluster.steps.registry.certificates import CERTIFICATE
from picluster.steps.registry.container import (
    RESTART,
    START,
    Definition,
    RegistryContainer,
    answers,
    creation,
    read_answering,
)
from picluster.steps.registry.exposure import Exposure
from picluster.steps.registry.garbage import Collect, Freed, GarbageCollected
from picluster.steps.registry.paths import HTPASSWD, SERVER_PEM

PLAIN = Definition("registry:2", 5000, "/srv/it", tls=False, users=False)
SECURED = replace(PLAIN, tls=True, users=True)
FINE = {
    "id": "abc",
    "definition": PLAIN.digest,
    "inputs": "x",
    "inputs_now": "x",
    "running": "true",
    "restart": "always",
    "answers": "200",
}


def decide(*planned: str, **facts: str) -> Change | Satisfied | Blocked:
    lines = (f"{key}={value}" for key, value in {**FINE, **facts}.items())
    return looking.decide(RegistryContainer(PLAIN), *lines, planned=planned)


def action(decision: object) -> Action:
    assert isinstance(decision, Change)
    first, wait = decision.actions
    assert wait == PLAIN.wait, "and then it has to answer"
    return first


@pytest.mark.parametrize("answer", ["200", "401"])
def test_one_that_answers_is_left_alone(answer: str) -> None:
    assert isinstance(decide(answers=answer), Satisfied)


@pytest.mark.parametrize(
    "facts",
    [{"id": ""}, {"definition": "other"}, {"definition": ""}, {"inputs": "y"}, {"restart": "no"}],
)
def test_another_one_is_made_anew(facts: dict[str, str]) -> None:
    assert action(decide(**facts)) == creation(PLAIN)


def test_a_new_certificate_is_read_by_a_new_container() -> None:
    assert action(decide(CERTIFICATE)) == creation(PLAIN)


@pytest.mark.parametrize(
    ("facts", "command"),
    [({"running": "false"}, START), ({"answers": "000"}, RESTART)],
)
def test_one_that_only_stopped_is_not_replaced(facts: dict[str, str], command: Run) -> None:
    assert action(decide(**facts)) == command


def test_what_a_collection_cut_off_left_is_not_in_the_way() -> None:
    for script in (START.script, creation(PLAIN).script):
        assert script.index("docker rm -f") < script.rindex("\n")


def test_the_container_is_made_of_the_files_that_it_reads(tmp_path: Path) -> None:
    """Run with a double of Docker: what it is told, in order."""
    noted = run_with(
        tmp_path / "tools",
        creation(replace(PLAIN, volume=f"{tmp_path}/it")).script,
        docker=f'echo "docker $*" >>{tmp_path}/calls',
    )
    assert noted.returncode == 0, noted.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [" ".join(call.split()[:2]) for call in calls] == [
        "docker stop",
        "docker rm",
        "docker run",
    ]
    nothing = hashlib.sha256(b"").hexdigest()
    assert f"--label picluster.inputs={nothing} --restart=always" in calls[-1]
    assert f"--volume {tmp_path}/it:/var/lib/registry" in calls[-1]
    assert calls[-1].endswith(" registry:2")
    assert (tmp_path / "it").is_dir()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("image: registry:3, volume: /srv/it", ("registry:3", 5000, "/srv/it", False, False)),
        (
            "port: 5001, volume: /srv/it, tls: true, username: pi, password: env:X",
            ("registry:2", 5001, "/srv/it", True, True),
        ),
    ],
)
def test_it_is_defined_by_the_cluster_file(
    more: str, expected: tuple[str, int, str, bool, bool]
) -> None:
    nodes = "nodes: [{name: pi1, address: 10.0.0.1, role: server}]"
    wanted = parse(f"name: a\n{nodes}\nregistry: {{node: pi1, {more}}}\n").cluster.registry
    assert wanted is not None
    assert Definition.of(wanted) == Definition(*expected)


def test_whatever_is_different_makes_another_definition() -> None:
    others = [
        replace(PLAIN, image="registry:3"),
        replace(PLAIN, port=5001),
        replace(PLAIN, volume="/srv/other"),
        replace(PLAIN, tls=True),
        replace(PLAIN, users=True),
    ]
    assert len({each.digest for each in (PLAIN, *others)}) == len(others) + 1
    assert replace(PLAIN).digest == PLAIN.digest


def test_the_container_gets_only_what_it_needs() -> None:
    assert "/etc/picluster" not in PLAIN.run("it")
    assert "REGISTRY_AUTH" not in PLAIN.run("it")
    text = SECURED.run("it")
    assert "/etc/picluster/registry:/etc/picluster:ro" in text
    assert "REGISTRY_HTTP_TLS_KEY=/etc/picluster/server.pem" in text
    assert SERVER_PEM in SECURED.inputs
    assert HTPASSWD in SECURED.inputs


@pytest.mark.parametrize("code", ["200", "401"])
def test_a_registry_that_answers_or_wants_a_login_is_up(code: str) -> None:
    assert answers(read_answering(Observation(out=f"code={code}"))) == Done()


@pytest.mark.parametrize(
    ("out", "state"),
    [
        ("code=000", "the registry does not answer yet; its container is not there"),
        (
            "code=503\nstatus=running\nrestarts=0\nexit=0",
            "the registry answers with HTTP 503; its container is running",
        ),
        (
            "code=000\nstatus=restarting\nrestarts=2\nexit=1",
            "the registry does not answer yet; its container is restarting",
        ),
    ],
)
def test_any_other_is_waited_for(out: str, state: str) -> None:
    assert answers(read_answering(Observation(out=out))) == Waiting(state)


def test_a_container_that_ends_again_and_again_is_not_waited_for() -> None:
    out = "code=000\nstatus=restarting\nrestarts=3\nexit=2"
    verdict = answers(read_answering(Observation(out=out)))
    assert isinstance(verdict, Waiting)
    assert [each.why for each in verdict.troubles] == [
        "its container ended 3 times, the last time with 2"
    ]
    assert verdict.troubles[0].patience == 0


def test_what_is_open_is_said() -> None:
    look = Look("pi4", "registry-exposure", {})
    said = {
        (tls, users): Exposure(bool(tls), bool(users)).decide(look)
        for tls in (0, 1)
        for users in (0, 1)
    }
    warnings = {key: str(getattr(decision, "warning", "")) for key, decision in said.items()}
    assert "plain HTTP" in warnings[0, 0]
    assert "HTTPS" in warnings[1, 0]
    assert "in the clear" in warnings[0, 1]
    assert warnings[1, 1] == ""


class TestCollecting:
    def decide(self, *lines: str) -> Change | Satisfied | Blocked:
        return looking.decide(GarbageCollected(PLAIN, False), *lines)

    def test_it_is_done_once(self) -> None:
        assert self.decide(f"definition={PLAIN.digest}") == Change(
            "remove what no image uses, with pushes refused meanwhile",
            (Collect(PLAIN, False),),
            reason="asked for",
            once=True,
        )

    @pytest.mark.parametrize("out", ["", "definition=other"])
    def test_a_registry_that_is_not_the_files_is_left_alone(self, out: str) -> None:
        assert isinstance(self.decide(out), Blocked)

    def test_nothing_is_freed_when_something_was_pushed_before(self) -> None:
        assert Freed(10, 4).size == 6
        assert Freed(4, 10).size == 0
