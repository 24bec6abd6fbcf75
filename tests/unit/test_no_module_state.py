"""No module of picluster keeps state: what a run needs, a run makes and hands on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.module_state import Found, state_of

import picluster

ALLOWED = {
    ("picluster.secret", "_known"): "a secret is masked wherever its text comes from, so that "
    "there is one list of them in a process; its lock is beside it",
    ("picluster.engine.shell", "_script"): "the text of a file of ours",
    ("picluster.secret", "_lock"): "guards the list of secrets",
    ("picluster.model.explain", "fields"): "a pure function of the model's classes: to make it "
    "twice does no harm",
    ("picluster.kube.kinds", "KNOWN"): "a table of frozen objects, read by `get` alone",
    ("picluster.model.own_directory", "_TAKEN"): "a tuple of paths, which do not change",
    ("picluster.model.releases", "KNOWN"): "facts of a file of ours, read once into frozen objects",
    ("picluster.steps.k3s.vip", "MANIFEST"): "a frozen probe",
    ("picluster.lab.base_tree", "_ON_OFFER"): "names of packages; the model that has them is gone",
    ("picluster.__main__", "os.environ"): "pydantic reads it once, when it is imported, before any "
    "thread of ours",
    ("picluster.apps.opentakserver.launcher", "sys.argv"): "a program of its own in a container",
}
"""What is allowed, and why."""


def sources() -> dict[str, str]:
    root = Path(picluster.__file__).parent
    return {
        ".".join(("picluster", *path.relative_to(root).with_suffix("").parts)): path.read_text()
        for path in root.rglob("*.py")
    }


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return state_of(sources())


def test_no_module_keeps_state(found: list[Found]) -> None:
    unknown = [each for each in found if (each.module, each.name) not in ALLOWED]
    assert not unknown, "\n".join(map(str, ["state of a module:", *unknown]))


def test_what_is_allowed_is_still_there(found: list[Found]) -> None:
    assert ALLOWED.keys() - {(each.module, each.name) for each in found} == set()


STATE = {
    "bound again": "count = 0\ndef f():\n    global count\n    count += 1\n",
    "an item set": "KNOWN = {}\ndef f(key):\n    KNOWN[key] = 1\n",
    "an item deleted": "KNOWN = {'a': 1}\ndef f():\n    del KNOWN['a']\n",
    "an item counted up": "KNOWN = {'a': 1}\ndef f():\n    KNOWN['a'] += 1\n",
    "appended to": "SEEN: list[str] = []\ndef f(it):\n    SEEN.append(it)\n",
    "made by a call": "from collections import deque\nSEEN = deque()\ndef f():\n    SEEN.clear()\n",
    "shared by a class": "class A:\n    seen = []\ndef f():\n    A.seen.append(1)\n",
    "made in a branch": "if True:\n    SEEN = set()\ndef f():\n    SEEN.add(1)\n",
    "a lock": "import threading\nLOCK = threading.Lock()\n",
    "an object": "class Thing:\n    pass\nTHING = Thing()\n",
    "an object in a table": "class Thing:\n    pass\nTHINGS = {'a': (Thing(),)}\n",
    "a cache": "from functools import cache\n@cache\ndef f():\n    return 1\n",
    "a cache with a size": "import functools\n@functools.lru_cache(maxsize=1)\ndef f():\n    1\n",
    "a module's attribute": "from picluster.cli import crash\ndef f():\n    crash.directory = 1\n",
    "a class's attribute": "class A:\n    @classmethod\n    def f(cls):\n        cls.last = 1\n",
    "the working directory": "import os\ndef f():\n    os.chdir('/')\n",
    "the umask": "from os import umask\ndef f():\n    umask(0)\n",
    "the environment": "import os\ndef f():\n    os.environ['A'] = 'b'\n",
}


@pytest.mark.parametrize("text", STATE.values(), ids=STATE)
def test_state_is_found(text: str) -> None:
    assert state_of({"it": text})


def test_state_of_another_module_is_found() -> None:
    made = {"a.table": "KNOWN = {}\n"}
    by_name = "from a.table import KNOWN\ndef f():\n    KNOWN['a'] = 1\n"
    by_module = "from a import table\ndef f():\n    table.KNOWN.update(a=1)\n"
    assert [each.module for each in state_of(made | {"b": by_name, "c": by_module})] == ["b", "c"]


NONE = {
    "a table": "UNITS = {'m': 60}\ndef f(it):\n    return UNITS[it]\n",
    "a copy of a table": "UNITS = {'m': 60}\ndef f():\n    mine = dict(UNITS)\n    mine['h'] = 1\n",
    "a pattern": "import re\nNAME = re.compile('a')\n",
    "a frozen object": "@dataclass(frozen=True)\nclass A:\n    b: int\nA1 = A(1)\n",
    "a field": "@dataclass\nclass A:\n    b: list = field(default_factory=list)\n",
    "a local list": "def f():\n    seen = []\n    seen.append(1)\n",
    "an object's own list": "class A:\n    def __init__(self):\n        self.seen = []\n"
    "    def f(self):\n        self.seen.append(1)\n",
    "a function for later": "MAKE = {'a': lambda: Thing()}\n",
}


@pytest.mark.parametrize("text", NONE.values(), ids=NONE)
def test_what_cannot_change_or_is_nobody_elses_is_none(text: str) -> None:
    assert state_of({"it": text}) == []
