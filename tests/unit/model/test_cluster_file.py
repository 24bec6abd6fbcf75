"""The file itself: where it is, what it is, and YAML's own ways to go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from picluster.errors import ConfigInvalid
from picluster.model import ClusterFileInvalid, load, parse


def test_a_missing_file_is_named_with_a_way_out(tmp_path):
    with pytest.raises(ConfigInvalid, match=r"gone\.yaml: does not exist") as caught:
        load(tmp_path / "gone.yaml")
    assert "picluster init" in caught.value.fix


def test_a_directory_is_not_a_cluster_file(tmp_path):
    with pytest.raises(ConfigInvalid, match="is a directory"):
        load(tmp_path)


def test_a_path_that_no_file_can_have_is_refused():
    with pytest.raises(ConfigInvalid):
        load("cluster\0.yaml")
    with pytest.raises(ConfigInvalid):
        load("x" * 5000)


def test_a_file_that_may_not_be_read_is_refused_with_the_reason(tmp_path, monkeypatch, smallest):
    path = tmp_path / "cluster.yaml"
    path.write_text(smallest)

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ConfigInvalid, match="permission denied"):
        load(path)


def test_bytes_that_are_not_utf8_are_refused_with_their_place(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_bytes(b"name: small\n# caf\xe9\n")
    with pytest.raises(ClusterFileInvalid) as caught:
        load(path)
    assert caught.value.problems[0].where("f") == "f:2:6"
    assert "UTF-8" in str(caught.value)


def test_a_byte_order_mark_does_no_harm(tmp_path, smallest):
    path = tmp_path / "cluster.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + smallest.encode())
    assert load(path).cluster.name == "small"


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigInvalid, match="larger than 1 MiB"):
        load(path)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "---\n", "~", "null"])
def test_an_empty_file_is_called_empty(refusals, text):
    assert "is empty" in refusals(text)[0].what


@pytest.mark.parametrize("text", ["just words", "- a\n- b\n", "42", "[]", "''"])
def test_a_file_that_is_not_a_mapping_is_refused(refusals, text):
    assert "not a mapping" in refusals(text)[0].what


def test_a_yaml_mistake_is_shown_with_its_place(refusals):
    problem = refusals("name: small\nnodes: [a, b\nk3s: {}\n")[0]
    assert (problem.line, problem.column) == (3, 4)
    assert "not valid YAML" in problem.what


def test_a_tab_is_named_as_the_culprit(refusals):
    problem = refusals("name: small\nnodes:\n\t- name: pi1\n")[0]
    assert problem.line == 3
    assert "spaces instead of tabs" in problem.fix


def test_a_control_character_is_refused_with_its_place(refusals):
    problem = refusals("name: small\ndomain: a\x07b\n")[0]
    assert (problem.line, problem.column) == (2, 10)


def test_a_repeated_key_is_refused_with_the_line_of_the_first(refusal):
    problem = refusal("name: other\n")
    assert (problem.line, problem.column) == (6, 1)
    assert "already given in line 1" in problem.what


def test_a_repeated_key_is_found_at_any_depth_along_with_other_problems(refusals, smallest):
    problems = refusals(smallest + "    role: agent\nk3s: {version: new}\n")
    assert [problem.line for problem in problems] == [6, 7]


def test_a_second_document_is_refused(refusal):
    assert "second document" in refusal("---\nname: two\n").what


def test_a_tag_is_refused(refusals):
    problems = refusals("name: !!python/object:os.system small\nnodes: !mine []\n")
    assert [problem.line for problem in problems if "has the tag" in problem.what] == [1, 2]


def test_a_mapping_in_place_of_a_key_is_refused(refusals):
    assert any("in the place of a key" in p.what for p in refusals("? {a: b}\n: c\nname: x\n"))


def test_an_unknown_anchor_is_refused_with_its_place(refusals):
    problem = refusals("name: *nobody\n")[0]
    assert (problem.line, problem.column) == (1, 7)
    assert "not defined" in problem.what


def test_an_anchor_that_contains_itself_is_refused(refusals):
    assert "contains itself" in refusals("nodes: &n [*n]\n")[0].what


def test_a_few_lines_cannot_grow_into_billions_of_values(refusals):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "more than 50000 values" in refusals("\n".join(lines))[0].what


def test_deep_nesting_is_refused_however_it_is_written(refusals):
    assert "too deeply" in refusals("a: " + "[" * 5000)[0].what
    links = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 300)]
    assert "too deeply" in refusals("\n".join(links))[0].what


def test_anchors_and_merge_keys_work():
    loaded = parse(
        "name: small\n"
        "nodes:\n"
        "  - &first {name: pi1, address: 10.0.0.11, role: server, labels: &l {tier: a}}\n"
        "  - {<<: *first, name: pi2, address: 10.0.0.12, role: agent}\n"
        "  - {name: pi3, address: 10.0.0.13, role: agent, labels: *l}\n"
    )
    assert [node.labels for node in loaded.cluster.nodes] == [{"tier": "a"}] * 3
    assert loaded.origins["nodes[1].labels.tier"] == "cluster.yaml:3"


def test_merging_something_else_than_a_mapping_is_refused(refusals):
    problems = refusals("x: &x [1]\nname: small\nssh: {<<: *x}\n")
    assert any("is merged here, and is not a mapping" in problem.what for problem in problems)


def test_every_problem_is_shown_at_once_in_the_order_of_the_file():
    text = (
        "name: Small\n"
        "nodes:\n"
        "  - {name: pi1, address: 10.0.0.11, role: server}\n"
        "  - {name: pi1, address: 10.0.0.12, role: agent, label: {}}\n"
        "k3s:\n"
        "  version: latest\n"
        "registry: {node: pi9}\n"
    )
    with pytest.raises(ClusterFileInvalid) as caught:
        parse(text, "my/cluster.yaml")
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (1, "name"),
        (4, "nodes[1].name"),
        (4, "nodes[1].label"),
        (6, "k3s.version"),
        (7, "registry.node"),
    ]
    assert "my/cluster.yaml:6:12: k3s.version 'latest' is not a K3s version" in str(caught.value)
    assert str(caught.value).count("fix: ") == 5


def test_a_long_list_of_problems_is_cut_short_in_the_message_only(smallest):
    with pytest.raises(ClusterFileInvalid) as caught:
        parse(smallest + "".join(f"key{i}: 1\n" for i in range(70)))
    assert len(caught.value.problems) == 70
    assert "... and 20 more" in str(caught.value)


def test_a_long_or_many_line_value_is_shown_short_and_on_one_line(refusal):
    problem = refusal('domain: "' + "x" * 500 + '\\n"\n')
    assert len(problem.sentence()) < 200
    assert "\n" not in problem.sentence()


@pytest.mark.parametrize(
    "text",
    [
        "name: a\nnodes: [b, c\n",
        "name: a\n\tb: c\n",
        "name: a\nb: \x07\n",
        "a: &a [*a]",
        "a: " + "[" * 500,
        "\ud800",
        "name: 'a'\nname: b\ndomain: ~\nssh: '~'\n<<: {k3s: 5}\n",
    ],
)
def test_yaml_without_its_c_library_is_read_alike(monkeypatch, text):
    def places():
        with pytest.raises(ClusterFileInvalid) as caught:
            parse(text)
        return [(problem.line, problem.path, problem.fix) for problem in caught.value.problems]

    fast = places()
    monkeypatch.setattr("picluster.model.yaml_tree._Loader", yaml.SafeLoader)
    assert places() == fast


def test_relative_paths_start_from_the_directory_of_the_file(tmp_path, smallest):
    path = tmp_path / "cluster.yaml"
    path.write_text(smallest + "ssh: {key: keys/id, password: file:pw}\nk3s: {airgap_dir: ~/k3s}\n")
    cluster = load(path).cluster
    assert cluster.ssh.key == tmp_path / "keys/id"
    assert cluster.ssh.password.target == str(tmp_path / "pw")
    assert cluster.k3s.airgap_dir == Path.home() / "k3s"
