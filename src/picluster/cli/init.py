"""`picluster init`: the first cluster file, from options or from answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picluster.cli.options import DEFAULT_FILE, file_option

_NOT_THERE_YET = Path("the new file")
"""How messages call a file that would be no good, and so is not written."""


def init(
    *,
    name: Annotated[str, typer.Option("--name", help="What to call the cluster.")] = "",
    node: Annotated[
        list[str] | None,
        typer.Option("--node", help="NAME=ADDRESS of a machine; repeat it for each."),
    ] = None,
    servers: Annotated[
        int | None, typer.Option("--servers", help="How many are servers [1, or 3 of 3 and more].")
    ] = None,
    user: Annotated[str, typer.Option("--user", help="Who logs in on the machines.")] = "",
    key: Annotated[str, typer.Option("--key", help="The private key to log in with.")] = "",
    from_ansible: Annotated[
        Path | None,
        typer.Option("--from-ansible", help="An Ansible inventory to make the file of."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write.")
    ] = DEFAULT_FILE,
) -> None:
    """Write a first cluster file. From options, an inventory, or by asking; overwrites nothing."""
    from picluster.cli.init_questions import complete
    from picluster.cli.prompts import at_a_terminal
    from picluster.errors import UsageError
    from picluster.model.starter import DEFAULT_NAME, Draft, parse_node, starter

    _refuse_to_overwrite(output)
    nodes = tuple(parse_node(text, number) for number, text in enumerate(node or (), start=1))
    if from_ansible is not None:
        if nodes or user or key:
            raise UsageError(
                "the inventory tells nodes, user and key",
                fix="give --from-ansible without --node, --user and --key",
            )
        _migrate(from_ansible, output, name or DEFAULT_NAME, servers)
        _say_next(output)
        return
    draft = Draft(name, nodes, servers, user, key)
    if not nodes:
        if not at_a_terminal():
            raise UsageError(
                "there is no terminal to ask on, and no --node",
                fix="picluster init --name home --node pi1=10.0.0.11 --node pi2=10.0.0.12",
            )
        draft = complete(draft)
    _write_new(output, starter(draft))
    _say_next(output)


def _say_next(output: Path) -> None:
    named = file_option(output)
    typer.echo(f"wrote {output}; next: picluster validate{named}, then picluster up{named}")


def _migrate(inventory: Path, output: Path, name: str, servers: int | None) -> None:
    """Translate an inventory, and say what became of each of its settings."""
    from picluster.model.ansible_files import read_hosts
    from picluster.model.from_ansible import from_ansible
    from picluster.ui.words import safe

    migration = from_ansible(read_hosts(inventory), name, servers)
    _write_new(output, migration.text)
    typer.echo("taken over:")
    for field, origin in migration.taken:
        typer.echo(safe(f"  {field}, from {origin}"))
    if migration.left:
        typer.echo("not taken over:")
    for setting, why in migration.left:
        typer.echo(safe(f"  {setting}: {why}"))


def _write_new(output: Path, text: str) -> None:
    """Write a file that is not there yet, if it is a good one."""
    from picluster.errors import UsageError
    from picluster.model import parse

    parse(text, _NOT_THERE_YET)
    try:
        with output.open("x") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            "the file cannot be written",
            where=str(output),
            why=(error.strerror or str(error)).lower(),
            fix="give another --output",
        ) from error


def _refuse_to_overwrite(output: Path) -> None:
    from picluster.errors import UsageError

    if output.exists():
        raise UsageError(
            "there is a file already",
            where=str(output),
            fix="edit it, move it away, or give another --output",
        )
