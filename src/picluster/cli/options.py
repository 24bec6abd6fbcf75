"""The options that several commands share, alone and in groups.

A command takes a group as one parameter, and its users see the options one by one.
"""

from __future__ import annotations

import functools
import inspect
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import typer

F = TypeVar("F", bound=Callable[..., None])

File = Annotated[
    Path,
    typer.Option(
        "--file", "-f", envvar="PICLUSTER_FILE", help="The cluster file.", show_default=True
    ),
]
Limit = Annotated[
    list[str] | None, typer.Option("--limit", help="Change this node only; may be repeated.")
]
First = Annotated[str | None, typer.Option("--from", help="The first phase to run.")]
Last = Annotated[str | None, typer.Option("--until", help="The last phase to run.")]
Parallel = Annotated[
    int | None,
    typer.Option("--parallel", min=1, help="Nodes to connect to at once [limits.parallel]."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, documented in docs/.")]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Tell more; -vv adds tracebacks.")
]
AcceptKeys = Annotated[
    bool, typer.Option("--accept-new-host-keys", help="Trust and pin host keys at first contact.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Data = Annotated[
    bool, typer.Option("--data", help="Delete volumes too; they are named with sizes first.")
]
Force = Annotated[
    bool,
    typer.Option("--force-conflicts", help="Take over fields of objects that others have set."),
]
Format = Annotated[
    list[str] | None,
    typer.Option("--format-disk", help="NODE:DEVICE whose data may be DELETED; may be repeated."),
]
LoseVolume = Annotated[
    list[str] | None,
    typer.Option(
        "--lose-volume",
        help="NAMESPACE/CLAIM that only this node has, and that is given up; may be repeated.",
    ),
]
KeepVolume = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-volume",
        help="NAMESPACE/CLAIM that only this node has, and that waits for it; may be repeated.",
    ),
]

DEFAULT_FILE = Path("cluster.yaml")


def file_option(file: Path) -> str:
    """Return ` -f FILE` for a command that is to be typed here; empty where nothing has to."""
    known = Path(os.environ.get("PICLUSTER_FILE") or DEFAULT_FILE)
    return "" if file == known else f" -f {shlex.quote(str(file))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the commands take that work on a cluster."""

    file: File = DEFAULT_FILE
    parallel: Parallel = None
    json: Json = False
    verbose: Verbose = 0
    accept_new_host_keys: AcceptKeys = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From which phase until which; None is the respective end."""

    first: First = None
    last: Last = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwritten:
    """What may be overwritten."""

    format_disk: Format = None
    force_conflicts: Force = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """What becomes of volumes that only one node has."""

    lose_volume: LoseVolume = None
    keep_volume: KeepVolume = None


@dataclass(frozen=True, slots=True)
class Without:
    """Leaves options of a group out: they are as if nobody had given them."""

    names: tuple[str, ...]


OneByOne: TypeAlias = Annotated[Options, Without(("parallel",))]
"""Of a command that has no use for connecting to more nodes at once."""
AsText: TypeAlias = Annotated[Options, Without(("json",))]
Plain: TypeAlias = Annotated[Options, Without(("json", "verbose"))]


def command(app: typer.Typer, name: str | None = None) -> Callable[[F], F]:
    """Make a function a command of the application, with the options of its groups."""

    def register(function: F) -> F:
        app.command(name)(_spread(function))
        return function

    return register


def _spread(function: Callable[..., None]) -> Callable[..., None]:
    """Return the function as Typer is to see it: each group's options in the place of the group."""
    hints = get_type_hints(function, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[Callable[..., object], list[str]]] = {}
    for parameter in inspect.signature(function).parameters.values():
        hint = hints[parameter.name]
        group, left_out = _group(hint)
        if group is None:
            parameters.append(parameter.replace(annotation=hint))
            continue
        options = [each for each in fields(group) if each.name not in left_out]
        groups[parameter.name] = group, [each.name for each in options]
        kinds, kind = get_type_hints(group, include_extras=True), inspect.Parameter.KEYWORD_ONLY
        parameters += [
            inspect.Parameter(each.name, kind, default=each.default, annotation=kinds[each.name])
            for each in options
        ]

    @functools.wraps(function)
    def called(**given: Any) -> None:
        for name, (group, options) in groups.items():
            given[name] = group(**{option: given.pop(option) for option in options})
        function(**given)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called


def _group(hint: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the group that a parameter is annotated with, None if none, and what it leaves out."""
    kind, *said = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    left_out = [name for each in said if isinstance(each, Without) for name in each.names]
    return (kind if is_dataclass(kind) else None), tuple(left_out)
