"""The report's HTML: a template that a run's story is filled into, and that escapes all of it."""

from __future__ import annotations

import time
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from picluster.secret import redact
from picluster.ui.report.axis import Axis
from picluster.ui.report.flame import KINDS
from picluster.ui.report.story import Story
from picluster.ui.report.topology import Topology
from picluster.ui.words import duration, safe, without


def as_html(name: str, story: Story, topology: Topology, version: str) -> str:
    """Return the page about the run of that name; `version` is picluster's own."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            name=name,
            story=story,
            topology=topology,
            version=version,
            axis=Axis(story.seconds),
            kinds=KINDS,
            began=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(story.began)),
            verdict=verdict(story),
        )
    )


def verdict(story: Story) -> tuple[str, str]:
    """Return the run's outcome, as its colour's name and in words."""
    if story.exit_code is None:
        return "failed", "was cut off"
    if story.exit_code:
        return "failed", f"failed with exit code {story.exit_code}"
    changes = any(bar.outcome == "changed" for bar in story.bars)
    return "ok", "went well" if changes else "went well, nothing to do"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("picluster.ui.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "without": without}
    return environment


def _clean(value: Any) -> Any:
    """Take what could be secret, and control characters, out of every text that is filled in."""
    return safe(redact(value)) if type(value) is str else value
