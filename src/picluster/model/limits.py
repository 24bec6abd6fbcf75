"""How long to wait, and how much to do at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from picluster.model.duration import Duration
from picluster.model.scalars import whole
from picluster.model.section import Section


class Limits(Section):
    """How long to wait, and how much to do at once; the defaults suit Pis on SD cards."""

    connect: Duration = 15
    """Longest wait for a node to answer over SSH, in seconds or as 15s."""
    command: Duration = 900
    """Longest time one command may take on a node, in seconds or as 15m."""
    reboot: Duration = 600
    """Longest wait for a node to come back from a reboot, in seconds or as 10m."""
    node_ready: Duration = 900
    """Longest wait for a node to be Ready after K3s starts, in seconds or as 15m."""
    drain: Duration = 600
    """Longest wait for pods to leave a node that is drained, in seconds or as 10m."""
    build: Duration = 7200
    """Longest time that building one image may take, in seconds or as 2h."""
    rollout: Duration = 1200
    """Longest wait for an application's pods to run, in seconds or as 20m."""
    parallel: Annotated[int, Field(ge=1, le=100), BeforeValidator(whole)] = 10
    """How many nodes are worked on at the same time."""
    max_unavailable: Annotated[int, Field(ge=1, le=100), BeforeValidator(whole)] = 1
    """How many agents may be down at once for a restart; servers go one at a time."""
