"""Reaching the nodes by hand: a shell on one, a command on several, the cluster's kubeconfig."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated

import typer

from picluster.cli.options import DEFAULT_FILE, File, Plain


def ssh(
    node: Annotated[str, typer.Argument(help="The node's name.")], file: File = DEFAULT_FILE
) -> None:
    """Open a shell on a node, as the cluster file says."""
    from picluster.errors import UsageError
    from picluster.model import load
    from picluster.paths import kept_of
    from picluster.ssh.command_line import ssh_command

    if shutil.which("ssh") is None:
        raise UsageError("there is no ssh on this computer", fix="install OpenSSH's client")
    cluster = load(file).cluster
    known_hosts = kept_of(cluster.name).known_hosts
    words = ssh_command(cluster, node, known_hosts)
    # ssh would ask about a new key, and then have nowhere to remember it.
    known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sys.stdout.flush()
    os.execvp(words[0], words)  # noqa: S606 - each word is an argument of its own, and no shell's


def exec_(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="What to run.")],
    *,
    role: Annotated[str, typer.Option("--role", help="On the servers or agents only.")] = "",
    node: Annotated[
        list[str] | None, typer.Option("--node", help="On this node only; may be repeated.")
    ] = None,
    given: Plain,
) -> None:
    """Run a command as root on all nodes at once.

    The words are passed on as they are; for a pipe, use `sh -c '...'`. Exits with 1 if it failed
    anywhere, and with 4 if a node could not be reached.
    """
    from picluster.cli import work
    from picluster.cli.context import asked_of_whoever_is_there
    from picluster.engine.quote import quote
    from picluster.operations.execution import chosen, run_everywhere
    from picluster.ui.node_lines import Printer

    asked, printer = asked_of_whoever_is_there(given), Printer()
    cluster, script = asked.site.cluster, " ".join(map(quote, command))
    names = chosen(cluster, role, node or ())
    parallel = given.parallel or cluster.limits.parallel
    for notice in asked.site.notices:
        print(notice, file=sys.stderr)
    status = work.glance(
        asked, "exec", lambda site: run_everywhere(site, names, script, parallel, printer)
    )
    printer.check()
    sys.exit(status)


def kubeconfig(
    *,
    print_: Annotated[bool, typer.Option("--print", help="Print it; it holds a key.")] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Put it into your own kubeconfig, keeping a backup.")
    ] = False,
    file: File = DEFAULT_FILE,
) -> None:
    """Find the cluster's kubeconfig, or put it into your own."""
    from picluster.errors import UsageError
    from picluster.kube.kubefile import default_path
    from picluster.model import load
    from picluster.paths import kept_of
    from picluster.steps.k3s.kubeconfig import merge_saved

    if print_ and merge:
        raise UsageError("--print and --merge are two things", fix="give one of them at a time")
    cluster = load(file).cluster
    saved = kept_of(cluster.name).kubeconfig
    if not saved.is_file():
        raise UsageError(
            "there is no kubeconfig of this cluster on this computer yet",
            where=str(saved),
            fix="picluster up",
        )
    if print_:
        sys.stdout.write(saved.read_text())
    elif merge:
        written = merge_saved(cluster, saved, default_path())
        backup = f"; the former one is kept as {written.backup}" if written.backup else ""
        told = f"has the context {cluster.name} now{backup}"
        typer.echo(f"{written.path} {told if written.changed else 'is as it should be'}")
    else:
        typer.echo(f"{saved}; --merge puts it into {default_path()}")


def completion(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> None:
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
