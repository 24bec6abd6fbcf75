"""Clusters of two good nodes and a bad one, over SSH, and what each command makes of them."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.shell_nodes import ShellNodes
from tests.doubles.ssh_node import SshNode
from tests.doubles.well_node import PREPARED, Notes, WellNode, k3s, names_of, packed, prepared
from tests.unit.kube.kube_double import Authority, k3s_yaml
from tests.unit.phases.sites import site_on

from picluster import commands
from picluster.commands import Build
from picluster.engine.events import TargetFailed
from picluster.engine.journal import Journal
from picluster.engine.phase import Phase
from picluster.engine.plan import PhasePlan
from picluster.engine.pool import Sessions
from picluster.engine.session import Completed, OnOutput, Traffic
from picluster.engine.step import Step
from picluster.errors import NodeError, PiclusterError
from picluster.kube import health
from picluster.kube.errors import ApiUnavailable
from picluster.kube.kubeconfig import document, rewrite
from picluster.kube.kubeconfig import parse as parse_kubeconfig
from picluster.kube.nodes import NodeState
from picluster.model import Cluster, parse
from picluster.operations.execution import run_everywhere
from picluster.operations.reset import reset
from picluster.operations.restart import restart
from picluster.operations.upgrade import upgrade
from picluster.paths import Here
from picluster.phases.catalog import PHASES
from picluster.phases.preflight import preflight
from picluster.queries.doctor import checks_of, diagnose
from picluster.queries.status import status
from picluster.queries.validate import validate
from picluster.secret import Secret
from picluster.site import Scope, Site, make_site
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import Endpoint
from picluster.ssh.host_keys import HostKeys, accept_new
from picluster.ssh.session import SshSession
from picluster.ssh.user_config import UserConfig
from picluster.steps.doctor.finding import Light
from picluster.steps.k3s import paths
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.k3s.token import choose_token
from picluster.steps.vitals import VITALS
from picluster.ui.node_lines import Printer
from picluster.ui.recap import Recap
from picluster.ui.words import ASCII

RELEASE, FORMER = "v1.33.4+k3s1", "v1.33.3+k3s1"
"""What the commands are told that the cluster file says, and what it does say at first."""


def _cluster(*roles: str) -> Cluster:
    nodes = [
        f"{{name: pi{number}, address: 10.0.0.{number}, role: {role}}}"
        for number, role in enumerate(roles, 1)
    ]
    return parse(
        f"{{name: home, nodes: [{', '.join(nodes)}], limits: {{node_ready: 1s}},"
        f" k3s: {{version: {RELEASE}, token: 'env:TOKEN'}}}}"
    ).cluster


ONE_SERVER, THREE_SERVERS = _cluster("server", "agent", "agent"), _cluster(*["server"] * 3)
TOKEN = Secret("0123456789abcdef")
PENDING: Mapping[str, Mapping[str, str]] = {
    "up": {"swap": "on=/dev/zram0"},
    "plan": {"swap": "on=/dev/zram0"},
    "upgrade": {"k3s-config": f"access=600 root:root\ncontent={packed('old: yes')}"},
    "upgrade to another release": {"k3s-state": k3s("k3s", FORMER, ha=True)},
    "reset": {"k3s-uninstalled": PREPARED["k3s-uninstalled"] + "\nleft=/etc/rancher/k3s"},
}
"""What is to be done on every node, by command: what probes print before it is."""


# ------------------------------------------------------------------ the cluster's API


@dataclass
class _Own:
    """A server's own API: it says that it is ready, or nothing at all."""

    answers: bool

    def call(self, method: str, path: str, **_: object) -> str:
        if not self.answers:
            raise ApiUnavailable([])
        assert (method, path) == ("GET", health.PATH)
        return "ok"


class _Objects(ApiInMemory):
    """What the cluster holds. The API of the servers in `silent` does not answer."""

    silent: frozenset[str] = frozenset()

    def at(self, server: str) -> _Own:
        return _Own(server not in self.silent)

    def close(self) -> None:
        """There is nothing to close."""


def api_of(home: Home) -> type[ClusterApi]:
    """Return the API of a cluster whose nodes are all Ready."""

    class HomeApi(ClusterApi):
        def access(self) -> _Objects:  # type: ignore[override]
            return home.objects

        def nodes(self) -> dict[str, NodeState] | None:
            return {node.name: self.find(node.name) for node in home.cluster.nodes}

        def find(self, name: str) -> NodeState:
            roles = frozenset({"control-plane"} if home.cluster.node(name).is_server else ())
            voter = True if roles and home.cluster.is_ha else None
            return NodeState(name, True, version=RELEASE, roles=roles, voter=voter)

        node = find

        def lease(self, name: str) -> None:
            return None

        def members(self) -> dict[str, NodeState] | None:
            return self.nodes()

        def look_ahead(self, paths: Iterable[str]) -> None:
            """What is known needs no looking."""

    return HomeApi


authority = functools.cache(Authority)
"""The CA of every cluster."""


@functools.cache
def _admin() -> str:
    return k3s_yaml(authority(), authority().issue("admin"))


# ------------------------------------------------------------------ the nodes


def _known(cluster: Cluster, here: Path) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Return the names of the probes of each node, and what they print there."""
    site = site_on(ShellNodes(here), cluster, here)
    site = replace(site, token=choose_token(TOKEN, here / "token"))
    asked: Sequence[Phase] = (
        preflight(cluster),
        *(PHASES[name](site) for name in ("prepare", "k3s")),
        *restart(site, frozenset()),
        *reset(data=False)(site, frozenset()),
    )
    found = {}
    for node in cluster.nodes:
        steps: list[Step] = [step for phase in asked for step in phase.steps_for(node.name)]
        asked_too = (VITALS, *(check.probe for check in checks_of(cluster, node)))
        names = {probe.text: probe.name for probe in asked_too} | names_of(steps)
        unit = paths.unit(node.role)
        credentials = {
            f"{paths.SERVER_DIR}/token": TOKEN.reveal(),
            paths.KUBECONFIG: _admin(),
        }
        found[node.name] = (
            names,
            prepared(steps)
            | {
                "k3s-state": k3s(unit, RELEASE, ha=cluster.is_ha),
                "k3s-credentials": "\n".join(f"{k}={packed(v)}" for k, v in credentials.items()),
            },
        )
    return found


class Impatient(SshSession):
    """A session whose scripts may take no longer than a test may."""

    patience = 0.5

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        return SshSession.run(
            self, script, timeout=min(timeout, self.patience), on_output=on_output
        )


class _Kept:
    """Stands for a connection that outlives a command."""

    def close(self) -> None:
        """Stay open for the next one."""


@dataclass
class Home:
    """Three nodes that listen, and the connections to those that are good, which stay open."""

    path: Path
    key: Path
    cluster: Cluster
    bad_one: str
    user: str = "root"
    password: str = ""
    patience: float = 10.0
    traffic: Traffic = field(default_factory=Traffic)
    notes: Notes = field(default_factory=Notes)
    nodes: dict[str, SshNode] = field(default_factory=dict)
    doors: dict[str, int] = field(default_factory=dict)
    """The ports by which nodes are reached, where these are not their own."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    _open: dict[str, SshSession] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.objects = _Objects(*(node.name for node in self.cluster.nodes))
        known_of = _known(self.cluster, self.path)
        for node in self.cluster.nodes:
            names, known = known_of[node.name]
            self.nodes[node.name] = SshNode(
                WellNode(node.name, node.address, names, known, self.notes)
            )
        self.host_keys = HostKeys(self.path / "known_hosts", accept_new)
        self.config = UserConfig(ssh=None, file=self.path / "none")

    @property
    def bad(self) -> SshNode:
        return self.nodes[self.bad_one]

    @property
    def good(self) -> frozenset[str]:
        return self.everybody - {self.bad_one}

    @property
    def everybody(self) -> frozenset[str]:
        return frozenset(self.nodes)

    @property
    def changed(self) -> set[str]:
        """The nodes on which something was to be changed."""
        return {name for name, node in self.nodes.items() if node.well.actions}

    def connect(self, node: str) -> SshSession:
        """Connect; to a good node once for all commands."""
        if node == self.bad_one:
            opened = self._connect(node, self.user)
            session = Impatient(
                opened.endpoint, opened.user, opened.transport, opened.connection, self.traffic
            )
            Impatient.patience = self.patience
            return session
        if node not in self._open:
            self._open[node] = self._connect(node, "root")
        one = self._open[node]
        return SshSession(one.endpoint, one.user, one.transport, _Kept(), self.traffic)

    def _connect(self, node: str, user: str) -> SshSession:
        password = (lambda: Secret(self.password)) if self.password else None
        port = self.doors.get(node) or self.nodes[node].port
        endpoint = Endpoint(node, "127.0.0.1", port, user, self.key, password=password)
        connector = SshConnector(
            {node: endpoint}, self.host_keys, traffic=self.traffic, config=self.config
        )
        return connector.connect(node)

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()


# ------------------------------------------------------------------ the commands


@dataclass
class Outcome:
    """What a command came to: its exit code, which nodes it did its work on, what it told of each.

    `told` is everything that it said of a node's failure; `kept` how many bytes it wrote down;
    `file` is what the cluster file says now.
    """

    code: int
    done: set[str]
    told: dict[str, str]
    kept: int = 0
    file: str = ""


def _told(error: PiclusterError | None) -> str:
    return f"{error}\n{error.evidence}" if error else ""


def _of_plans(plans: Sequence[PhasePlan], missing: Mapping[str, NodeError]) -> dict[str, str]:
    told = {name: _told(error) for name, error in missing.items()}
    for item in (item for plan in plans for item in plan.blocked):
        told[item.target] = f"{told.get(item.target, '')}{item.decision}"
    return told


def _operated(act: Callable[[Site], int]) -> Callable[[Home, Site], Outcome]:
    return lambda home, site: Outcome(act(site), home.changed, {})


def _built(build: Build) -> Callable[[Home, Site], Outcome]:
    return _operated(lambda site: commands.operate(site, build))


def _plan(_: Home, site: Site) -> Outcome:
    seen = commands.plan_up(site, _PHASES)
    done = {item.target for plan in seen.plans for item in plan.changes}
    return Outcome(seen.exit_code, done, _of_plans(seen.plans, seen.missing))


def _status(home: Home, site: Site) -> Outcome:
    seen = status(replace(site, scope=Scope(optional=home.everybody)))
    done = {node.name for node in seen.nodes if node.vitals}
    told = {node.name: "; ".join(node.troubles) for node in seen.nodes}
    return Outcome(seen.exit_code, done, told)


def _doctor(home: Home, site: Site) -> Outcome:
    seen = diagnose(replace(site, scope=Scope(optional=home.everybody)))
    told = {
        each.name: _told(each.unreached)
        + "".join(row.finding.evidence for row in each.lit(Light.PROBLEM))
        for each in seen.patients
    }
    return Outcome(seen.exit_code, {each.name for each in seen.patients if each.rows}, told)


def _validate(_: Home, site: Site) -> Outcome:
    seen = validate(site)
    done = {item.target for plan in seen.plans for item in plan.items}
    return Outcome(seen.exit_code, done, _of_plans(seen.plans, seen.missing))


def _exec(home: Home, site: Site) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_everywhere(site, sorted(home.everybody), "uptime", 3, Printer())
    done = {name for name in home.everybody if f"{name}: {name} ran uptime\n" in out.getvalue()}
    return Outcome(code, done, {home.bad_one: err.getvalue()[-4000:]})


_PHASES = ("prepare", "k3s")

COMMANDS: Mapping[str, Callable[[Home, Site], Outcome]] = {
    "up": _operated(lambda site: commands.up(site, _PHASES)),
    "plan": _plan,
    "status": _status,
    "doctor": _doctor,
    "validate": _validate,
    "exec": _exec,
    "restart": _built(restart),
    "upgrade": _built(upgrade),
    "reset": _built(reset(data=False)),
}
UPGRADES = {"upgrade to another release": _built(upgrade)}


def carry_out(
    home: Home, command: str, told: Callable[[object], None] = lambda event: None
) -> Outcome:
    """Run a command; what is raised but a `PiclusterError` is a bug, and goes on up.

    `told` is told what happens too.
    """
    state = home.path / f"state-{next(home.numbers)}-{command}"
    state.mkdir()
    home.traffic = Traffic()  # a command's own: what the last one had told is over
    saved = document(
        rewrite(parse_kubeconfig(_admin()), home.cluster.name, "https://10.0.0.1:6443")
    )
    for file in ("kubeconfig", "user"):
        (state / file).write_text(saved)
    (state / "cluster.yaml").write_text(f"k3s: {{version: {FORMER}}}  # as it was\n")
    for node in home.nodes.values():
        node.well.actions.clear()
        node.well.pending = PENDING.get(command, {})
    journal, recap = Journal(state), Recap(ASCII)
    failed: dict[str, str] = {}

    def hear(event: object) -> None:
        told(event)
        journal(event)
        recap(event)
        if isinstance(event, TargetFailed):
            said = "\n".join((event.what, event.why, event.fix, event.evidence))
            failed[event.target] = failed.get(event.target, "") + said

    site = make_site(
        home.cluster,
        Sessions(home),
        file=state / "cluster.yaml",
        here=Here(state, state / "cache"),
        user_kubeconfig=state / "user",
        token=TOKEN,
    )
    site = replace(site, command=command, emit=hear)
    try:
        outcome = {**COMMANDS, **UPGRADES}[command](home, site)
    except PiclusterError as error:
        outcome = Outcome(error.exit_code, home.changed, {error.where: _told(error)})
    finally:
        journal.close()
    outcome.told |= {name: outcome.told.get(name, "") + said for name, said in failed.items()}
    outcome.file = site.file.read_text()
    outcome.kept = len(recap.text()) + sum(path.stat().st_size for path in state.glob("*.*"))
    return outcome
