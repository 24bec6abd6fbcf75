"""How an image comes into the registry: what the builder is told, and what is asked of it."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.steps.acting import decided, done, place
from tests.unit.steps.images.builder_double import COMMIT, BuilderDouble
from tests.unit.steps.registry.registry_double import Store, registry_double

from picluster.engine.place import Place
from picluster.engine.pool import Sessions
from picluster.errors import ActionFailed
from picluster.model.images import BuiltImage
from picluster.secret import Secret
from picluster.steps.images.archives import ImageArchive, archives_in
from picluster.steps.images.built import ImageBuilt, Seen
from picluster.steps.images.workshop import Builder
from picluster.steps.registry.api import RegistryEndpoint
from picluster.steps.registry.credentials import Credentials

AT = "/var/lib/picluster/build/tak_map_1.0"
SOURCE = "https://example.org/map.git"
CLONED = BuiltImage(name="tak/map", tag="1.0", git=SOURCE, ref="v1")
TIDIED = f"rm -rf {AT}/context {AT}/*.tar*"
LOGIN = f"export DOCKER_CONFIG=/run/picluster/docker-{AT.rpartition('/')[2]}"


@pytest.fixture
def node() -> Iterator[BuilderDouble]:
    with registry_double(Store()) as store:
        yield BuilderDouble(store, files={"Dockerfile": "FROM debian:12\n"})


def from_context(tmp_path: Path, **args: str) -> BuiltImage:
    tmp_path.joinpath("Dockerfile").write_text("FROM debian:12\n")
    return BuiltImage(name="tak/map", tag="1.0", context=tmp_path, args=args)


def built(image: BuiltImage, made_by: str = "", **more: Any) -> ImageBuilt:
    endpoint = RegistryEndpoint("pi4", 5000, credentials=more.pop("credentials", None))
    return ImageBuilt(
        image, Builder("pi4", endpoint, "pi4:5000", more.pop("archives", ()), 60, **more), made_by
    )


def at(node: BuilderDouble) -> Place:
    return place(target="pi4", sessions=Sessions(node))


def seen(node: BuilderDouble, step: ImageBuilt) -> Seen:
    return step.probe().ask(at(node).tools)


def without_inputs(told: list[str]) -> list[str]:
    return [re.sub(r"inputs-[0-9a-f]{16}$", "inputs-DIGEST", line) for line in told]


PUSHED = [
    "docker tag -- pi4:5000/tak/map:1.0 pi4:5000/tak/map:1.0",
    "docker push -- pi4:5000/tak/map:1.0",
    "docker tag -- pi4:5000/tak/map:1.0 pi4:5000/tak/map:inputs-DIGEST",
    "docker push -- pi4:5000/tak/map:inputs-DIGEST",
]


def test_a_context_is_brought_and_built_upon_what_was_pulled(
    tmp_path: Path, node: BuilderDouble
) -> None:
    step = built(from_context(tmp_path, B="2", A="1 x"), environment=(("HTTP_PROXY", "p:1"),))
    done(step, at=at(node))
    proxy = "export HTTP_PROXY=p:1 http_proxy=p:1"
    assert [line for line in without_inputs(node.told) if line != proxy] == [
        "docker pull -q -- debian:12",
        f"rm -rf {AT}/context; mkdir -p {AT}/context",
        f"tar -xzf {AT}/context.tar.gz -C {AT}/context; rm -f {AT}/context.tar.gz",
        f"docker build --build-arg=HTTP_PROXY --tag pi4:5000/tak/map:1.0 --file "
        f"{AT}/context/Dockerfile --build-arg 'A=1 x' --build-arg B=2 {AT}/context 2>&1",
        *PUSHED,
        TIDIED,
    ]
    assert proxy in node.told
    assert node.uploaded == [f"{AT}/context.tar.gz"]
    assert "built already" in decided(step, at=at(node)).detail


def test_a_clone_is_fetched_and_built_at_its_commit(node: BuilderDouble) -> None:
    assert seen(node, built(CLONED)) == Seen(unknown="its source was not fetched yet")
    progress = at(node)
    for action in decided(built(CLONED), at=progress).actions:
        action.perform(progress)
    assert without_inputs(node.told) == [
        f"mkdir -p {AT}/git; cd {AT}/git; git init -q",
        f"git cat-file -e {COMMIT}'^{{commit}}' 2>/dev/null || GIT_TERMINAL_PROMPT=0 "
        f"GIT_SSH_COMMAND='ssh -oBatchMode=yes' git fetch -q --depth 1 -- {SOURCE} v1",
        f"git -c advice.detachedHead=false checkout -q --force {COMMIT} && git clean -fdxq",
        "docker pull -q -- debian:12",
        f"docker build --tag pi4:5000/tak/map:1.0 --file {AT}/git/Dockerfile {AT}/git 2>&1",
        *PUSHED,
        TIDIED,
    ]
    assert progress.progress.states == [  # type: ignore[attr-defined]
        f"fetching v1 of {SOURCE}",
        "pulling debian:12",
        "it takes a while",
        "pushing pi4:5000/tak/map:1.0",
        f"pushing pi4:5000/tak/map:inputs-{seen(node, built(CLONED)).inputs}",
    ]


def test_an_archive_is_loaded_and_pushed(tmp_path: Path, node: BuilderDouble) -> None:
    manifest = json.dumps([{"RepoTags": ["docker.io/tak/map:1.0"]}]).encode()
    with tarfile.open(tmp_path / "map.tar", "w") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest))
    done(built(CLONED, archives=archives_in(tmp_path)), at=at(node))
    assert node.uploaded == [f"{AT}/map.tar"]
    assert without_inputs(node.told) == [
        'docker load -q -i "$there"',
        "docker tag -- docker.io/tak/map:1.0 pi4:5000/tak/map:1.0",
        *PUSHED,
        TIDIED,
    ]


def test_what_it_builds_upon_is_loaded_from_an_archive_and_not_pulled(
    tmp_path: Path, node: BuilderDouble
) -> None:
    base = ImageArchive(tmp_path / "base.tar", ("debian:12",))
    base.path.write_text("x")
    (tmp_path / "context").mkdir()
    step = built(from_context(tmp_path / "context"), archives=(base,))
    done(step, at=at(node))
    assert node.told[:2] == [
        'docker load -q -i "$there"',
        "docker tag -- debian:12 debian:12",
    ]
    assert f"{AT}/base.tar" in node.uploaded, "another build beside it may need the same archive"


def test_what_was_built_of_these_inputs_before_is_tagged_and_not_built(
    tmp_path: Path, node: BuilderDouble
) -> None:
    step = built(from_context(tmp_path))
    done(step, at=at(node))
    node.store.manifests["tak/map", "1.0"] = b"another"
    node.told.clear()
    assert done(step, at=at(node)).summary == "tag tak/map:1.0"
    assert node.told == [TIDIED]
    assert node.store.manifests["tak/map", "1.0"] == b"{}"


def test_a_login_lasts_as_long_as_the_work(tmp_path: Path, node: BuilderDouble) -> None:
    node.store.login = "me:hunter2"
    step = built(from_context(tmp_path), credentials=Credentials("me", Secret("hunter2")))
    done(step, at=at(node))
    gone = [line for line in node.told if line.startswith("rm -rf /run/picluster/docker-")]
    slug = AT.rpartition("/")[2]
    assert gone == [f"rm -rf /run/picluster/docker-{name}" for name in ("pull", slug, slug)]
    assert node.told.count(LOGIN) == 3, "for the build, and for each push"


def test_inputs_are_the_files_the_arguments_and_what_it_builds_upon(
    tmp_path: Path, node: BuilderDouble
) -> None:
    image = from_context(tmp_path)
    missing = "debian:12, which it is built from, is not on the builder yet"
    assert seen(node, built(image)) == Seen(unknown=missing)
    node.images["debian:12"] = "sha256:a"
    first = seen(node, built(image)).inputs
    assert re.fullmatch("[0-9a-f]{16}", first)
    others = [seen(node, built(from_context(tmp_path, A="1"))).inputs]
    node.images["debian:12"] = "sha256:b"
    others.append(seen(node, built(image)).inputs)
    node.images["debian:12"] = "sha256:a"
    tmp_path.joinpath("more").write_text("x")
    others.append(seen(node, built(image)).inputs)
    assert len({first, *others}) == 4


def test_a_context_that_is_still_to_be_made_is_waited_for(
    tmp_path: Path, node: BuilderDouble
) -> None:
    image = BuiltImage(name="tak/map", tag="1.0", context=tmp_path / "later")
    assert seen(node, built(image, "it is unpacked")) == Seen(unknown="not yet so: it is unpacked")


def test_a_registry_that_does_not_answer_is_no_failure_of_the_look(
    tmp_path: Path, node: BuilderDouble
) -> None:
    node.store.login = "me:hunter2"
    step = built(from_context(tmp_path))
    assert seen(node, step) == Seen(unknown="the registry does not answer yet")


ROOM = "make room on the builder: `docker system df` shows what Docker takes"
PRUNE = (
    "make room: `docker system df` shows what Docker takes, `docker system prune` removes what it "
    "does not use"
)
CORRECT = "correct the Dockerfile or what it copies, then run the same command again"
AGAIN = "once the cause is gone, run the same command again"
REPAIR = "is the registry up? `picluster phase registry` repairs it"
FAILED = "#6 ERROR: exit code: 1"
FULL = "no space left on device"
PULL, PUSH = "pulling debian:12 failed", "pushing pi4:5000/tak/map:1.0 failed"


@pytest.mark.parametrize(
    ("word", "said", "expected"),
    [
        (
            "docker build",
            f"#6 [2/2] RUN false\n{FAILED}",
            ("the build stopped at RUN false", FAILED, CORRECT),
        ),
        ("docker build", FULL, ("the build failed", "the builder's disk is full", PRUNE)),
        ("docker pull", "unauthorized", (PULL, "unauthorized", AGAIN)),
        ("docker pull", f"x\n{FULL}", (PULL, FULL, ROOM)),
        ("docker push", "refused", (PUSH, "refused", REPAIR)),
        ("docker push", "", (PUSH, "it ended with status 1", REPAIR)),
    ],
)
def test_a_failure_names_its_cause_and_its_fix_and_leaves_nothing_behind(
    tmp_path: Path, node: BuilderDouble, word: str, said: str, expected: tuple[str, str, str]
) -> None:
    node.fails = {word: said}
    with pytest.raises(ActionFailed) as caught:
        done(built(from_context(tmp_path)), at=at(node))
    error = caught.value
    assert (error.what, error.why, error.fix) == expected
    assert (error.where, error.evidence.strip()) == ("pi4", said)
    assert node.told[-1] == TIDIED


@pytest.mark.parametrize(
    ("listed", "fails", "why"),
    [
        ("", {}, "it has no branch or tag v1"),
        ("", {"ls-remote": "fatal: no route"}, "fatal: no route"),
    ],
)
def test_a_source_that_has_no_such_commit_is_said_so(
    node: BuilderDouble, listed: str, fails: dict[str, str], why: str
) -> None:
    node.listed, node.fails = listed, fails
    with pytest.raises(ActionFailed) as caught:
        seen(node, built(CLONED))
    assert caught.value.why == why
    assert caught.value.what == f"the source at {SOURCE} cannot be asked for v1"


def test_a_commit_is_asked_of_nobody_and_a_clone_without_a_dockerfile_is_refused(
    node: BuilderDouble,
) -> None:
    node.listed, node.files = "", {}
    image = CLONED.model_copy(update={"ref": COMMIT})
    with pytest.raises(ActionFailed, match=f"has no Dockerfile at {COMMIT}"):
        done(built(image), at=at(node))
    assert node.told[-1] == TIDIED
