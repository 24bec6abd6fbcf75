"""Finds an Ansible inventory's files: itself, and those in group_vars and host_vars beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from picluster.errors import ConfigInvalid, UsageError
from picluster.model.ansible_inventory import Host, VarsFile, read_inventory

_SUFFIXES = ("", ".yml", ".yaml", ".json")
_NAMES = ("hosts", "inventory")
_MOST_CHARACTERS = 4_000_000


def read_hosts(inventory: Path) -> list[Host]:
    """Return the inventory's hosts with their variables.

    Raises `UsageError` if a file cannot be read, `ConfigInvalid` if there is no sense in it.
    """
    try:
        inventory = _file_of(inventory)
        text = _text(inventory)
        more = [*_beside(inventory, "group_vars"), *_beside(inventory, "host_vars")]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the inventory cannot be read",
            where=str(inventory),
            why=str(getattr(error, "strerror", None) or error).lower(),
            fix="give the path of its file, such as inventory/production.yml",
        ) from None
    return read_inventory(text, str(inventory), more)


def _file_of(inventory: Path) -> Path:
    """Return the inventory's file; of a directory, the one that Ansible would read in it.

    Raises `UsageError` for one with none or with several: which of them counts, Ansible alone says.
    """
    if not inventory.is_dir():
        return inventory
    known = {f"{name}{end}" for name in _NAMES for end in (*_SUFFIXES, ".ini")}
    found = sorted(each for each in inventory.iterdir() if each.name in known and each.is_file())
    if len(found) == 1:
        return found[0]
    names = ", ".join(each.name for each in found)
    raise UsageError(
        "the directory holds several inventories" if found else "the directory holds no inventory",
        where=str(inventory),
        why=f"there are {names}" if found else f"no file is called {', '.join(_NAMES)}",
        fix="give the path of one file, such as inventory/production.yml",
    )


def _beside(inventory: Path, directory: str) -> Iterator[VarsFile]:
    """Yield the files of variables: NAME.yml, or all files in a directory NAME."""
    here = inventory.parent / directory
    for path in sorted(here.iterdir()) if here.is_dir() else ():
        if path.name.startswith("."):
            continue
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        owner = path.name if path.is_dir() else path.stem
        for file in files:
            if file.is_file() and file.suffix in _SUFFIXES:
                yield VarsFile(str(file), owner, directory == "host_vars", _text(file))


def _text(path: Path) -> str:
    """Read a file, or what a pipe gives; of what never ends, no more than can be of use."""
    with path.open() as file:
        text = file.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise ConfigInvalid(
            "the inventory is too large",
            where=str(path),
            why=f"it has more than {_MOST_CHARACTERS} characters",
            fix="make one of the cluster's machines alone",
        )
    return text
