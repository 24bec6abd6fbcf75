"""The questions of `picluster init`. The loader judges each answer; a bad one is asked again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeAlias

import typer

from picluster.discovery import candidates, node_name
from picluster.errors import UsageError
from picluster.model.problems import ClusterFileInvalid
from picluster.model.starter import DEFAULT_NAME, Draft, parse_node, suggested_servers, try_out
from picluster.ssh.user_config import login_of
from picluster.steps.access.own_key import USUAL

_Change: TypeAlias = Callable[[Draft, str], Draft]


def complete(draft: Draft) -> Draft:
    """Ask on the terminal for what a draft without nodes leaves open.

    Raises `ClusterFileInvalid` if what it holds is no good already, and `typer.Abort` at the end of
    the input.
    """
    wanted = draft.servers
    draft = replace(draft, servers=None)
    try_out(draft)
    if not draft.name:
        draft = _settled(draft, _with_name, "What is the cluster called?", DEFAULT_NAME)
    draft = _add_found(draft)
    draft = _add_typed(draft)
    many = len(draft.nodes)
    suggested = str(wanted or suggested_servers(many))
    question = f"How many of the {many} are servers (1, 3 or 5)?"
    draft = _settled(draft, _with_servers, question, suggested)
    return _add_login(draft)


def _add_found(draft: Draft) -> Draft:
    """Offer the machines nearby, and add those that the user wants."""
    typer.echo("Looking for Raspberry Pis that this computer knows of ...")
    found = candidates()
    if not found:
        return draft
    for number, each in enumerate(found, start=1):
        note = "" if each.is_pi else "  (perhaps not a Raspberry Pi)"
        typer.echo(f"  {number}  {each.address}  {each.name}{note}".rstrip())
    for number in _chosen("Which of them (such as 1 3, or all; empty for none)?", len(found)):
        picked = found[number - 1]
        name = node_name(picked, len(draft.nodes) + 1, _names(draft))
        draft = _tried(draft, _with_machine, f"{name}={picked.address}") or draft
    return draft


def _add_typed(draft: Draft) -> Draft:
    if draft.nodes:
        typer.echo("So far: " + ", ".join(f"{node.name}={node.address}" for node in draft.nodes))
    typer.echo("Give each other machine as NAME=ADDRESS, or its address; an empty line ends it.")
    while True:
        longer = _settled(draft, _with_machine, f"Machine {len(draft.nodes) + 1}:")
        if longer == draft:
            return draft
        draft = longer


def _add_login(draft: Draft) -> Draft:
    """Ask for user and key; what `~/.ssh/config` says for all machines need not be in the file."""
    known = [login_of(node.address) for node in draft.nodes]
    if not draft.user:
        users = ", ".join(sorted({login.user for login in known}))
        told = f" (empty: {users}, as ~/.ssh/config says)"
        configured = all(login.user for login in known)
        question = f"Who logs in on them{told if configured else ''}?"
        draft = _settled(draft, _with_user, question, "" if configured else "pi")
    if not draft.key:
        configured = all(login.key for login in known)
        empty = "as ~/.ssh/config says" if configured else "your usual one"
        question = f"With which private key (empty: {empty})?"
        draft = _settled(draft, _with_key, question, "" if configured else _found_key())
    return draft


def _settled(draft: Draft, change: _Change, question: str, default: str = "") -> Draft:
    """Ask until the answer makes a good draft, and return that."""
    while True:
        changed = _tried(draft, change, _ask(question, default))
        if changed is not None:
            return changed


def _tried(draft: Draft, change: _Change, answer: str) -> Draft | None:
    """Return the changed draft if it is a good one; else say what is not."""
    try:
        changed = change(draft, answer)
        try_out(changed)
    except ClusterFileInvalid as error:
        for problem in error.problems:
            typer.echo(f"  {problem.sentence()}; {problem.fix}")
    except UsageError as error:
        typer.echo(f"  {error.what}; {error.fix}")
    else:
        return changed
    return None


def _with_name(draft: Draft, answer: str) -> Draft:
    return replace(draft, name=answer)


def _with_user(draft: Draft, answer: str) -> Draft:
    return replace(draft, user=answer)


def _with_key(draft: Draft, answer: str) -> Draft:
    return replace(draft, key=answer)


def _with_machine(draft: Draft, answer: str) -> Draft:
    """Add a machine; an empty answer adds none, of which there has to be one already."""
    if not answer and not draft.nodes:
        raise UsageError("a cluster has at least one machine", fix="give its address")
    if not answer:
        return draft
    names = _names(draft)
    free = next(number for number in count(len(names) + 1) if f"pi{number}" not in names)
    return replace(draft, nodes=(*draft.nodes, parse_node(answer, free)))


def _with_servers(draft: Draft, answer: str) -> Draft:
    if not (answer.isascii() and answer.isdigit()):
        raise UsageError(f"{answer} is not a number", fix="give 1, 3 or 5")
    return replace(draft, servers=int(answer))


def _names(draft: Draft) -> list[str]:
    return [node.name for node in draft.nodes]


def _chosen(question: str, many: int) -> list[int]:
    """Ask until the answer is numbers from 1 to `many`, `all`, or nothing."""
    while True:
        words = _ask(question, "").replace(",", " ").split()
        if words == ["all"]:
            return list(range(1, many + 1))
        if all(word.isascii() and word.isdigit() and 1 <= int(word) <= many for word in words):
            return list(dict.fromkeys(map(int, words)))
        typer.echo(f"  Give numbers from 1 to {many}.")


def _ask(question: str, default: str) -> str:
    typer.echo(f"{question} [{default}] " if default else f"{question} ", nl=False)
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line.strip() or default


def _found_key() -> str:
    for name in USUAL:
        if (Path.home() / ".ssh" / name).is_file():
            return f"~/.ssh/{name}"
    return ""
