"""Images are built with real Docker, pushed, and not built again without a reason.

Nothing can be pulled here: the image that others build upon is made of the node's own files.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from picluster.lab import registry_image
from picluster.model.k3s import DEFAULT_VERSION
from tests.lab.bench import Bench, Pi, Result, until
from tests.lab.labs import rehearse

BASE = "lab-base:1"
DOCKERFILE = """\
ARG FROM=lab-base:1
FROM $FROM
ARG WORD=one
COPY greeting.txt /greeting.txt
RUN echo "$WORD" >/word.txt
RUN case "$WORD" in slow*) sleep 20 ;; esac
RUN cat /bin/* /bin/* /bin/* /bin/* /bin/* /bin/* /bin/* /bin/* >/large
"""
BUILDING = "pgrep -f 'docker [b]uild' >/dev/null"
PROGRAMS = "/bin/sh /bin/cat /bin/sleep /bin/echo"


@pytest.fixture(scope="module")
def yard(home: Path, artifacts: Path, prepared_card: Path) -> Iterator[Bench]:
    """A server and an agent; the registry is on the server, and the agent builds."""
    for bench in rehearse("yard", 2, 1, home, artifacts, image=prepared_card):
        airgap = home / "airgap-build"
        shutil.copytree(artifacts / DEFAULT_VERSION, airgap)
        shutil.copy(artifacts / "install.sh", airgap)
        registry_image.build(bench.lab.base, airgap / registry_image.ARCHIVE)
        for name in ("hello", "bye"):
            context = bench.file.parent / name
            context.mkdir()
            (context / "Dockerfile").write_text(DOCKERFILE)
            (context / "greeting.txt").write_text(f"{name}\n")
        archives = bench.file.parent / "archives"
        archives.mkdir()
        text = bench.file.read_text()
        bench.file.write_text(
            f"{text}  airgap_dir: {airgap}\nregistry: {{node: yard1}}\n"
            "images:\n  builder: yard2\n  archive: archives\n  build:\n"
            "    - {name: lab/hello, tag: '1.0', context: hello, args: {WORD: one}}\n"
            "    - {name: lab/bye, tag: '1.0', context: bye, args: {WORD: two}}\n"
        )
        bench.picluster("up", "--until", "registry")
        yield bench


@pytest.fixture(scope="module")
def built(yard: Bench) -> Result:
    """Both images, for the first time; Docker comes to the builder with them."""
    pack_base(yard)
    return yard.picluster("phase", "build", "--json")


def pack_base(bench: Bench, more: str = "") -> None:
    """Put an archive of the image that the others build upon where picluster looks for it."""
    node = bench.node(1)
    node.sh(
        f"{more}\nlibraries=$(ldd {PROGRAMS} | grep -o '/[^ ]*' | grep -v : | sort -u)\n"
        f"tar -ch $libraries {PROGRAMS} /etc/hostname $(ls /etc/more 2>/dev/null) 2>/dev/null | "
        f"docker import - {BASE} >/dev/null\ndocker save -o /var/tmp/base.tar {BASE}"
    )
    packed = node.node.disk / "system/var/tmp/base.tar"
    shutil.copy(packed, bench.file.parent / "archives/base.tar")
    node.sh(f"rm /var/tmp/base.tar; docker rmi {BASE} >/dev/null")


def done(result: Result) -> dict[str, str]:
    """What became of each image: the outcome of its step, by target."""
    finished = [event for event in result.events if event["event"] == "StepFinished"]
    return {
        str(event["target"]): str(event["outcome"])
        for event in finished
        if event["step"] == "image-built"
    }


def listed(bench: Bench) -> dict[tuple[str, str], str]:
    images: list[dict[str, Any]] = bench.picluster("registry", "list", "--json").document["images"]  # type: ignore[assignment]
    return {(each["repository"], each["tag"]): each["digest"] for each in images}


def tags(bench: Bench, repository: str) -> set[str]:
    return {tag for name, tag in listed(bench) if name == repository}


def inside(node: Pi, image: str, path: str) -> str:
    """A file of an image, as a node that pulls it finds it."""
    reference = f"yard1:5000/{image}"
    return node.sh(
        f"docker rmi -f {reference} >/dev/null 2>&1\ndocker pull -q {reference} >/dev/null\n"
        f"docker run --rm {reference} /bin/cat {path}"
    )


def test_images_are_built_and_pushed(yard: Bench, built: Result) -> None:
    assert done(built) == {"image lab/hello:1.0": "changed", "image lab/bye:1.0": "changed"}
    assert inside(yard.node(1), "lab/hello:1.0", "/greeting.txt") == "hello\n"
    assert inside(yard.node(1), "lab/bye:1.0", "/word.txt") == "two\n"
    assert any(tag.startswith("inputs-") for tag in tags(yard, "lab/hello"))
    assert yard.node(2).sh("ls /var/lib/picluster/build 2>/dev/null | grep context; true") == ""


def test_a_second_run_builds_nothing_and_says_why(yard: Bench, built: Result) -> None:
    before = listed(yard)
    again = yard.picluster("phase", "build", "-v")
    assert "built already from these very inputs" in again.said
    assert "nothing to do" in again.said
    assert listed(yard) == before


def test_a_changed_argument_builds_one_image_and_its_return_none(
    yard: Bench, built: Result
) -> None:
    with yard.edited("WORD: one", "WORD: three"):
        assert done(yard.picluster("phase", "build", "--json")) == {
            "image lab/hello:1.0": "changed",
            "image lab/bye:1.0": "ok",
        }
        assert inside(yard.node(1), "lab/hello:1.0", "/word.txt") == "three\n"
    back = yard.picluster("phase", "build")
    assert "tag lab/hello:1.0" in back.said, "what was built before is not built again"
    assert inside(yard.node(1), "lab/hello:1.0", "/word.txt") == "one\n"


def test_a_changed_file_is_a_reason_and_a_touched_one_is_not(yard: Bench, built: Result) -> None:
    greeting = yard.file.parent / "hello/greeting.txt"
    greeting.touch()
    (yard.file.parent / "hello/.dockerignore").write_text("notes.txt\n.dockerignore\n")
    (yard.file.parent / "hello/notes.txt").write_text("not in the image")
    assert set(done(yard.picluster("phase", "build", "--json")).values()) == {"ok"}
    greeting.write_text("good day\n")
    planned = yard.picluster("plan", "--from", "build").out
    assert "build lab/hello:1.0: its inputs changed" in planned
    yard.picluster("phase", "build")
    assert inside(yard.node(1), "lab/hello:1.0", "/greeting.txt") == "good day\n"


def test_a_failing_instruction_is_named_with_what_it_said(yard: Bench, built: Result) -> None:
    dockerfile = yard.file.parent / "hello/Dockerfile"
    dockerfile.write_text(DOCKERFILE + "RUN echo about to fail && exit 7\n")
    try:
        failed = yard.picluster("phase", "build", expect=1).said
    finally:
        dockerfile.write_text(DOCKERFILE)
    assert "RUN echo about to fail && exit 7" in failed
    assert "about to fail\n" in failed
    yard.picluster("phase", "build")


def test_a_registry_that_goes_away_leaves_no_tag_that_looks_done(
    yard: Bench, built: Result
) -> None:
    before = listed(yard)
    with yard.edited("WORD: one", "WORD: slow"):
        with yard.begin("phase", "build") as under_way:
            until(lambda: yard.node(2).holds(BUILDING), under_way)
            yard.node(1).sh("docker stop -t 1 picluster-registry >/dev/null")
            out, err = under_way.communicate(timeout=200)
        assert under_way.returncode == 1, out + err
        yard.picluster("phase", "registry")
        assert listed(yard) == before
        yard.picluster("phase", "build")
        assert inside(yard.node(1), "lab/hello:1.0", "/word.txt") == "slow\n"
    yard.picluster("phase", "build")


def test_ctrl_c_leaves_no_tag_either(yard: Bench, built: Result) -> None:
    before = listed(yard)
    with yard.edited("WORD: one", "WORD: slower"), yard.begin("phase", "build") as under_way:
        until(lambda: yard.node(2).holds(BUILDING), under_way)
        under_way.send_signal(signal.SIGINT)
        time.sleep(1)  # two at once would be one
        under_way.send_signal(signal.SIGINT)
        out, err = under_way.communicate(timeout=100)
    assert under_way.returncode == 130, out + err
    assert listed(yard) == before


def test_a_disk_that_fills_up_is_named_and_leaves_no_tag(yard: Bench, built: Result) -> None:
    before, builder = listed(yard), yard.node(2)
    with yard.edited("WORD: one", "WORD: slowest"), yard.begin("phase", "build") as under_way:
        until(lambda: builder.holds(BUILDING), under_way)
        builder.break_("fill-disk")
        try:
            out, err = under_way.communicate(timeout=200)
        finally:
            builder.mend()
    assert under_way.returncode == 1, out + err
    assert "the builder's disk is full" in out + err
    assert "make room" in out + err
    assert listed(yard) == before
    assert "nothing to do" in yard.picluster("phase", "build").said


def test_another_base_is_a_reason_to_build(yard: Bench, built: Result) -> None:
    pack_base(yard, "mkdir -p /etc/more && date >/etc/more/stamp")
    yard.node(2).sh(f"docker rmi -f {BASE} >/dev/null")
    assert set(done(yard.picluster("phase", "build", "--json")).values()) == {"changed"}
    assert set(done(yard.picluster("phase", "build", "--json")).values()) == {"ok"}


def test_what_is_in_the_archive_is_pushed_and_not_built(yard: Bench, built: Result) -> None:
    builder = yard.node(2)
    builder.sh("docker tag yard1:5000/lab/bye:1.0 lab/bye:1.0")
    builder.sh("docker save -o /var/tmp/bye.tar lab/bye:1.0")
    shutil.copy(builder.node.disk / "system/var/tmp/bye.tar", yard.file.parent / "archives/bye.tar")
    pushed = yard.picluster("phase", "build").said
    assert "push lab/bye:1.0" in pushed
    assert "nothing to do" in yard.picluster("phase", "build").said
    assert inside(yard.node(1), "lab/bye:1.0", "/word.txt") == "two\n"


def test_a_context_that_is_not_there_is_said_with_the_fix(yard: Bench, built: Result) -> None:
    with yard.edited("context: hello", "context: helo"):
        refused = yard.picluster("phase", "build", expect=2).said
    assert "the Dockerfile cannot be read" in refused
    assert "images.build.context" in refused


def test_nothing_of_it_is_left_after_a_reset(yard: Bench, built: Result) -> None:
    yard.picluster("reset", "--yes", "--data")
    for node in yard.nodes:
        assert node.status("command -v dockerd") != 0
        assert not node.holds("test -e /var/lib/picluster"), node.name
    json.loads(yard.picluster("plan", "--json").out)
