"""Snapshots: what is read of them, when one is taken, and what a restore refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.node_answers import NodeAnswers
from tests.doubles.progress import ProgressDouble
from tests.unit.steps import looking
from tests.unit.steps.acting import place
from tests.unit.steps.k3s.looks import NEW, OLD, look, printed
from tests.unit.steps.looking import known

from picluster.engine.probe import Observation
from picluster.engine.step import Blocked, Change, Risk, Run, Satisfied, Upload
from picluster.engine.survey import CLUSTER, Look
from picluster.errors import ActionFailed, PreflightRefused, Unreadable, UsageError
from picluster.secret import Secret
from picluster.steps.k3s import paths
from picluster.steps.k3s.bundle import (
    Bundle,
    Origin,
    bundles_in,
    make_bundle,
    read_bundle,
    valid_name,
)
from picluster.steps.k3s.restoring import (
    DATABASES,
    ClusterReset,
    DatabaseAside,
    ForgetNodes,
    FormerDatabases,
    Restorable,
    RestoredServerRuns,
    ServerStopped,
)
from picluster.steps.k3s.service import Arrival, AwaitArrival, start
from picluster.steps.k3s.snapshots import (
    Copying,
    CopySnapshot,
    Saved,
    SavedBeforeUpgrade,
    Snapshot,
    SnapshotHere,
    TakeSnapshot,
    _blocks,
    snapshots_on,
)
from picluster.steps.k3s.state import CREDENTIALS, STATE, ServerCredentials

COPYING = Copying(
    "home",
    Path("/store"),
    Path("/cluster.yaml"),
    {"pi1": "/snapshots", "pi2": "/snapshots"},
)
RUNS = printed(active="active", datastore="etcd", unit="k3s", version=OLD)
DIGEST = hashlib.sha256(b"data").hexdigest()
TOKEN = "K10abc::server:correct-horse-battery"


def bundle(tmp_path: Path, *, k3s: str = OLD, token: str = TOKEN) -> Bundle:
    def fill(part: Path) -> Origin:
        (part / "on-demand-pi1-1").write_bytes(b"data")
        (part / "token").write_text(token + "\n")
        for name in ("config.yaml", "cluster.yaml", "k3s-version"):
            (part / name).write_text(f"{name}\n")
        return Origin("home", "pi1", "on-demand-pi1-1", k3s, 1.0, DIGEST)

    return make_bundle(tmp_path / "store", "good", fill)


def saved(pi1: Observation, pi2: Observation = RUNS, *, here: tuple[Bundle, ...] = ()) -> Any:
    step = Saved("good", COPYING)
    survey = {
        "pi1": {STATE.name: pi1},
        "pi2": {STATE.name: pi2},
        CLUSTER: known(snapshots_here=here),
    }
    return step.decide(Look(CLUSTER, step.name, survey))


def test_listings_are_read_and_other_lines_left_out() -> None:
    said = "5 1700000001 later\n1024 1700000000.5 nightly\nfind: something\n\u00b2 1 a\n1 x b\n"
    assert snapshots_on("pi1", "/s").parse(Observation(out=said)) == (
        Snapshot("pi1", "nightly", 1024, 1700000000.5),
        Snapshot("pi1", "later", 5, 1700000001.0),
    )


def test_one_is_taken_where_k3s_runs() -> None:
    assert saved(printed()) == Change(
        "take the snapshot good, and copy it to /store/good",
        (TakeSnapshot(("pi2",), "good", COPYING),),
        reason="asked for",
        once=True,
    )
    assert isinstance(saved(printed(), printed()), Blocked)


def test_sqlite_has_no_snapshots() -> None:
    refused = saved(printed(datastore="sqlite", active="active"))
    assert isinstance(refused, Blocked)
    assert "SQLite" in refused.reason


def test_a_name_is_used_once(tmp_path: Path) -> None:
    refused = saved(RUNS, here=(bundle(tmp_path),))
    assert isinstance(refused, Blocked)
    assert "--name" in refused.fix


@pytest.mark.parametrize("version", [OLD, NEW])
def test_data_is_saved_only_before_a_version_changes(version: str) -> None:
    step = SavedBeforeUpgrade(version, Saved("before", COPYING))
    survey = {
        "pi1": {STATE.name: RUNS},
        "pi2": {STATE.name: RUNS},
        CLUSTER: known(snapshots_here=()),
    }
    decision = step.decide(Look(CLUSTER, step.name, survey))
    assert isinstance(decision, Satisfied if version == OLD else Change)


def test_an_upgrade_on_sqlite_is_warned_of() -> None:
    step = SavedBeforeUpgrade(NEW, Saved("before", COPYING))
    state = printed(active="active", datastore="sqlite", version=OLD)
    decision = step.decide(Look(CLUSTER, step.name, {"pi1": {STATE.name: state}}))
    assert isinstance(decision, Satisfied)
    assert "SQLite" in decision.warning


def test_what_is_on_a_server_is_pulled_by_its_name() -> None:
    survey = {
        "pi2": looking.printed(snapshots_on("pi2", "/snapshots"), "5 1.0 nightly"),
        CLUSTER: known(snapshots_here=()),
    }
    found = SnapshotHere("nightly", COPYING).decide(Look(CLUSTER, "x", survey))
    assert isinstance(found, Change)
    assert found.actions == (CopySnapshot("pi2", "nightly", COPYING),)
    missing = SnapshotHere("nigthly", COPYING).decide(Look(CLUSTER, "x", survey))
    assert isinstance(missing, Blocked)
    assert "did you mean nightly" in missing.fix


def test_what_is_here_already_is_not_copied_again(tmp_path: Path) -> None:
    whole = bundle(tmp_path)
    survey = {CLUSTER: known(snapshots_here=(whole,))}
    found = SnapshotHere("good", COPYING).decide(Look(CLUSTER, "x", survey))
    assert found == Satisfied(detail=str(whole.directory))


def test_what_is_half_copied_is_no_snapshot_of_this_computer(tmp_path: Path) -> None:
    whole = bundle(tmp_path)
    store = whole.directory.parent
    shutil.copytree(whole.directory, store / ".part")
    (store / "mine").mkdir()
    assert bundles_in(store) == [whole]
    assert bundles_in(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["Upper", "../up", "", "a" * 41, "-dash", "a b"])
def test_names_that_k3s_would_not_take_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        valid_name(name)


def test_an_interrupted_copy_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    def fail(part: Path) -> Origin:
        (part / "half").write_bytes(b"")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_bundle(tmp_path, "good", fail)
    assert list(tmp_path.iterdir()) == []


HOSTILE = {
    "a file elsewhere": {"files": {"../../etc/passwd": DIGEST}},
    "no files": {"files": {}},
    "a digest that is shell": {"origin": {"digest": f"$(reboot){DIGEST[9:]}"}},
    "a digest with a line after it": {"origin": {"digest": f"{DIGEST}\n"}},
    "a digest of other data": {"origin": {"digest": "0" * 64}},
    "a file with another's name": {"origin": {"file": "token"}},
    "a file name with a line in it": {"origin": {"file": "a\nb"}},
    "an option as a file name": {"origin": {"file": "-rf"}},
    "a time that is none": {"origin": {"taken": "1"}},
    "a time that no calendar has": {"origin": {"taken": 1e300}},
    "a size that is none": {"size": "4"},
    "a version that is none": {"origin": {"k3s": "v1.33.5 $(reboot)"}},
    "a server that is none": {"origin": {"server": "pi1; reboot"}},
    "a field that nobody knows": {"also": 1},
    "another format": {"picluster": 2},
    "files that are a list": {"files": [DIGEST]},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_manifest_that_is_not_exactly_of_a_snapshot_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    whole = bundle(tmp_path)
    assert bundles_in(whole.directory.parent) == [whole]
    manifest = whole.directory / "manifest.json"
    document = json.loads(manifest.read_text())
    for name, value in change.items():
        merge = isinstance(value, dict) and value
        document[name] = {**document[name], **value} if merge else value
    manifest.write_text(json.dumps(document))
    assert bundles_in(whole.directory.parent) == []
    with pytest.raises(PreflightRefused, match="cannot be used"):
        read_bundle(whole.directory)


def test_a_token_that_is_no_text_is_told_with_its_snapshot(tmp_path: Path) -> None:
    whole = bundle(tmp_path)
    (whole.directory / "token").write_bytes(b"\xff")
    with pytest.raises(PreflightRefused, match="cannot be used") as caught:
        whole.token()
    assert caught.value.why == "token cannot be read: it is not UTF-8 text"


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"origin": NaN}', b"null"])
def test_a_manifest_that_is_no_document_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(PreflightRefused, match="cannot be used"):
        read_bundle(tmp_path)


def test_every_file_of_a_snapshot_is_verified_whatever_the_manifest_lists(tmp_path: Path) -> None:
    whole = bundle(tmp_path)
    whole.verify()
    with pytest.raises(PreflightRefused, match="cannot be used"):
        replace(whole, files={}).verify()
    (whole.directory / "token").unlink()
    with pytest.raises(PreflightRefused, match="cannot be used"):
        whole.verify()


def copied(tmp_path: Path, said: str, block: str) -> list[Path]:
    """Copy a snapshot from a server that says this of it, and gives it out in such blocks."""

    def answer(script: str) -> str:
        if "stat -c" in script:
            return said
        return block if script.startswith("dd ") else "text\n"

    (tmp_path / "cluster.yaml").write_text("name: home\n")
    at = place(sessions=NodeAnswers(answer).sessions)
    copying = Copying("home", tmp_path / "store", tmp_path / "cluster.yaml", {"pi1": "/snapshots"})
    copying.copy("pi1", "/snapshots/good", "good", at)
    return bundles_in(tmp_path / "store")


def test_a_snapshot_comes_here_as_it_is_on_the_server(tmp_path: Path) -> None:
    (found,) = copied(tmp_path, f"{OLD}\n1700000000 4\n{DIGEST}\n", "data")
    assert (found.name, found.size, found.origin.taken) == ("good", 4, 1700000000.0)
    found.verify()


@pytest.mark.parametrize(
    ("said", "block"),
    [
        (f"{OLD}\n1 4\n{DIGEST}", "data and more"),
        (f"{OLD}\n1 4\n{DIGEST}", "dat"),
        (f"{OLD}\n1 4\n{DIGEST}", "atad"),
        (f"{OLD}\n1 {10**17}\n{DIGEST}", "data"),
        (f"{OLD}\n\u00b2 4\n{DIGEST}", "data"),
        (f"{OLD}\nsoon 4\n{DIGEST}", "data"),
        (f"{OLD}\n1 4\n$(reboot)", "data"),
        (f"welcome!\n{OLD}\n1 4\n{DIGEST}", "data"),
        ("", "data"),
    ],
    ids=[
        "longer",
        "shorter",
        "other",
        "no room",
        "no digit",
        "no time",
        "shell",
        "banner",
        "silence",
    ],
)
def test_a_copy_that_is_not_what_the_server_said_fails_and_nothing_is_kept(
    tmp_path: Path, said: str, block: str
) -> None:
    with pytest.raises(ActionFailed):
        copied(tmp_path, said, block)
    assert list((tmp_path / "store").iterdir()) == []


def test_a_copy_ends_when_the_server_has_given_what_it_said(tmp_path: Path) -> None:
    """A file that grows for ever on a hostile server, block by block, fills no disk here."""
    asked: list[str] = []

    def answer(script: str) -> str:
        asked.append(script)
        return "x" * 4 * 1024 * 1024 if len(asked) < 5 else "x"

    at = place(sessions=NodeAnswers(answer).sessions)
    with pytest.raises(ActionFailed, match="larger"):
        list(_blocks("pi1", "/s", 5, at))
    assert len(asked) == 1


def restorable(made: Bundle, *, token: str = TOKEN, **facts: str) -> Any:
    step = Restorable("pi1", made)
    seen = look(step.name, **facts)
    held = ServerCredentials(Secret(token) if token else None)
    survey = {"pi1": {**seen.survey["pi1"], CREDENTIALS.name: held}}
    return step.decide(Look("pi1", step.name, survey))


def test_its_own_cluster_and_a_bare_node_can_be_restored(tmp_path: Path) -> None:
    made = bundle(tmp_path)
    assert restorable(made, datastore="etcd", version=OLD, unit="k3s") == Satisfied()
    assert restorable(made, token="") == Satisfied()


def test_a_cluster_with_another_token_is_refused(tmp_path: Path) -> None:
    made = bundle(tmp_path, token="K10abc::server:another")
    refused = restorable(made, datastore="etcd", version=OLD)
    assert isinstance(refused, Blocked)
    assert "picluster reset" in refused.fix


def test_a_snapshot_of_a_newer_k3s_is_refused(tmp_path: Path) -> None:
    refused = restorable(bundle(tmp_path, k3s=NEW), datastore="etcd", version=OLD)
    assert isinstance(refused, Blocked)
    assert "is older than the snapshot" in refused.reason


def databases(step: Any, *lines: str) -> Any:
    """What a step decides on a server whose K3s is installed, with these databases."""
    seen = look(step.name, unit="k3s").survey["pi1"]
    survey = {"pi1": {**seen, **looking.printed(DATABASES, *lines)}}
    return step.decide(Look("pi1", step.name, survey))


def test_a_database_is_moved_aside_where_there_is_one() -> None:
    aside = "/var/lib/rancher/k3s/server/db/etcd-before-restore-now"
    assert databases(DatabaseAside("now"), "size=2048") == Change(
        f"move this server's database (2.1 MB) to {aside}",
        (Run(f"systemctl stop k3s\nmv -T {paths.SERVER_DIR}/db/etcd {aside}\n"),),
        reason="it joins the restored cluster anew",
        risk=Risk.DATA_LOSS,
    )
    assert databases(DatabaseAside("now")) == Satisfied()


def test_servers_are_stopped_once_where_there_is_anything_to_stop() -> None:
    decision = databases(ServerStopped())
    assert isinstance(decision, Change)
    assert decision.actions == (Run("systemctl stop k3s", timeout=300),)
    assert decision.once
    assert isinstance(ServerStopped().decide(look("server-stopped")), Satisfied)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), "make the database anew from good"),
        (
            ("size=2048",),
            "make the database anew from good; the present one (2.1 MB) is kept beside it",
        ),
        (
            ("size=",),
            "make the database anew from good; the present one (of unknown size) is kept beside it",
        ),
    ],
)
def test_the_reset_happens_once_and_names_what_becomes_of_the_present_database(
    tmp_path: Path, lines: tuple[str, ...], told: str
) -> None:
    made = bundle(tmp_path)
    decision = databases(ClusterReset(made), *lines)
    assert isinstance(decision, Change)
    assert decision.summary == told
    assert (decision.once, decision.retry_safe) == (True, False)
    staged = "/var/lib/picluster/restore/on-demand-pi1-1"
    upload, reset = decision.actions
    assert upload == Upload(made.snapshot, staged, made.digest, mode=0o600)
    assert f"SNAPSHOT={staged}\n" in reset.script


def test_former_databases_are_named_with_their_sizes() -> None:
    told = databases(FormerDatabases(), "old=2048 /db/etcd-old-1", "old= /db/etcd-old-2")
    assert told == Satisfied(
        warning="kept: /db/etcd-old-1 (2.1 MB), /db/etcd-old-2 (of unknown size); "
        "delete it when all is well"
    )
    assert databases(FormerDatabases()) == Satisfied()


@pytest.mark.parametrize("line", ["size=much", "old=2048", "old=x /db"])
def test_sizes_that_are_none_are_unreadable(line: str) -> None:
    with pytest.raises(Unreadable):
        DATABASES.parse(Observation(out=line))


def test_passwords_of_nodes_are_forgotten_as_soon_as_the_api_answers() -> None:
    """Whatever the unit says: where K3s refuses its own node by its password, it never is up."""
    api, progress = ApiInMemory("pi1", "pi2", "pi3"), ProgressDouble()
    for name in ("pi1.node-password.k3s", "pi2.node-password.k3s", "other"):
        api.create("/api/v1/namespaces/kube-system/secrets", "v1", "Secret", name)

    def answer(_: str) -> str:
        api.away = progress.now < 20
        return "ActiveState=activating\nSubState=start\n"

    api.away = True
    step = RestoredServerRuns(Arrival("pi1", "k3s", "", True, 900))
    decision = step.decide(look(step.name, others={"pi2": RUNS, "pi3": printed()}))
    assert isinstance(decision, Change)
    forget = ForgetNodes(step.arrival, ("pi3",))
    assert decision.actions == (start("k3s"), forget, AwaitArrival(step.arrival))
    assert decision.once
    at = place(api, target="pi1", sessions=NodeAnswers(answer).sessions)
    forget.perform(replace(at, progress=progress))
    assert progress.now == 20
    assert "the API is away" in progress.states[0]
    assert api.writes[-3:] == [
        "DELETE /api/v1/namespaces/kube-system/secrets/pi1.node-password.k3s",
        "DELETE /api/v1/namespaces/kube-system/secrets/pi2.node-password.k3s",
        "DELETE /api/v1/nodes/pi3",
    ]
