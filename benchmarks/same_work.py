"""The rivals' work, in picluster's engine, for nodes that are given as theirs are: by address.

`python -m benchmarks.same_work KEY KNOWN_HOSTS PORT whole|light ADDRESS...`
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.measure import COUNTS
from benchmarks.wanted import FILES, packages_of
from picluster.engine.events import Event, TargetFailed
from picluster.engine.phase import Phase, Stage
from picluster.engine.pool import Sessions
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.run import RunState
from picluster.engine.runner import run_phase
from picluster.engine.step import Change, Decision, Satisfied, Step
from picluster.engine.step import Run as RunScript
from picluster.engine.survey import Look
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys
from picluster.steps.files import ManagedFile
from picluster.steps.host.packages import Packages


def _lines(seen: Observation) -> tuple[str, ...]:
    return tuple(seen.lines)


@dataclass(frozen=True, slots=True)
class ServiceRuns:
    unit: str
    name: str = "service"
    title: str = "the service is enabled and runs"

    def probe(self) -> ShellProbe[tuple[str, ...]]:
        script = f"systemctl is-enabled {self.unit}; systemctl is-active {self.unit}"
        return ShellProbe(self.name, script, _lines)

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()) == ("enabled", "active"):
            return Satisfied()
        return Change("start it", (RunScript(f"systemctl enable --now {self.unit}"),))


def steps(*, light: bool) -> list[Step]:
    files = [ManagedFile(path, path, text) for path, text in FILES.items()]
    service = [] if light else [ServiceRuns("ssh")]
    return [Packages(packages_of(light=light), 3600), *files, *service]


def _tell(event: Event) -> None:
    if isinstance(event, TargetFailed):
        print(event, file=sys.stderr)


def main(key: str, known_hosts: str, port: str, kind: str, *addresses: str) -> None:
    login = partial(Endpoint, port=int(port), user="pi", key=Path(key))
    endpoints = {address: login(address, address) for address in addresses}
    connector = SshConnector(endpoints, HostKeys(Path(known_hosts)))
    sessions = Sessions(connector)
    run = RunState(sessions, _tell)
    try:
        sessions.open_all(addresses)
        stage = Stage("the same work", {name: steps(light=kind == "light") for name in addresses})
        run_phase(Phase("bench", "the same work", (stage,)), run)
    finally:
        sessions.close_all()
    spent = connector.traffic
    # Light nodes number their processes together with this computer's.
    names = [name for name in COUNTS if kind == "whole" or name != "forks"]
    changed = sum(tally.changed for tally in run.tallies())
    print(json.dumps({name: getattr(spent, name) for name in names} | {"changed": changed}))
    sys.exit(run.exit_code())


if __name__ == "__main__":
    main(*sys.argv[1:])
