"""From `cluster.yaml` to a `Cluster`, or to every reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from picluster.model import rules
from picluster.model.cluster import Cluster
from picluster.model.explain import home_of, section_at
from picluster.model.origins import Setting, origins_of, rows_of
from picluster.model.problems import ClusterFileInvalid, Problem, dotted, shown
from picluster.model.refusal import REFUSED, REFUSED_UNSEEN, nearest
from picluster.model.section import Reading
from picluster.model.yaml_tree import (
    Entries,
    Flaw,
    NotYaml,
    Tree,
    data_of,
    find,
    is_nothing,
    key_mark,
    place_of,
    read_tree,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

_LARGEST_FILE = 1024 * 1024
_KEY = "[key]"  # pydantic's name for "the key itself, not what is under it"


@dataclass(frozen=True)
class Loaded:
    """A cluster, the file it came from, and where in it each value is written."""

    cluster: Cluster
    path: Path
    tree: Tree

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """For every value, by its dotted path: `cluster.yaml:12`, or `default`."""
        return origins_of(self.cluster, self.tree, str(self.path))

    def rows(self) -> list[Setting]:
        """Every value of the resolved cluster with its origin, in the order of the model."""
        return rows_of(self.cluster, self.tree, str(self.path))


def load(path: Path | str) -> Loaded:
    """Read a cluster file.

    Raises `ClusterFileInvalid` (a `ConfigInvalid`) with every problem found, in one go.
    """
    return parse(text_of(Path(path)), Path(path))


def parse(text: str, path: Path | str = "cluster.yaml") -> Loaded:
    """Read the text of a cluster file; `path` is what messages call it and where paths start.

    Raises `ClusterFileInvalid` (a `ConfigInvalid`) with every problem found, in one go.
    """
    path = Path(path)
    try:
        tree, flaws = read_tree(text)
    except NotYaml as error:
        raise ClusterFileInvalid(str(path), [_problem_of(flaw) for flaw in error.flaws]) from None
    if not isinstance(tree, Entries):
        what = "is empty" if data_of(tree) is None else "is not a mapping of keys to values"
        fix = "start with `name:` and `nodes:`, or delete it and let `picluster init` write one"
        raise _invalid(path, what, fix)
    base = path.expanduser().absolute().parent
    cluster, problems = _validated(tree, base)
    problems += [_problem_of(flaw) for flaw in flaws]
    if problems or cluster is None:
        raise ClusterFileInvalid(str(path), problems)
    return Loaded(cluster, path, tree)


def text_of(path: Path) -> str:
    """Return the text of a cluster file. Raises `ClusterFileInvalid` if it cannot be read."""
    try:
        if path.is_dir():
            raise _invalid(path, "is a directory", f"name the file: {path / 'cluster.yaml'}")
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        fix = "name the file with -f, or let `picluster init` write one"
        raise _invalid(path, "does not exist", fix) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _invalid(path, f"cannot be read: {reason.lower()}", "check the path") from None
    if len(content) > _LARGEST_FILE:
        raise _invalid(path, "is larger than 1 MiB", "name the cluster file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        sound = content[: error.start].decode()
        problem = Problem(
            *place_of(sound, len(sound)), "", "is not UTF-8 text", "save the file as UTF-8"
        )
        raise ClusterFileInvalid(str(path), [problem]) from None


def _invalid(path: Path, what: str, fix: str) -> ClusterFileInvalid:
    return ClusterFileInvalid(str(path), [Problem(0, 0, "", what, fix)])


def _problem_of(flaw: Flaw) -> Problem:
    return Problem(*flaw.mark, "", flaw.what, flaw.fix)


def _validated(tree: Tree, base: Path) -> tuple[Cluster | None, list[Problem]]:
    data = data_of(tree)
    try:
        cluster = Cluster.model_validate(data, context=Reading(base))
        return cluster, [_problem_of_rule(found, tree) for found in rules.findings(cluster)]
    except ValidationError as error:
        details = error.errors(include_url=False)
    problems = [_explained(detail, tree) for detail in details]
    return None, problems + _broken_rules(data, details, base, tree)


def _broken_rules(
    data: object, details: list[ErrorDetails], base: Path, tree: Tree
) -> list[Problem]:
    """Try the rules about the whole on what is left when the bad values are taken away."""
    rough = Cluster.model_validate(data, context=Reading(base, lenient=True))
    if not isinstance(rough.nodes, tuple):
        return []
    bad = [tuple(step for step in detail["loc"] if step != _KEY) for detail in details]
    return [
        _problem_of_rule(found, tree)
        for found in rules.findings(rough)
        if not any(found.stands_on(loc) for loc in bad)
    ]


def _problem_of_rule(found: rules.Breach, tree: Tree) -> Problem:
    mark = find(tree, found.loc)[0]
    return Problem(*mark, dotted(found.loc), found.what, found.fix, shown(found.value))


def _explained(detail: ErrorDetails, tree: Tree) -> Problem:
    """Say in picluster's words what pydantic found."""
    loc, kind = detail["loc"], detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(loc, tree)
    mark, written, complete = find(tree, loc)
    if complete and is_nothing(written):
        fix = "write one, or take the line out"
        return Problem(*mark, dotted(loc), "has no value", fix)
    what, fix = _words(kind, detail.get("ctx", {}), detail["msg"])
    if loc and loc[-1] == _KEY:
        return Problem(*key_mark(tree, loc[:-1]), dotted(loc[:-1]), what, fix)
    value = None if kind in (REFUSED_UNSEEN, "missing") else shown(detail["input"])
    return Problem(*mark, dotted(loc), what, fix, value)


def _unknown_key(loc: tuple[str | int, ...], tree: Tree) -> Problem:
    key = str(loc[-1])
    section = section_at(loc[:-1])
    known = list(section.model_fields) if section else []
    meant, home = nearest(key, known), home_of(key)
    if meant:
        fix = f"did you mean {meant}?"
    elif home:
        fix = f"it belongs at {home}"
    else:
        fix = f"take it out; the keys here are {', '.join(known)}"
    return Problem(*key_mark(tree, loc), dotted(loc), "is not a key that picluster knows", fix)


def _words(kind: str, context: dict[str, Any], message: str) -> tuple[str, str]:
    if kind in (REFUSED, REFUSED_UNSEEN):
        return str(context["what"]), str(context["fix"])
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        side = "small" if "ge" in context else "large"
        return f"is too {side}", f"write {bound} or {'more' if 'ge' in context else 'less'}"
    return _WORDS.get(kind, (f"is not valid: {message}", "correct it"))


_WORDS = {
    "missing": ("is missing", "add it"),
    "string_type": ("has to be a single text", "write one value, without list or sub-keys"),
    "tuple_type": ("has to be a list", "write one item per line, each after '- '"),
    "dict_type": ("has to be a mapping", "write `key: value` lines below it"),
    "mapping_type": ("has to be a mapping", "write `key: value` lines below it"),
    "model_type": ("has to be a mapping", "write `key: value` lines below it"),
    "int_type": ("is not a whole number", "write it in digits"),
    "path_type": ("is not a path", "write the path of a file or directory"),
}
