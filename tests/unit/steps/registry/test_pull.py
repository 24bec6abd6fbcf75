"""Pushing, listing and pulling, against a double of a registry's API."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module

import pytest
from tests.unit.steps.looking import decide_from, known, look_at

from picluster.engine.probe import Observation
from picluster.engine.step import Change, Run, Satisfied
from picluster.engine.waiting import Done, Wait, Waiting
from picluster.errors import StepFailed
from picluster.secret import Secret
from picluster.steps.registry.api import RegistryApi, RegistryEndpoint
from picluster.steps.registry.container import CONTAINER
from picluster.steps.registry.contents import images_of
from picluster.steps.registry.credentials import Credentials
from picluster.steps.registry.probe_image import REPOSITORY, digest_of, probe_image
from picluster.steps.registry.pull import (
    PUSHED,
    ImagePushed,
    Pulled,
    PullSource,
    PullTried,
    PushImage,
    read_tried,
    tag_for,
)

double = import_module("tests.unit.steps.registry.registry_double")
IMAGE = probe_image("tag1")
LOGIN = Credentials("builder", Secret('a "b\\c $d pass'))


@pytest.fixture
def store() -> Iterator[double.Store]:
    with double.registry_double(double.Store()) as store:
        yield store


def api(store: double.Store, login: Credentials | None = None) -> RegistryApi:
    return RegistryApi(RegistryEndpoint("pi4", 5000, credentials=login), store.port)


def sh(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f"( eval '{script.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}' )"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def pulled(store: double.Store, login: Credentials | None = None) -> Pulled:
    return Pulled(IMAGE, PullSource(store.url, f"pi4:5000/{IMAGE.name}", "", login))


def look_with(store: double.Store, login: Credentials | None = None) -> Observation:
    done = sh(pulled(store, login).probe().text)
    return Observation(done.returncode, done.stdout, done.stderr)


def decide(seen: Observation, *planned: str) -> Change | Satisfied:
    step = Pulled(IMAGE, PullSource("http://10.0.0.14:5000", f"pi4:5000/{IMAGE.name}"))
    decision = decide_from(step, read_tried(seen), planned=planned)
    assert isinstance(decision, Change | Satisfied)
    return decision


class TestTheImage:
    def test_it_is_small_whole_and_always_the_same(self) -> None:
        again = probe_image("tag1")
        assert (again.manifest, again.layer) == (IMAGE.manifest, IMAGE.layer)
        assert probe_image("tag2").layer != IMAGE.layer
        assert len(IMAGE.layer) + len(IMAGE.config) < 1000

    def test_its_manifest_names_its_parts(self) -> None:
        manifest, config = json.loads(IMAGE.manifest), json.loads(IMAGE.config)
        assert manifest["config"]["digest"] == digest_of(IMAGE.config)
        assert [each["digest"] for each in manifest["layers"]] == [digest_of(IMAGE.layer)]
        assert config["rootfs"]["diff_ids"] == [digest_of(gzip.decompress(IMAGE.layer))]

    def test_its_layer_is_an_archive_that_others_can_read(self) -> None:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(IMAGE.layer))) as layer:
            file = layer.extractfile("README")
            assert file is not None
            assert file.read().startswith(b"tag1\n")

    def test_another_way_to_the_registry_makes_another_tag(self) -> None:
        assert tag_for(["a", 1]) != tag_for(["a", 2])
        assert tag_for(["a", 1]) == tag_for(["a", 1])


class TestPulling:
    def test_an_image_that_was_pushed_is_fetched_and_its_digests_hold(
        self, store: double.Store
    ) -> None:
        api(store).push(IMAGE)
        seen = look_with(store)
        assert seen.flag("fetched"), seen
        assert len([each for each in store.asked if each.startswith("GET")]) == 3

    @pytest.mark.parametrize("damage", ["layer", "config", "manifest"])
    def test_a_part_that_is_damaged_is_found(self, store: double.Store, damage: str) -> None:
        api(store).push(IMAGE)
        if damage == "manifest":
            store.manifests[REPOSITORY, IMAGE.tag] += b" "
        else:
            store.blobs[digest_of(getattr(IMAGE, damage))] = b"other"
        seen = look_with(store)
        assert not seen.has("fetched")
        assert "did not come whole" in seen.err

    def test_a_password_of_any_characters_gets_in(self, store: double.Store) -> None:
        store.login = f"{LOGIN.username}:{LOGIN.password.reveal()}"
        api(store, LOGIN).push(IMAGE)
        assert look_with(store, LOGIN).flag("fetched")
        assert "401" in look_with(store).err

    def test_the_try_ends_with_the_reason(self, store: double.Store) -> None:
        seen = look_with(replace(store, port=1))
        assert "curl: (7)" in seen.err.splitlines()[0]
        decision = decide(seen)
        assert isinstance(decision, Change)
        assert "curl: (7)" in decision.reason

    def test_the_password_is_no_argument_of_a_command(self) -> None:
        step = Pulled(IMAGE, PullSource("http://x", "x", "", LOGIN))
        holding = [line for line in step.probe().text.splitlines() if "pass" in line]
        assert holding
        assert all(line.startswith("user = ") for line in holding)


def fetching(url: str) -> tuple[str, Wait[str]]:
    """How a wait for the image fares right now, and the wait."""
    decision = decide_from(Pulled(IMAGE, PullSource(url, "pi4:5000/x")), PullTried())
    assert isinstance(decision, Change)
    wait = decision.actions[0]
    assert isinstance(wait, Wait)
    done = sh(wait.look.text)
    return wait.look.parse(Observation(done.returncode, done.stdout, done.stderr)), wait


class TestWaiting:
    def test_it_is_over_when_the_image_comes_whole(self, store: double.Store) -> None:
        api(store).push(IMAGE)
        why, wait = fetching(store.url)
        assert wait.judge(why) == Done()

    def test_it_says_meanwhile_what_the_registry_says(self) -> None:
        why, wait = fetching("http://127.0.0.1:1")
        assert "curl: (7)" in why
        assert wait.judge(why) == Waiting(why)


class TestJudging:
    def test_a_node_that_fetched_it_is_done_where_there_is_no_containerd(self) -> None:
        decision = decide(Observation(out="fetched=yes"))
        assert isinstance(decision, Satisfied)
        assert "stand-in" in decision.detail

    def test_containerd_is_to_have_pulled_it_where_there_is_one(self) -> None:
        assert isinstance(decide(Observation(out="fetched=yes\ncontainerd=yes")), Change)
        decision = decide(Observation(out="fetched=yes\ncontainerd=yes\nimage=sha256:1"))
        assert isinstance(decision, Satisfied)
        assert "containerd" in decision.detail

    def test_containerd_pulls_by_the_name_that_pods_use(self) -> None:
        decision = decide(Observation())
        assert isinstance(decision, Change)
        fetched, action = decision.actions
        assert isinstance(fetched, Wait), "a registry that was just started may not answer yet"
        assert isinstance(action, Run)
        assert f"k3s crictl pull pi4:5000/{IMAGE.name}" in action.script

    def test_it_is_tried_again_after_it_was_pushed_anew(self) -> None:
        assert isinstance(decide(Observation(out="fetched=yes"), PUSHED), Change)

    @pytest.mark.parametrize(
        ("tried", "planned", "pushes"),
        [
            (PullTried(fetched=True), (), False),
            (PullTried(), (), True),
            (PullTried(fetched=True), (CONTAINER,), True),
        ],
    )
    def test_it_is_pushed_where_it_cannot_be_pulled(
        self, tried: PullTried, planned: tuple[str, ...], pushes: bool
    ) -> None:
        step = ImagePushed(IMAGE, RegistryEndpoint("pi4", 5000))
        decision = step.decide(look_at(step, known(image_pulled=tried), planned=planned))
        assert getattr(decision, "actions", ()) == (
            (PushImage(IMAGE, RegistryEndpoint("pi4", 5000)),) if pushes else ()
        )


class TestTheApi:
    def test_nothing_is_sent_twice(self, store: double.Store) -> None:
        api(store).push(IMAGE)
        before = len([each for each in store.asked if each.startswith("POST")])
        api(store).push(IMAGE)
        assert len([each for each in store.asked if each.startswith("POST")]) == before

    def test_images_are_listed_with_the_size_of_a_pull(self, store: double.Store) -> None:
        api(store).push(IMAGE)
        (image,) = images_of(api(store), REPOSITORY)
        assert (image.repository, image.tag) == (REPOSITORY, "tag1")
        assert image.digest == digest_of(IMAGE.manifest)
        assert image.size == len(IMAGE.config) + len(IMAGE.layer)

    def test_an_index_is_as_large_as_all_its_platforms(self, store: double.Store) -> None:
        parts = [probe_image("amd64"), probe_image("arm64")]
        for part in parts:
            store.manifests["multi", digest_of(part.manifest)] = part.manifest
        index = {"manifests": [{"digest": digest_of(part.manifest)} for part in parts]}
        store.manifests["multi", "1"] = json.dumps(index).encode()
        _, size = api(store).size("multi", "1")
        assert size == sum(len(part.config) + len(part.layer) for part in parts)

    def test_every_page_of_repositories_is_read(self, store: double.Store) -> None:
        store.page = 2
        for name in ("a", "b", "c/d", "e", "f"):
            store.manifests[name, "1"] = b"{}"
        assert api(store).repositories() == ["a", "b", "c/d", "e", "f"]

    def test_a_repository_may_have_lost_its_tags(self, store: double.Store) -> None:
        assert api(store).tags("gone") == []
        assert api(store).size("gone", "1") == ("", 0)

    def test_a_refusal_says_why_and_what_to_do(self, store: double.Store) -> None:
        store.login = "somebody:else"
        with pytest.raises(StepFailed) as refused:
            api(store).repositories()
        assert "401" in refused.value.why
        assert "UNAUTHORIZED" in refused.value.why
        assert refused.value.fix

    def test_no_answer_is_a_failure_of_its_own(self) -> None:
        with pytest.raises(StepFailed, match="does not answer"):
            RegistryApi(RegistryEndpoint("pi4", 5000), 1).repositories()
