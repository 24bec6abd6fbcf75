"""An Ansible inventory as data: hosts, their groups, and the variables in force for each. Pure.

YAML and INI, as https://docs.ansible.com/ansible/latest/inventory_guide/ describes them, with
ranges (`node[0:3]`) and the files of `group_vars` and `host_vars`. Nothing is evaluated.
"""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from picluster.errors import ConfigInvalid
from picluster.model.yaml_limits import check_limits

Vars = dict[str, Any]


class Vaulted:
    """A value that is encrypted with ansible-vault; what is in it is not known."""

    def __repr__(self) -> str:
        return "!vault"


@dataclass(slots=True)
class Group:
    """A group as it is written: hosts with variables of their own, and groups below it."""

    hosts: dict[str, Vars] = field(default_factory=dict)
    vars: Vars = field(default_factory=dict)
    children: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Host:
    """A host with all groups that it is in, and the variables that Ansible would give it."""

    name: str
    groups: frozenset[str]
    vars: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VarsFile:
    """A file of variables beside the inventory: of a group, or of a host."""

    path: str
    owner: str
    is_host: bool
    text: str


_SHAPE = "an inventory has groups with hosts:, vars: and children:"


def read_inventory(text: str, path: str, more: list[VarsFile] | None = None) -> list[Host]:
    """Return the hosts in the order of their first appearance.

    Raises `ConfigInvalid` with file and line for what cannot be read.
    """
    groups = _from_ini(text, path) if _is_ini(text, path) else _from_yaml(text, path)
    for what, number, most in (
        ("groups", len(groups), _MOST_GROUPS),
        ("hosts", sum(len(group.hosts) for group in groups.values()), 10 * _MOST_HOSTS),
    ):
        if number > most:
            raise _too_many(f"it has more than {most} {what}", path)
    groups.setdefault("all", Group())
    order = _outermost_first(groups)
    hosts: dict[str, Vars] = {}
    member: dict[str, set[str]] = {}
    for name in order:
        for host in groups[name].hosts:
            hosts.setdefault(host, {})
            member.setdefault(host, set()).update(_with_ancestors(name, groups))
    group_files = [each for each in more or () if not each.is_host]
    host_files = [each for each in more or () if each.is_host]
    return [
        Host(
            host,
            frozenset(member[host]),
            _of_groups([name for name in order if name in member[host]], groups)
            | _of_files(group_files, [name for name in order if name in member[host]])
            | _own(host, order, groups)
            | _of_files(host_files, [host]),
        )
        for host in hosts
    ]


def _of_groups(groups: list[str], known: Mapping[str, Group]) -> Vars:
    """Deeper groups win over those that they are in."""
    merged: Vars = {}
    for name in groups:
        merged |= known[name].vars
    return merged


def _own(host: str, order: list[str], groups: Mapping[str, Group]) -> Vars:
    merged: Vars = {}
    for name in order:
        merged |= groups[name].hosts.get(host, {})
    return merged


def _of_files(files: list[VarsFile], owners: list[str]) -> Vars:
    merged: Vars = {}
    for owner in owners:
        for file in files:
            if file.owner == owner:
                merged |= _mapping(_yaml(file.text, file.path), file.path, "variables")
    return merged


def _outermost_first(groups: Mapping[str, Group]) -> list[str]:
    """Return the groups with `all` first, and each before those below it."""
    depth = {name: len(_with_ancestors(name, groups)) for name in groups}
    return sorted(groups, key=lambda name: (name != "all", depth[name]))


def _below(name: str, groups: Mapping[str, Group]) -> set[str]:
    """Return the group with all below it."""
    found, level = {name}, [name]
    while level:
        level = [
            child
            for each in level
            for child in (groups[each].children if each in groups else ())
            if child not in found
        ]
        found |= set(level)
    return found


def _with_ancestors(name: str, groups: Mapping[str, Group]) -> set[str]:
    return {"all", *(other for other in groups if name in _below(other, groups))}


# ------------------------------------------------------------------ YAML


class _Loader(yaml.SafeLoader):
    """Knows Ansible's tags: an encrypted value stays one, and `!unsafe` is a text."""


_Loader.add_constructor("!vault", lambda loader, node: Vaulted())
_Loader.add_constructor("!unsafe", lambda loader, node: str(node.value))


def _yaml(text: str, path: str) -> Any:
    if text.startswith("$ANSIBLE_VAULT"):
        return {}
    try:
        check_limits(text)
        return yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigInvalid(
            "the inventory cannot be read",
            where=f"{path}:{mark.line + 1}" if mark else path,
            why=getattr(error, "problem", None) or str(error),
            fix="`ansible-inventory -i FILE --list` has to work with it",
        ) from None


def _mapping(value: Any, path: str, what: str) -> Vars:
    if value is None:
        return {}
    if isinstance(value, dict):
        return {str(key): item for key, item in value.items()}
    raise ConfigInvalid(f"{what} are not a mapping", where=path, why=_SHAPE, fix="see the example")


def _from_yaml(text: str, path: str) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for name, body in _mapping(_yaml(text, path), path, "its groups").items():
        _add_group(name, body, path, groups)
    return groups


def _add_group(name: str, body: Any, path: str, groups: dict[str, Group]) -> None:
    found = groups.setdefault(name, Group())
    parts = _mapping(body, path, f"the parts of {name}")
    for pattern, own in _mapping(parts.get("hosts"), path, f"the hosts of {name}").items():
        for host, port in _places_of(pattern, path):
            read = _mapping(own, path, f"the variables of {pattern}")
            found.hosts.setdefault(host, {}).update(port | read)
    found.vars |= _mapping(parts.get("vars"), path, f"the variables of {name}")
    for child, below in _mapping(parts.get("children"), path, f"the children of {name}").items():
        found.children.append(child)
        _add_group(child, below, path, groups)


# ------------------------------------------------------------------ INI

# Ansible's own (lib/ansible/plugins/inventory/ini.py) allows a comment after it, too.
_SECTION = re.compile(r"\[([^\]:]+)(?::(vars|children))?\]\s*(?:[#;].*)?")


def _is_ini(text: str, path: str) -> bool:
    if path.endswith((".yml", ".yaml", ".json")):
        return False
    return path.endswith(".ini") or any(
        _SECTION.fullmatch(line.strip()) for line in text.splitlines()
    )


def _from_ini(text: str, path: str) -> dict[str, Group]:
    groups: dict[str, Group] = {"all": Group()}
    name, kind = "ungrouped", ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        section = _SECTION.fullmatch(line)
        if section:
            name, kind = section[1].strip(), section[2] or ""
            groups.setdefault(name, Group())
            continue
        group = groups.setdefault(name, Group())
        if kind == "children":
            group.children.append(line)
            groups.setdefault(line, Group())
        elif kind == "vars":
            key, _, value = line.partition("=")
            group.vars[key.strip()] = _literal(value.strip())
        else:
            _add_host(line, f"{path}:{number}", group)
    return groups


def _add_host(line: str, where: str, group: Group) -> None:
    try:
        pattern, *words = shlex.split(line, comments=True)
    except ValueError as error:
        raise ConfigInvalid(
            "the line cannot be read", where=where, why=str(error).lower(), fix="close the quote"
        ) from None
    own = dict(word.partition("=")[::2] for word in words)
    read = {key: _literal(value) for key, value in own.items()}
    for host, port in _places_of(pattern, where):
        group.hosts.setdefault(host, {}).update(port | read)


def _literal(text: str) -> Any:
    """Read what Ansible reads as a Python literal; everything else is a text."""
    if len(text) > _LONGEST_LITERAL:
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text


_RANGE = re.compile(r"\[(\d+|[a-z]):(\d+|[a-z])(?::(\d+))?\]", re.IGNORECASE)
_MOST_HOSTS = 1000
_MOST_GROUPS = 500
_LONGEST_LITERAL = 10_000


def _hosts_of(pattern: str, where: str) -> list[str]:
    """Return the hosts of a pattern. Raises `ConfigInvalid` for more than a cluster can have."""
    found = list(itertools.islice(_expanded(pattern), _MOST_HOSTS + 1))
    if len(found) > _MOST_HOSTS:
        raise _too_many(f"{pattern} stands for more than {_MOST_HOSTS} hosts", where)
    return found


_WITH_PORT = re.compile(r"(?P<host>[^:\[\]]+|\[[0-9A-Fa-f:]+\]):(?P<port>\d{1,5})")


def _places_of(pattern: str, where: str) -> Iterator[tuple[str, Vars]]:
    """Yield the hosts of a pattern, each with the port that is written behind its name."""
    for text in _hosts_of(pattern, where):
        found = _WITH_PORT.fullmatch(text)
        host = found["host"] if found else text
        yield host.strip("[]"), {"ansible_port": int(found["port"])} if found else {}


def _too_many(why: str, where: str) -> ConfigInvalid:
    return ConfigInvalid(
        "the inventory is too large",
        where=where,
        why=why,
        fix="make one of the cluster's machines alone",
    )


def _expanded(pattern: str) -> Iterator[str]:
    """Yield the hosts of `node[0:2].lan`; numbers keep their leading zeros."""
    found = _RANGE.search(pattern)
    if not found:
        yield pattern
        return
    first, last, step = found[1], found[2], int(found[3] or 1)
    if first.isdecimal() and last.isdecimal():
        numbers = range(int(first), int(last) + 1, max(step, 1))
        texts = [str(number).zfill(len(first)) for number in numbers[:_MOST_HOSTS]]
    else:
        texts = [chr(code) for code in range(ord(first[0]), ord(last[0]) + 1, max(step, 1))]
    for text in texts:
        yield from _expanded(pattern[: found.start()] + text + pattern[found.end() :])
