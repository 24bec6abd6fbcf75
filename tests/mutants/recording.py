"""A pytest plugin that writes down which lines each test runs, and how long it takes.

One file for each worker of xdist. What runs while modules are imported or tests are collected is
under the name "": all modules are imported before, so that none counts as run by the test that
would have been the first to import it.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

from tests.mutants.reach import PLACE

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "picluster"

_recorder = coverage.Coverage(data_file=None, config_file=False, source=[str(SOURCE)])
_recorder.start()
_seconds: dict[str, float] = {}
_failed: set[str] = set()


def pytest_sessionstart() -> None:
    package = importlib.import_module("picluster")
    for module in pkgutil.walk_packages(package.__path__, "picluster."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    _recorder.switch_context(item.nodeid)
    began = time.monotonic()
    try:
        return (yield)
    finally:
        _seconds[item.nodeid] = round(time.monotonic() - began, 3)
        _recorder.switch_context("")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _failed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    _recorder.stop()
    data = _recorder.get_data()
    masks: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for file in data.measured_files():
        module = str(Path(file).relative_to(ROOT))
        for line, tests in data.contexts_by_lineno(file).items():
            for test in tests:
                masks[test][module] |= 1 << line
    lines = {test: {file: hex(mask) for file, mask in each.items()} for test, each in masks.items()}
    path = Path(os.environ[PLACE]) / f"{os.environ.get('PYTEST_XDIST_WORKER', 'all')}.json"
    path.write_text(json.dumps({"lines": lines, "seconds": _seconds, "failed": sorted(_failed)}))
