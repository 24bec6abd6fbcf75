"""kubeconfig texts: reading K3s's, and merging into a user's without losing anything of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes.config import new_client_from_config_dict
from tests.unit.kube.kube_double import b64
from tests.unit.kube.kubeconfig_samples import K3S, KEY, USER, entry

from picluster.errors import PiclusterError
from picluster.kube.kubeconfig import MARK, document, merge, parse, remove
from picluster.secret import redact


def test_k3s_yaml_is_read() -> None:
    found = parse(K3S)
    assert (found.server, found.port, found.ca) == ("https://127.0.0.1:6444", 6444, "CA-ONE")
    assert found.key.reveal() == KEY


def test_the_same_credentials_are_equal_wherever_the_api_is_reached() -> None:
    assert parse(document(entry())) == parse(K3S)


def test_the_key_is_masked_in_both_of_its_forms_and_ordinary_lines_are_not() -> None:
    parse(K3S)
    assert redact(f"x {b64(KEY)} x") == "x *** x"
    assert "MHcCAQEEIKeyKeyKeyKey" not in redact(KEY)
    assert redact("kind: Config") == "kind: Config"
    assert KEY not in repr(parse(K3S))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a: [", "clusters: []", K3S.replace("client-key-data", "x"),
     K3S.replace(b64("CERT"), "***"), K3S.replace("127.0.0.1:6444", "127.0.0.1:port")],
)  # fmt: skip
def test_what_is_no_admin_kubeconfig_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(PiclusterError, match="not an admin kubeconfig") as caught:
        parse(text)
    assert b64(KEY) not in str(caught.value)


def test_a_document_of_its_own_has_all_that_kubectl_wants() -> None:
    made = yaml.safe_load(document(entry()))
    assert list(made)[:2] == ["apiVersion", "kind"]
    assert made["current-context"] == "home"
    assert made["contexts"][0]["name"] == "home"
    assert made["contexts"][0]["context"]["cluster"] == "home"
    assert made["clusters"][0]["cluster"]["server"] == "https://192.0.2.10:6443"
    assert parse(document(entry())).ca == "CA-ONE"


def test_kubernetes_own_loader_reads_it() -> None:
    made = yaml.safe_load(document(entry()))
    load: Any = new_client_from_config_dict
    assert load(made).configuration.host == "https://192.0.2.10:6443"


def test_a_users_file_keeps_every_scalar_and_its_current_context() -> None:
    text = merge(USER, entry())
    for scalar in ("2024-01-02", "0123", "1e3", "12:30:45", "yes]"):
        assert scalar in text
    made = yaml.safe_load(text)
    assert made["current-context"] == "work"
    assert [each["name"] for each in made["contexts"]] == ["work", "home"]


def test_merging_again_returns_the_very_same_text() -> None:
    once = merge(USER, entry())
    commented = "# kept\n" + once
    assert merge(commented, entry()) is commented


def test_an_entry_of_ours_is_updated_in_place_and_keeps_what_the_user_chose() -> None:
    made = yaml.safe_load(merge(USER, entry()))
    made["contexts"][1]["context"]["namespace"] = "apps"
    made["clusters"][1]["cluster"]["proxy-url"] = "http://proxy"
    made["clusters"][1]["cluster"]["insecure-skip-tls-verify"] = True
    made["users"][1]["user"]["token"] = "stale"
    made["clusters"].reverse()
    changed = entry(server="https://192.0.2.99:6443", ca="CA-TWO", certificate="CERT2")
    after = yaml.safe_load(merge(yaml.safe_dump(made), changed))
    assert [each["name"] for each in after["clusters"]] == ["home", "work"]
    cluster = after["clusters"][0]["cluster"]
    assert cluster["server"] == "https://192.0.2.99:6443"
    assert cluster["proxy-url"] == "http://proxy"
    assert "insecure-skip-tls-verify" not in cluster
    assert after["contexts"][1]["context"]["namespace"] == "apps"
    assert "token" not in after["users"][1]["user"]
    assert after["users"][1]["user"]["client-certificate-data"] == b64("CERT2")


def test_another_tools_extension_stays_beside_the_mark() -> None:
    made = yaml.safe_load(document(entry()))
    made["clusters"][0]["cluster"]["extensions"].insert(0, {"name": "x", "extension": {"a": 1}})
    text = yaml.safe_dump(made)
    assert merge(text, entry()) == text


def test_an_unmarked_entry_of_the_same_cluster_is_adopted() -> None:
    by_hand = K3S.replace("name: default", "name: home").replace(": default", ": home")
    made = yaml.safe_load(merge(by_hand, entry()))
    assert len(made["clusters"]) == len(made["users"]) == len(made["contexts"]) == 1
    assert made["clusters"][0]["cluster"]["extensions"][0]["name"] == MARK


@pytest.mark.parametrize("name", ["work", "me"])
def test_a_name_that_is_taken_by_something_else_is_refused(name: str) -> None:
    with pytest.raises(PiclusterError, match="did not write"):
        merge(USER, entry(name))


def test_a_users_entry_is_not_adopted_through_somebody_elses_context() -> None:
    text = "users: [{name: home, user: {token: t}}]\ncontexts: [{name: home, context: {}}]"
    with pytest.raises(PiclusterError, match="a context called home"):
        merge(text, entry())


def test_an_alias_shared_with_a_users_entry_is_not_edited_through() -> None:
    made = yaml.safe_load(document(entry()))
    made["users"].append({"name": "mine", "user": made["users"][0]["user"]})
    text = yaml.safe_dump(made)
    assert "*id" in text
    after = yaml.safe_load(merge(text, entry(certificate="CERT2")))
    assert after["users"][1]["user"]["client-certificate-data"] == b64("CERT")


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "a: b: c",
        "- list",
        "just text",
        "clusters: {}",
        "--- {}\n--- {}",
        "a: &x *y",
        "a: &x [*x]",
    ],
)
def test_a_broken_kubeconfig_is_refused(text: str) -> None:
    with pytest.raises(PiclusterError, match="cannot be read"):
        merge(text, entry())


def test_a_broken_kubeconfig_is_not_quoted() -> None:
    with pytest.raises(PiclusterError) as caught:
        merge("users:\n  token: 'hunter2hunter2\n  x: [", entry())
    assert "hunter2" not in str(caught.value)
    assert "line" in str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "null", "{}", "clusters: null\nusers:\n"])
def test_an_empty_kubeconfig_is_filled(text: str) -> None:
    assert yaml.safe_load(merge(text, entry()))["users"][0]["name"] == "home"


def test_json_is_a_kubeconfig_too() -> None:
    made = yaml.safe_load(merge('{"contexts": [{"name": "a", "context": {}}]}', entry()))
    assert [each["name"] for each in made["contexts"]] == ["a", "home"]


def test_remove_undoes_merge() -> None:
    merged = merge(USER, entry())
    assert yaml.safe_load(remove(merged, "home")) == yaml.safe_load(USER)
    assert remove(USER, "home") is USER


def test_remove_clears_a_current_context_that_is_gone() -> None:
    assert yaml.safe_load(remove(document(entry()), "home"))["current-context"] == ""


def test_remove_leaves_the_users_entries_alone() -> None:
    assert remove(USER, "work") is USER


# ------------------------------------------------------------------ whatever the user has

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.dates(), st.text(max_size=12),
    st.floats(allow_nan=False),
)  # fmt: skip
words = st.text("abcdefgh-.", min_size=1, max_size=6)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def listed(inner: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    item = st.fixed_dictionaries(
        {"name": words.map("u-".__add__), inner: st.dictionaries(words, values, max_size=3)}
    )
    return st.lists(item, max_size=4)


kubeconfigs = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.just("v1"),
        "kind": st.just("Config"),
        "clusters": listed("cluster"),
        "users": listed("user"),
        "contexts": listed("context"),
        "current-context": words,
        "preferences": st.dictionaries(words, values, max_size=2),
        "x-anything": values,
    },
)
styles = st.sampled_from([None, True, False])


@settings(max_examples=40)
@given(kubeconfigs, styles)
def test_merge_loses_nothing(users: dict[str, Any], style: bool | None) -> None:
    text = yaml.safe_dump(users, default_flow_style=style)
    after = yaml.safe_load(merge(text, entry()))
    expected = copy.deepcopy(users)
    for section in ("clusters", "users", "contexts"):
        assert after[section][:-1] == (expected.pop(section, None) or [])
        assert after.pop(section)[-1]["name"] == "home"
    expected.setdefault("current-context", "home")
    assert after == {"apiVersion": "v1", "kind": "Config", **expected}


@settings(max_examples=40)
@given(kubeconfigs, styles)
def test_merge_is_idempotent_and_remove_is_its_inverse(
    users: dict[str, Any], style: bool | None
) -> None:
    text = yaml.safe_dump(users, default_flow_style=style)
    once = merge(text, entry())
    assert merge(once, entry()) == once
    undone = yaml.safe_load(remove(once, "home"))
    for section in ("clusters", "users", "contexts"):
        assert (undone.get(section) or []) == (users.get(section) or [])
