"""Reaching the nodes by hand: a shell on one, a command on several, the cluster's kubeconfig."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.options import DEFAULT_FILE, AcceptKeys, File, Parallel

if TYPE_CHECKING:
    from picluster.engine.pool import Sessions
    from picluster.model import Cluster

_SECONDS = 3600.0


def ssh(
    node: Annotated[str, typer.Argument(help="The node's name.")], file: File = DEFAULT_FILE
) -> None:
    """Open a shell on a node, with the user, key, port and jump host of the cluster file."""
    from picluster.errors import UsageError
    from picluster.model import load
    from picluster.paths import cluster_state

    if shutil.which("ssh") is None:
        raise UsageError("there is no ssh on this computer", fix="install OpenSSH's client")
    cluster = load(file).cluster
    words = ssh_command(cluster, node, cluster_state(cluster.name) / "known_hosts")
    os.execvp(words[0], words)  # noqa: S606 - each word is an argument of its own, and no shell's


def ssh_command(cluster: Cluster, node: str, known_hosts: Path) -> list[str]:
    """Return the words of the `ssh` command; what the file leaves open, `~/.ssh/config` says.

    Raises `UsageError` if there is no such node.
    """
    wanted = cluster.node(node)
    how = cluster.ssh_for(wanted)
    files = f"{known_hosts} ~/.ssh/known_hosts /etc/ssh/ssh_known_hosts"
    words = ["ssh", "-o", f"UserKnownHostsFile={files}"]
    if how.port:
        words += ["-p", str(how.port)]
    if how.user:
        words += ["-l", how.user]
    if how.key:
        words += ["-i", str(how.key)]
    if how.jump:
        words += ["-J", str(how.jump)]
    return [*words, wanted.address]


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
    """Run a command as root on all nodes at once; each line comes with the node's name.

    Exits with 1 if it failed anywhere, and with 4 if a node could not be reached.
    """
    from picluster.cli.context import Choice, every_node, job_for
    from picluster.model import load

    cluster = load(file).cluster
    names = chosen(cluster, role, node or ())
    choice = Choice(
        file, (), parallel, accept_new_host_keys=accept_new_host_keys, optional=every_node(file)
    )
    with job_for(choice, "exec", (), progress=False) as (job, _):
        try:
            sys.exit(_run_everywhere(job.sessions, names, command))
        finally:
            job.sessions.close_all()


def chosen(cluster: Cluster, role: str, nodes: Sequence[str]) -> list[str]:
    """Return the names of the nodes that are asked for. Raises `UsageError`."""
    from picluster.errors import UsageError

    if role not in ("", "server", "agent"):
        raise UsageError(f"there is no role {role!r}", fix="use --role server or --role agent")
    named = [cluster.node(name).name for name in nodes]
    return [
        node.name
        for node in cluster.nodes
        if (not role or node.role == role) and (not named or node.name in named)
    ]


def _run_everywhere(sessions: Sessions, names: Sequence[str], command: Sequence[str]) -> int:
    from concurrent.futures import ThreadPoolExecutor

    from picluster.engine.quote import quote
    from picluster.errors import NodeError
    from picluster.ui.words import failure

    script = " ".join(map(quote, command))
    sessions.open_all(names)
    worst = 0
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        running = {name: pool.submit(_run_on, sessions, name, script) for name in names}
        for name, future in running.items():
            try:
                worst = max(worst, min(1, future.result()))
            except NodeError as error:
                print(
                    failure(error.what, where=name, why=error.why, fix=error.fix), file=sys.stderr
                )
                worst = NodeError.exit_code
    return worst


def _run_on(sessions: Sessions, name: str, script: str) -> int:
    from picluster.ui.words import safe

    done = sessions.get(name).run(script, timeout=_SECONDS)
    for stream, data in ((sys.stdout, done.out), (sys.stderr, done.err)):
        for line in data.decode("utf-8", "replace").splitlines():
            print(f"{name}: {safe(line)}", file=stream)
    if done.status:
        print(f"{name}: ended with status {done.status}", file=sys.stderr)
    return done.status


def kubeconfig(
    *,
    print_: Annotated[bool, typer.Option("--print", help="Print it; it holds a key.")] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Put it into your own kubeconfig, keeping a backup.")
    ] = False,
    file: File = DEFAULT_FILE,
) -> None:
    """Say where the cluster's kubeconfig is, print it, or put it into your own."""
    from picluster.errors import UsageError
    from picluster.kube.kubeconfig import parse, rewrite
    from picluster.kube.kubefile import default_path, merge_into
    from picluster.model import load
    from picluster.paths import cluster_state
    from picluster.steps.k3s.config import public_url

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
        entry = rewrite(parse(saved.read_text()), cluster.name, public_url(cluster))
        written = merge_into(default_path(), entry)
        backup = f"; the former one is kept as {written.backup}" if written.backup else ""
        told = f"has the context {cluster.name} now{backup}"
        typer.echo(f"{written.path} {told if written.changed else 'is as it should be'}")
    else:
        typer.echo(f"{saved}; --merge puts it into {default_path()}")


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")],
) -> None:
    """Print what lets a shell complete commands, as in `eval "$(picluster completion bash)"`."""
    from typer import completion as completions

    from picluster.errors import UsageError

    if shell not in ("bash", "zsh", "fish"):
        raise UsageError(f"there is no completion for {shell!r}", fix="use bash, zsh or fish")
    completions.completion_init()  # type: ignore[attr-defined]
    script = completions.get_completion_script(  # type: ignore[attr-defined]
        prog_name="picluster", complete_var="_PICLUSTER_COMPLETE", shell=shell
    )
    typer.echo(script)
