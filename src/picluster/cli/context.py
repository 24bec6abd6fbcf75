"""From a command's options to what the phases work with: model, connections, sinks."""

from __future__ import annotations

import getpass
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from picluster.cli import crash
from picluster.engine.events import Emit
from picluster.engine.pool import Sessions
from picluster.errors import ConfigInvalid, UsageError
from picluster.model import Cluster, load
from picluster.paths import Here, kept_of
from picluster.secret import Secret
from picluster.site import NOTHING_SPECIAL, Consents, Scope, Site, make_site
from picluster.steps.storage.only_copies import VolumeConsents

if TYPE_CHECKING:
    from picluster.ssh.connector import SshConnector

_NOTICE_FILE = "lab-notice.txt"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user chose on the command line, besides the command.

    `optional` nodes may be absent, `required` ones must not. `token` is used where the cluster file
    refers to none.
    """

    file: Path
    limit: Sequence[str] = ()
    parallel: int | None = None
    as_json: bool = False
    verbose: int = 0
    accept_new_host_keys: bool = False
    optional: Sequence[str] = ()
    required: Sequence[str] = ()
    token: Secret | None = None
    consents: Consents = NOTHING_SPECIAL


@contextmanager
def site_for(
    choice: Choice, command: str, *, progress: bool = True
) -> Iterator[tuple[Site, Sinks]]:
    """Put a command's site together; its journal and its screen are closed afterwards.

    `progress` shows what happens as it happens. Raises `ConfigInvalid`, `UsageError`.
    """
    cluster = load(choice.file).cluster
    scope = _scope(cluster, choice)
    here, prompts = kept_of(cluster.name), Prompts()
    connector = _connector(cluster, here, choice, prompts)
    made = make_site(
        cluster,
        Sessions(connector, choice.parallel or cluster.limits.parallel),
        file=choice.file,
        here=here,
        user_kubeconfig=_user_kubeconfig(),
        token=_token(cluster) or choice.token,
        registry_password=_registry_password(cluster),
        mirror_passwords=_mirror_passwords(cluster),
        by_key=connector.connect_by_key,
    )
    with _sinks(choice, here, command, progress=progress) as sinks:
        prompts.pause = sinks.paused
        yield (
            replace(
                made,
                scope=scope,
                consents=choice.consents,
                notices=notices(choice.file),
                command=command,
                emit=sinks.emit,
                disclose=sinks.disclosed.add,
            ),
            sinks,
        )


def consents(file: Path, format_disks: Sequence[str], *, force_conflicts: bool) -> Consents:
    """Return what the options agree to. Raises `UsageError` for a disk that the file lacks."""
    cluster = load(file).cluster
    agreed = set()
    for text in format_disks:
        name, _, device = text.partition(":")
        if device not in [disk.device for disk in cluster.node(name).disks]:
            raise UsageError(
                f"--format-disk {text}: {name} has no such disk in the cluster file",
                where=str(file),
                fix="name a disk of the file, as NODE:/dev/disk/by-id/...",
            )
        agreed.add((name, device))
    return Consents(frozenset(agreed), force_conflicts)


def volume_consents(lose: Sequence[str], keep: Sequence[str]) -> Consents:
    """Return what the options say about volumes. Raises `UsageError` if they contradict."""
    both = sorted(set(lose) & set(keep))
    if both:
        raise UsageError(
            f"{', '.join(both)} cannot be given up and kept", fix="name it with one option only"
        )
    return Consents(volumes=VolumeConsents(frozenset(lose), frozenset(keep)))


def every_node(file: Path) -> list[str]:
    """Return the names of all nodes, for operations that can do without any one of them."""
    return [node.name for node in load(file).cluster.nodes]


def notices(file: Path) -> tuple[str, ...]:
    """Return what every output about this cluster has to say, such as that K3s is a stand-in."""
    beside = file.absolute().parent / _NOTICE_FILE
    return tuple(beside.read_text().splitlines()) if beside.is_file() else ()


def _scope(cluster: Cluster, choice: Choice) -> Scope:
    names = {node.name for node in cluster.nodes}
    for name in choice.limit:
        if name not in names:
            raise UsageError(
                f"--limit {name}: there is no such node", fix=f"nodes: {', '.join(sorted(names))}"
            )
    only = frozenset(choice.limit) or None
    return Scope(only, frozenset(choice.optional), frozenset(choice.required))


@dataclass(slots=True)
class Prompts:
    """Asks the user; `pause` keeps whatever draws on the terminal off it meanwhile.

    Nodes are connected to in parallel, and each may have something to ask: one at a time.
    """

    pause: Callable[[], AbstractContextManager[None]] = nullcontext
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def agree(self, node: str, kind: str, print_: str) -> bool:
        """Ask about a new host key, as ssh does."""
        with self._turn, self.pause():
            return _agree(node, kind, print_)

    def ask(self, question: str) -> str:
        """Ask for a secret."""
        with self._turn, self.pause():
            return _ask(question)


def _connector(cluster: Cluster, here: Here, choice: Choice, prompts: Prompts) -> SshConnector:
    from picluster.ssh.connector import SshConnector
    from picluster.ssh.endpoint import endpoints_of
    from picluster.ssh.host_keys import HostKeys, accept_new, refuse_new

    agree = refuse_new
    if choice.accept_new_host_keys:
        agree = accept_new
    elif at_a_terminal():
        agree = prompts.agree
    return SshConnector(
        endpoints_of(cluster, prompts.ask),
        HostKeys(here.known_hosts, agree),
        prompts.ask if at_a_terminal() else None,
    )


def _agree(node: str, kind: str, print_: str) -> bool:
    sys.stderr.write(f"{node} is new, and presents the {kind} key {print_}.\n")
    sys.stderr.write("Trust it and remember it? [yes/no] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("yes", "y")


def _ask(question: str) -> str:
    if not at_a_terminal():
        raise ConfigInvalid(
            f"{question.rstrip(': ')}: there is no terminal to ask on",
            fix="give it as env:NAME or file:PATH in the cluster file",
        )
    return getpass.getpass(f"{question.rstrip(': ')}: ")


def at_a_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _token(cluster: Cluster) -> Secret | None:
    reference = cluster.k3s.token
    return reference.resolve(label="the cluster's token", ask=_ask) if reference else None


def _registry_password(cluster: Cluster) -> Secret | None:
    reference = cluster.registry.password if cluster.registry else None
    return reference.resolve(label="registry's password", ask=_ask) if reference else None


def _mirror_passwords(cluster: Cluster) -> dict[str, Secret]:
    return {
        access.host: access.password.resolve(label=f"password for {access.host}", ask=_ask)
        for access in cluster.k3s.registry_access
        if access.password is not None
    }


def _user_kubeconfig() -> Path:
    from picluster.kube.kubefile import default_path

    return default_path()


@dataclass(slots=True)
class Disclosed:
    """Passwords that were generated, to be shown once and recorded nowhere."""

    passwords: list[tuple[str, Secret]] = field(default_factory=list)

    def add(self, whose: str, password: Secret) -> None:
        """Keep one until it is shown."""
        self.passwords.append((whose, password))


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where events go: the journal, and the screen or standard output."""

    emit: Emit
    recap: Callable[[], str]
    stop_drawing: Callable[[], None]
    paused: Callable[[], AbstractContextManager[None]]
    disclosed: Disclosed = field(default_factory=Disclosed)


@contextmanager
def _sinks(choice: Choice, here: Here, command: str, *, progress: bool) -> Iterator[Sinks]:
    from picluster.engine.bus import Bus
    from picluster.engine.journal import begin
    from picluster.ui.recap import Recap
    from picluster.ui.screen import may_draw
    from picluster.ui.words import marks_for

    journal = begin(here.state, command)
    recap = Recap(marks_for(sys.stdout.encoding))
    sinks: list[Emit] = [journal, recap]
    stop_drawing: Callable[[], None] = _nothing
    paused: Callable[[], AbstractContextManager[None]] = nullcontext
    if choice.as_json and progress:
        from picluster.ui.json_lines import JsonLines

        sinks.append(JsonLines(sys.stdout))
    elif progress and may_draw(sys.stderr) and not choice.verbose:
        from picluster.ui.live import LiveProgress

        live = LiveProgress(sys.stderr, marks_for(sys.stderr.encoding))
        sinks.append(live)
        stop_drawing, paused = live.close, live.paused
    elif progress:
        from picluster.ui.plain import PlainProgress

        plain = PlainProgress(sys.stderr, verbose=bool(choice.verbose))
        sinks.append(plain)
        stop_drawing, paused = plain.close, plain.paused
    try:
        with crash.beside(journal.directory):
            yield Sinks(Bus(sinks, _lost_sink), recap.text, stop_drawing, paused)
    finally:
        stop_drawing()
        journal.close()


def _lost_sink(sink: Emit, error: Exception) -> None:
    print(f"{type(sink).__name__} failed and is left out: {error}", file=sys.stderr)


def _nothing() -> None:
    """Do nothing: there is no drawing to stop."""
