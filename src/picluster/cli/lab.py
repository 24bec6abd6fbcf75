"""`picluster lab`: throw-away machines on this computer to rehearse a cluster on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Rehearse on throw-away machines here (needs root).",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Option("--name", help="The lab's name; its nodes are named after it.")]


@app.command()
def up(
    name: Name = "lab",
    *,
    nodes: Annotated[int, typer.Option(help="How many nodes to boot.")] = 3,
    servers: Annotated[
        int | None, typer.Option(help="How many of them are servers: 3, or 1 below three nodes.")
    ] = None,
    serve: Annotated[
        Path | None,
        typer.Option(help="A directory with install.sh and K3s releases, served to the lab."),
    ] = None,
    output: Annotated[Path, typer.Option(help="The cluster file to write.")] = Path("cluster.yaml"),
    debian: Annotated[
        str, typer.Option(help="The nodes' release: bookworm or trixie.")
    ] = "bookworm",
) -> None:
    """Boot nodes and write a cluster file for them. Nodes that run already are left alone."""
    from picluster.lab import rehearsal

    ha_size = 3
    chosen = servers if servers is not None else (ha_size if nodes >= ha_size else 1)
    wish = rehearsal.Wish(name, nodes, chosen, serve, output, debian=debian)
    lab = rehearsal.up(wish, lambda line: typer.echo(line, err=True))
    typer.echo(f"{len(lab.nodes)} nodes are up; the cluster file is {output}")
    if lab.notice:
        typer.echo(lab.notice)


@app.command()
def down(name: Name = "lab") -> None:
    """Switch the nodes off and remove all that is left of them."""
    from picluster.lab import rehearsal

    rehearsal.down(name)
    typer.echo(f"the lab {name} is gone")


@app.command("list")
def list_() -> None:
    """List the labs and their nodes, and whether they are on."""
    from picluster.lab import rehearsal
    from picluster.lab.supervise import leader

    for lab in rehearsal.labs():
        typer.echo(f"{lab.name}  {lab.subnet}")
        for node in lab.nodes:
            power = "on" if leader(node) else "off"
            typer.echo(f"  {node.name:<14} {node.address:<15} {node.role:<7} {power}")


@app.command("break")
def break_(
    fault: Annotated[
        str,
        typer.Argument(help="cut, freeze, power-off, fill-disk, slow-link, slow-disk or re-flash."),
    ],
    node: Annotated[str, typer.Argument(help="The node's name.")],
    name: Name = "lab",
) -> None:
    """Break a node on purpose, as it happens to Raspberry Pis."""
    from picluster.lab import faults
    from picluster.lab.layout import read_lab

    lab = read_lab(name)
    faults.break_node(lab, lab.node(node), fault)
    typer.echo(
        f"{node}: {fault} done; `picluster lab mend {node} --name {name}` undoes what can be"
    )


@app.command()
def mend(node: Annotated[str, typer.Argument(help="The node's name.")], name: Name = "lab") -> None:
    """Undo a node's faults: cable, speed, disk, processes and power."""
    from picluster.lab import faults
    from picluster.lab.layout import read_lab

    lab = read_lab(name)
    faults.mend(lab, lab.node(node))
    typer.echo(f"{node} is mended")
