"""The report of a real run and of a hostile one, opened in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from picluster.lab.requirements import missing
from picluster.model import load
from picluster.ui.report.page import as_html
from picluster.ui.report.story import tell
from picluster.ui.report.topology import topology_of
from tests.lab.bench import Bench
from tests.lab.browser import Tab, browser
from tests.requirements import PACKAGES
from tests.unit.ui.samples import busy_run, records

WIDTHS = (360, 1280)
HOSTILE = "</style><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"
OVERFLOWING = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BARS = """[...document.querySelectorAll('.bar')].map(bar => {
  const [own, track] = [bar.getBoundingClientRect(), bar.parentElement.getBoundingClientRect()];
  return {lane: bar.parentElement.dataset.lane, width: own.width, height: own.height,
          inside: own.left >= track.left - 1 && own.right <= track.right + 4};
})"""
NODES = "[...document.querySelectorAll('[data-node]')].map(node => node.dataset.node)"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory, lab_can_run: None) -> Iterator[Tab]:
    if "chromium" in missing(PACKAGES):
        if os.environ.get("PICLUSTER_LAB") == "required":
            pytest.fail("chromium is missing: `make test-deps` installs it")
        pytest.skip("chromium is missing: `make test-deps` installs it")
    with browser(tmp_path_factory.mktemp("chromium") / "profile") as opened:
        yield opened


@pytest.fixture(scope="module")
def page(solo: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report about a real `up` of a node."""
    solo.reflash(solo.node(1))
    solo.picluster("up")
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert solo.picluster("report", "--output", str(path)).out.strip() == str(path)
    return path


@pytest.mark.parametrize("width", WIDTHS)
def test_a_real_run_is_drawn_and_fits(tab: Tab, page: Path, solo: Bench, width: int) -> None:
    tab.events.clear()
    tab.open(page, width)
    assert tab.ask("document.querySelector('#verdict').innerText") == "went well"
    assert tab.ask(NODES) == [node.name for node in solo.nodes]
    bars = tab.ask(BARS)
    assert {bar["lane"] for bar in bars} == {solo.node(1).name, "cluster"}
    assert all(bar["width"] >= 2 and bar["height"] > 8 and bar["inside"] for bar in bars), bars
    assert "K3s stand-in" in tab.ask("document.querySelector('.notice').innerText")
    assert tab.ask(OVERFLOWING) == 0
    assert tab.complaints() == []
    assert tab.fetched() == [page.as_uri()], "it loads something from elsewhere"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_long_run_on_seven_nodes_fits_too(tab: Tab, tmp_path: Path, width: int) -> None:
    cluster = load(ROOT / "examples" / "cluster.yaml").cluster
    html = as_html("long", tell(records(busy_run(nodes=7, steps=40))), topology_of(cluster), "1")
    path = tmp_path / "long.html"
    path.write_text(html)
    tab.open(path, width)
    bars = tab.ask(BARS)
    assert len(bars) == 7 * 40
    assert all(bar["inside"] and bar["width"] >= 2 for bar in bars)
    assert tab.ask(OVERFLOWING) == 0


def test_what_a_hostile_node_says_stays_text(tab: Tab, tmp_path: Path) -> None:
    story = tell(records(busy_run(nodes=2, steps=2, says=HOSTILE)))
    cluster = load(ROOT / "examples" / "ha.yaml").cluster
    evil = cluster.nodes[0].model_copy(update={"address": HOSTILE})
    cluster = cluster.model_copy(update={"nodes": (evil, *cluster.nodes[1:])})
    topology = replace(topology_of(cluster), k3s=HOSTILE)
    path = tmp_path / "hostile.html"
    path.write_text(as_html(HOSTILE, story, topology, HOSTILE))
    tab.events.clear()
    tab.open(path, 1280)
    assert tab.ask("document.title") == f"up {HOSTILE} - picluster"
    assert tab.ask("document.querySelectorAll('script, img').length") == 0
    assert HOSTILE in tab.ask("document.querySelector('#failures').innerText")
    assert tab.complaints() == []
