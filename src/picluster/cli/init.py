"""`picluster init`: the first cluster file, from options or from answers."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from picluster.cli.options import DEFAULT_FILE

if TYPE_CHECKING:
    from picluster.model.starter import NewNode


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
    from picluster.cli.context import at_a_terminal
    from picluster.errors import UsageError
    from picluster.model.starter import parse_node

    _refuse_to_overwrite(output)
    nodes = [parse_node(text, number) for number, text in enumerate(node or (), start=1)]
    if from_ansible is not None:
        if nodes or user or key:
            raise UsageError(
                "the inventory tells nodes, user and key",
                fix="give --from-ansible without --node, --user and --key",
            )
        _migrate(from_ansible, output, name or "home", servers)
        _say_next(output)
        return
    if not nodes:
        if not at_a_terminal():
            raise UsageError(
                "there is no terminal to ask on, and no --node",
                fix="picluster init --name home --node pi1=10.0.0.11 --node pi2=10.0.0.12",
            )
        name, nodes, servers, user, key = _asked(name, user, key)
    write(output, name or "home", nodes, servers, user=user, key=key)
    _say_next(output)


def _say_next(output: Path) -> None:
    named = "" if output == DEFAULT_FILE else f" -f {shlex.quote(str(output))}"
    typer.echo(f"wrote {output}; next: picluster validate{named}, then picluster up{named}")


def write(
    output: Path, name: str, nodes: list[NewNode], servers: int | None, *, user: str, key: str
) -> None:
    """Write the file if it is a good one.

    Raises `ConfigInvalid` naming what is not, `UsageError` if there are too few nodes or it cannot
    be written there.
    """
    from picluster.errors import UsageError
    from picluster.model.starter import starter, suggested_servers

    wanted = suggested_servers(len(nodes)) if servers is None else servers
    if not 1 <= wanted <= len(nodes):
        raise UsageError(
            f"{wanted} of {len(nodes)} nodes cannot be servers", fix="give --servers 1, 3 or 5"
        )
    _write_new(output, starter(name, nodes, wanted, user=user, key=key))


def _migrate(inventory: Path, output: Path, name: str, servers: int | None) -> None:
    """Translate an inventory, and say what became of each of its settings."""
    from picluster.model.ansible_files import read_hosts
    from picluster.model.from_ansible import from_ansible

    migration = from_ansible(read_hosts(inventory), name, servers)
    _write_new(output, migration.text)
    typer.echo("taken over:")
    for field, origin in migration.taken:
        typer.echo(f"  {field}, from {origin}")
    if migration.left:
        typer.echo("not taken over:")
    for setting, why in migration.left:
        typer.echo(f"  {setting}: {why}")


def _write_new(output: Path, text: str) -> None:
    """Write a file that is not there yet, if it is a good one."""
    from picluster.errors import UsageError
    from picluster.model import parse

    parse(text)
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


def _asked(name: str, user: str, key: str) -> tuple[str, list[NewNode], int, str, str]:
    from picluster.model.starter import suggested_servers

    name = name or _ask("What is the cluster called?", "home")
    nodes = _found_nodes()
    _add_typed(nodes)
    suggested = suggested_servers(len(nodes))
    servers = _number(f"How many of the {len(nodes)} are servers (1, 3 or 5)?", suggested)
    user = user or _ask("Who logs in on them?", "pi")
    key = key or _ask("With which private key (empty: your usual one)?", _found_key())
    return name, nodes, servers, user, key


def _found_nodes() -> list[NewNode]:
    """Offer the machines nearby, and return those that the user wants."""
    from picluster.discovery import candidates, node_name
    from picluster.model.starter import NewNode

    typer.echo("Looking for Raspberry Pis that this computer knows of ...")
    found = candidates()
    if not found:
        return []
    for number, each in enumerate(found, start=1):
        note = "" if each.is_pi else "  (perhaps not a Raspberry Pi)"
        typer.echo(f"  {number}  {each.address}  {each.name}{note}".rstrip())
    nodes: list[NewNode] = []
    for number in _chosen("Which of them (such as 1 3, or all; empty for none)?", len(found)):
        taken = [node.name for node in nodes]
        picked = found[number - 1]
        nodes.append(NewNode(node_name(picked, len(nodes) + 1, taken), picked.address))
    return nodes


def _chosen(question: str, count: int) -> list[int]:
    """Ask until the answer is numbers from 1 to `count`, `all`, or nothing."""
    while True:
        words = _ask(question, "").replace(",", " ").split()
        if words == ["all"]:
            return list(range(1, count + 1))
        if all(word.isascii() and word.isdigit() and 1 <= int(word) <= count for word in words):
            return list(dict.fromkeys(map(int, words)))
        typer.echo(f"Give numbers from 1 to {count}.")


def _add_typed(nodes: list[NewNode]) -> None:
    from picluster.model.starter import parse_node

    if nodes:
        typer.echo("So far: " + ", ".join(f"{node.name}={node.address}" for node in nodes))
    typer.echo("Give each other machine as NAME=ADDRESS, or its address; an empty line ends it.")
    while True:
        answer = _ask(f"Machine {len(nodes) + 1}:", "")
        if answer:
            nodes.append(parse_node(answer, len(nodes) + 1))
        elif nodes:
            break


def _ask(question: str, default: str) -> str:
    typer.echo(f"{question} [{default}] " if default else f"{question} ", nl=False)
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line.strip() or default


def _number(question: str, default: int) -> int:
    while True:
        answer = _ask(question, str(default))
        if answer.isascii() and answer.isdigit():
            return int(answer)
        typer.echo("Give a number.")


def _found_key() -> str:
    from picluster.steps.access.own_key import USUAL

    for name in USUAL:
        if (Path.home() / ".ssh" / name).is_file():
            return f"~/.ssh/{name}"
    return ""
