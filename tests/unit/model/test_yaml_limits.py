"""YAML from elsewhere, hostile or huge: refused with file and line, and nothing else happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.steps.manifests.bombs import ALIASES, DEEP, DEEP_ALIASES, ITSELF

from picluster.apps.user_apps import AppSource
from picluster.cli.init import init
from picluster.engine.place import Tools
from picluster.errors import ConfigInvalid
from picluster.model.ansible_files import read_hosts
from picluster.model.ansible_inventory import read_inventory
from picluster.model.apps import App
from picluster.model.yaml_limits import check_limits
from picluster.steps.manifests.objects import parse_objects

HOSTILE = {"deep": DEEP, "aliases": ALIASES, "deep aliases": DEEP_ALIASES, "itself": ITSELF}
READ = {
    "manifest": "from picluster.steps.manifests.objects import parse_objects as read",
    "inventory": "from picluster.model.ansible_inventory import read_inventory as read",
}


@pytest.mark.parametrize("reader", READ.values(), ids=READ)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_a_configuration_error_with_file_and_line(text: str, reader: str) -> None:
    """In a process of its own: the fault was one that ended the process."""
    program = (
        f"{reader}\nimport sys\nfrom picluster.errors import ConfigInvalid\n"
        "try:\n    read(sys.stdin.read(), 'x.yaml')\n"
        "except ConfigInvalid as error:\n    print('refused', error.where)\n"
    )
    done = subprocess.run(
        ["prlimit", "--as=2000000000", "--cpu=10", sys.executable, "-c", program],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("refused x.yaml:"), (done.returncode, done.stderr[-300:])


def test_what_is_large_and_plain_is_taken() -> None:
    check_limits("a: &a [1, 2]\nb: [*a, *a]\n")
    check_limits("".join(f"{'  ' * level}k:\n" for level in range(90)))
    check_limits("[" + "x, " * 100_000 + "x]")


META = "apiVersion: v1\nkind: Secret\nmetadata: "
ODD = {
    "a list for metadata": f"{META}[a]\n",
    "a list as namespace": f"{META}{{name: a, namespace: [b]}}\n",
    "labels that are a list": f"{META}{{name: a, labels: [b]}}\n",
    "data that is a text": f"{META}{{name: a}}\nstringData: b\n",
    "keys of two kinds": f"{META}{{name: a}}\nspec: {{1: a, b: c}}\n",
    "a date that is none": f"{META}{{name: a}}\nspec: 2024-13-45\n",
    "a number that is none": f"{META}{{name: a}}\nspec: !!int x\n",
    "items that are a number": "apiVersion: v1\nkind: List\nitems: 5\n",
    "half a character": f'{META}{{name: a}}\nspec: "\\ud800"\n',
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_an_odd_manifest_is_a_configuration_error_that_names_the_file(text: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        parse_objects(text, "x.yaml")
    assert refused.value.where.startswith("x.yaml")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[server]\npi[0:999][0:999][0:999]\n", "hosts"),
        ("server: {hosts: {'pi[0:999][0:999][0:999]': {}}}\n", "hosts.yml"),
        ("".join(f"[g{number}]\nh\n" for number in range(600)), "hosts"),
        ("a: 2024-13-45\n", "hosts.yml"),
        ("a: \x00\n", "hosts.yml"),
    ],
    ids=["ranges", "ranges in YAML", "groups", "a date that is none", "a null byte"],
)
def test_an_inventory_beyond_all_bounds_is_a_configuration_error(text: str, path: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        read_inventory(text, path)
    assert refused.value.where.startswith(path)


def test_a_file_larger_than_any_is_of_use_is_a_configuration_error(tmp_path: Path) -> None:
    with (tmp_path / "app.yaml").open("w") as file:
        file.truncate(1 << 36)
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        AppSource(App(name="web", path=tmp_path / "app.yaml"), tmp_path)(Tools())
    with pytest.raises(ConfigInvalid, match="too large"):
        read_hosts(Path("/dev/zero"))


def test_a_deep_literal_of_an_inventory_is_a_text() -> None:
    (host,) = read_inventory(f"[server]\npi x={'-' * 9000}1\n", "hosts")
    assert host.vars["x"] == f"{'-' * 9000}1"


def test_an_inventory_does_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hosts.yml").write_text(
        'server: {hosts: {pi1: {ansible_host: 10.0.0.1, "a\\e[2Jb": 1}}}\n'
        'others: {hosts: {"\\e]0;mine\\a": {}}}\n'
    )
    init(from_ansible=tmp_path / "hosts.yml", output=tmp_path / "cluster.yaml")
    said = capsys.readouterr().out
    assert "[2Jb" in said
    assert not {"\x1b", "\x07"} & set(said)
