"""Reaching the nodes by hand: a shell on one, a command on several, the cluster's kubeconfig."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from picluster.cli.options import DEFAULT_FILE, AcceptKeys, File, Parallel
from picluster.engine.lines import LineCutter

if TYPE_CHECKING:
    from picluster.engine.pool import Sessions
    from picluster.engine.session import Session
    from picluster.errors import NodeError
    from picluster.model import Cluster
    from picluster.model.ssh import NodeSsh


def ssh(
    node: Annotated[str, typer.Argument(help="The node's name.")], file: File = DEFAULT_FILE
) -> None:
    """Open a shell on a node, as the cluster file says."""
    from picluster.errors import UsageError
    from picluster.model import load
    from picluster.paths import cluster_state

    if shutil.which("ssh") is None:
        raise UsageError("there is no ssh on this computer", fix="install OpenSSH's client")
    cluster = load(file).cluster
    known_hosts = cluster_state(cluster.name) / "known_hosts"
    words = ssh_command(cluster, node, known_hosts)
    # ssh would ask about a new key, and then have nowhere to remember it.
    known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sys.stdout.flush()
    os.execvp(words[0], words)  # noqa: S606 - each word is an argument of its own, and no shell's


def ssh_command(cluster: Cluster, node: str, known_hosts: Path) -> list[str]:
    """Return the words of the `ssh` command; what the file leaves open, `~/.ssh/config` says.

    Raises `UsageError` if there is no such node.
    """
    wanted = cluster.node(node)
    how = cluster.ssh_for(wanted)
    words = ["ssh", *_trust(how, known_hosts)]
    if how.jump:
        # What `-J` starts is given neither the key nor the file of host keys.
        way = [*words, *_login(how.jump.user, how.jump.port)]
        before, host = shlex.join(way).replace("%", "%%"), shlex.quote(how.jump.host)
        words += ["-o", f"ProxyCommand={before} -W '[%h]:%p' {host}"]
    return [*words, *_login(how.user, how.port), wanted.address]


def _trust(how: NodeSsh, known_hosts: Path) -> list[str]:
    """Have ssh trust the host keys that picluster trusts, and log in with the key it uses.

    A new key is asked about and pinned in the cluster's file, in the clear: `known-hosts forget`
    finds it by the host's name.
    """
    words = [
        f"UserKnownHostsFile={_one_word(known_hosts)} ~/.ssh/known_hosts",
        "StrictHostKeyChecking=ask",
        "HashKnownHosts=no",
    ]
    if how.key:
        words += [f"IdentityFile={_one_word(how.key)}", "IdentitiesOnly=yes"]
    return [part for word in words for part in ("-o", word)]


def _login(user: str | None, port: int | None) -> list[str]:
    return [*(["-l", user] if user else []), *(["-p", str(port)] if port else [])]


def _one_word(path: Path) -> str:
    """Return a path as ssh_config(5) wants it: quoted, and `%` doubled, as it begins a token."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def exec_(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="What to run.")],
    *,
    role: Annotated[str, typer.Option("--role", help="On the servers or agents only.")] = "",
    node: Annotated[
        list[str] | None, typer.Option("--node", help="On this node only; may be repeated.")
    ] = None,
    file: File = DEFAULT_FILE,
    parallel: Parallel = None,
    accept_new_host_keys: AcceptKeys = False,
) -> None:
    """Run a command as root on all nodes at once.

    The words are passed on as they are; for a pipe, use `sh -c '...'`. Exits with 1 if it failed
    anywhere, and with 4 if a node could not be reached.
    """
    from picluster.cli.context import Choice, every_node, site_for
    from picluster.cli.interrupt import ending_at_once
    from picluster.engine.quote import quote
    from picluster.model import load

    cluster = load(file).cluster
    names = chosen(cluster, role, node or ())
    choice = Choice(
        file, (), parallel, accept_new_host_keys=accept_new_host_keys, optional=every_node(file)
    )
    script = " ".join(map(quote, command))
    limits = cluster.limits
    with site_for(choice, "exec", progress=False) as (site, _), ending_at_once(site.abort):
        for notice in site.notices:
            print(notice, file=sys.stderr)
        try:
            status = run_everywhere(
                site.sessions, names, script, limits.command, parallel or limits.parallel
            )
        finally:
            site.sessions.close_all()
    sys.exit(status)


def chosen(cluster: Cluster, role: str, nodes: Sequence[str]) -> list[str]:
    """Return the names of the nodes that are asked for. Raises `UsageError`."""
    from picluster.errors import UsageError

    if role not in ("", "server", "agent"):
        raise UsageError(f"there is no role {role!r}", fix="use --role server or --role agent")
    named = [cluster.node(name).name for name in nodes]
    names = [
        node.name
        for node in cluster.nodes
        if (not role or node.role == role) and (not named or node.name in named)
    ]
    if not names:
        asked = f"{', '.join(named)} is no {role}" if named else f"{cluster.name} has no {role}"
        raise UsageError(asked, fix="`picluster config show` lists the nodes and their roles")
    return names


def run_everywhere(
    sessions: Sessions, names: Sequence[str], script: str, seconds: float, parallel: int
) -> int:
    """Run the script on these nodes, `parallel` at a time; return the exit code for all.

    That is 4 if a node could not be worked on, else 1 if the script failed anywhere. It may take
    `seconds` on each. Nodes are connected to first: whoever has to be asked about a host key is not
    to be asked amid output. Raises `BrokenPipeError` when nobody reads any more.
    """
    from concurrent.futures import ThreadPoolExecutor

    opened = sessions.open_all(names)
    printer = Printer()

    def work(name: str) -> int:
        return _run_on(opened, name, script, seconds, printer)

    with ThreadPoolExecutor(max_workers=parallel) as pool:
        worst = max(pool.map(work, names))
    if printer.lost is not None:
        raise printer.lost
    return worst


def _run_on(
    opened: Mapping[str, Session | NodeError],
    name: str,
    script: str,
    seconds: float,
    printer: Printer,
) -> int:
    from picluster.errors import NodeError
    from picluster.ui.words import failure

    def hear(stream: str, data: bytes) -> None:
        printer.hear(name, stream, data)

    try:
        session = opened[name]
        if isinstance(session, NodeError):
            raise session
        done = session.run(script, timeout=seconds, on_output=hear)
    except NodeError as error:
        printer.end(name)
        printer.say(failure(error.what, where=name, why=error.why, fix=error.fix))
        return NodeError.exit_code
    printer.end(name)
    if done.status:
        printer.say(f"{name}: ended with status {done.status}")
    return min(1, done.status)


@dataclass(slots=True)
class Printer:
    """Prints whole lines of several nodes as they come; threads share it.

    `lost` is why nothing can be printed any more. It must not be raised where a session delivers
    output: to that, it would look like a broken connection.
    """

    lost: OSError | None = None
    _started: dict[tuple[str, str], LineCutter] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, node: str, stream: str, data: bytes) -> None:
        """Print what is complete of a node's `stdout` or `stderr`, and keep the rest."""
        with self._lock:
            for line in self._started.setdefault((node, stream), LineCutter()).feed(data):
                self._print(_stream(stream), _readable(node, line))

    def end(self, node: str) -> None:
        """Print what a node has not ended with a line end."""
        with self._lock:
            for stream in ("stdout", "stderr"):
                if rest := self._started.pop((node, stream), LineCutter()).rest():
                    self._print(_stream(stream), _readable(node, rest))

    def say(self, text: str) -> None:
        """Print picluster's own words to stderr."""
        from picluster.secret import redact
        from picluster.ui.words import safe

        with self._lock:
            self._print(sys.stderr, safe(redact(text)))

    def _print(self, stream: TextIO, line: str) -> None:
        if self.lost is not None:
            return
        try:
            print(line, file=stream, flush=True)
        except OSError as error:
            self.lost = error


def _stream(name: str) -> TextIO:
    return sys.stdout if name == "stdout" else sys.stderr


def _readable(node: str, line: bytes) -> str:
    from picluster.secret import redact
    from picluster.ui.words import safe

    return f"{node}: {safe(redact(line.decode('utf-8', 'replace')))}"


def kubeconfig(
    *,
    print_: Annotated[bool, typer.Option("--print", help="Print it; it holds a key.")] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Put it into your own kubeconfig, keeping a backup.")
    ] = False,
    file: File = DEFAULT_FILE,
) -> None:
    """Find the cluster's kubeconfig, or put it into your own."""
    from picluster.errors import PiclusterError, UsageError
    from picluster.kube.kubeconfig import parse, rewrite
    from picluster.kube.kubefile import default_path, merge_into
    from picluster.model import load
    from picluster.paths import cluster_state
    from picluster.steps.k3s.config import public_url

    if print_ and merge:
        raise UsageError("--print and --merge are two things", fix="give one of them at a time")
    cluster = load(file).cluster
    saved = cluster_state(cluster.name) / "kubeconfig"
    if not saved.is_file():
        raise UsageError(
            "there is no kubeconfig of this cluster on this computer yet",
            where=str(saved),
            fix="picluster up",
        )
    if print_:
        sys.stdout.write(saved.read_text())
    elif merge:
        try:
            admin = parse(saved.read_text())
        except PiclusterError as error:
            fix = "move it away; `picluster up` saves it anew"
            what = "the saved kubeconfig is not as picluster wrote it"
            raise PiclusterError(what, where=str(saved), why=error.why, fix=fix) from None
        entry = rewrite(admin, cluster.name, public_url(cluster))
        written = merge_into(default_path(), entry)
        backup = f"; the former one is kept as {written.backup}" if written.backup else ""
        told = f"has the context {cluster.name} now{backup}"
        typer.echo(f"{written.path} {told if written.changed else 'is as it should be'}")
    else:
        typer.echo(f"{saved}; --merge puts it into {default_path()}")


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print what lets a shell complete commands.

    Use it as in `eval "$(picluster completion bash)"`.
    """
    from typer import completion as completions

    from picluster.errors import UsageError

    if shell not in ("bash", "zsh", "fish"):
        raise UsageError(f"there is no completion for {shell!r}", fix="use bash, zsh or fish")
    completions.completion_init()  # type: ignore[attr-defined]
    script = completions.get_completion_script(  # type: ignore[attr-defined]
        prog_name="picluster", complete_var="_PICLUSTER_COMPLETE", shell=shell
    )
    typer.echo(script)
