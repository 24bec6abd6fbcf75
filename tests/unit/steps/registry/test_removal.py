"""Removing the registry: what picluster brought, and nothing else."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.doubles.tool_doubles import run_with
from tests.unit.steps.looking import answered, look_at

from picluster.engine.step import Blocked, Change, Run, Satisfied, Step, WriteFile
from picluster.steps.data_directories import REGISTRY_MARK, DataDeleted, DataKept
from picluster.steps.registry import paths
from picluster.steps.registry.removal import (
    DaemonConfigRestored,
    DockerGone,
    FilesGone,
    RegistryGone,
    purging,
    removal,
)


def decide(step: Step, out: str) -> Change | Satisfied | Blocked:
    decision = step.decide(look_at(step, answered([step], *out.splitlines())))
    assert isinstance(decision, Change | Satisfied | Blocked)
    return decision


@pytest.mark.parametrize("data", [True, False])
def test_where_there_is_nothing_there_is_nothing_to_do(data: bool) -> None:
    for step in removal("/srv/it", ["pi4:5000"], data=data):
        assert decide(step, "") == Satisfied()


def test_images_are_deleted_only_when_asked() -> None:
    kept, deleted = (removal("/srv/it", [], data=data)[1] for data in (False, True))
    assert isinstance(kept, DataKept)
    assert deleted == DataDeleted(
        "the registry's images", "/srv/it", ("docker/registry",), REGISTRY_MARK
    )


def test_both_containers_go() -> None:
    decision = decide(
        RegistryGone(), "container=picluster-registry\ncontainer=picluster-registry-gc"
    )
    assert isinstance(decision, Change)
    assert "picluster-registry-gc" in decision.summary


def restored(config: dict[str, object], ours: str) -> Change | Satisfied | Blocked:
    text = base64.b64encode(json.dumps(config).encode()).decode()
    mark = base64.b64encode(ours.encode()).decode()
    return decide(DaemonConfigRestored(), f"text={text}\nours={mark}")


def test_what_was_in_daemon_json_before_stays() -> None:
    config: dict[str, object] = {"a": 1, "insecure-registries": ["theirs:1", "pi4:5000"]}
    decision = restored(config, "pi4:5000\n")
    assert isinstance(decision, Change)
    (file,) = [action for action in decision.actions if isinstance(action, WriteFile)]
    assert json.loads(str(file.content)) == {"a": 1, "insecure-registries": ["theirs:1"]}


def test_a_daemon_json_that_was_ours_alone_goes() -> None:
    decision = restored({"insecure-registries": ["pi4:5000"]}, "pi4:5000\n")
    assert isinstance(decision, Change)
    first = decision.actions[0]
    assert isinstance(first, Run)
    assert first.script == f"rm -f {paths.DAEMON_JSON}"


def test_a_docker_that_was_there_before_stays() -> None:
    assert decide(DockerGone(), "") == Satisfied()


def test_a_docker_that_others_use_stays_and_they_are_named() -> None:
    decision = decide(DockerGone(), "package=docker.io\nother=pihole")
    assert isinstance(decision, Satisfied)
    assert "pihole" in decision.warning


def test_only_the_packages_that_came_with_it_are_purged() -> None:
    decision = decide(DockerGone(), "package=docker.io\npackage=runc")
    assert isinstance(decision, Change)
    assert decision.actions == (purging(["docker.io", "runc"]),)


def test_a_purge_takes_these_packages_and_no_rule_of_the_hosts_own(tmp_path: Path) -> None:
    rules = "-A INPUT -j ACCEPT\\n-A FORWARD -j DOCKER-USER\\n:DOCKER - [0:0]\\n"
    script = purging(["docker.io", "runc"]).script.replace("/var/lib/", f"{tmp_path}/lib/")
    done = run_with(
        tmp_path / "tools",
        script.replace("/run/docker", f"{tmp_path}/run").replace("/etc/docker", f"{tmp_path}/etc"),
        systemctl="",
        apt_get=f'echo "$*" >{tmp_path}/apt',
        iptables_save=f"printf %b '{rules}'",
        ip6tables_save="",
        iptables_restore=f"cat >{tmp_path}/restored",
        ip6tables_restore="cat >/dev/null",
        ip="",
    )
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "apt").read_text().split()
    assert asked[asked.index("purge") :] == ["purge", "--", "docker.io", "runc"]
    assert (tmp_path / "restored").read_text() == "-A INPUT -j ACCEPT\n"


def test_files_that_are_there_are_named() -> None:
    decision = decide(FilesGone(["/etc/x", "/etc/y"]), "path=/etc/y")
    assert isinstance(decision, Change)
    assert decision.summary == "remove /etc/y"
