"""What can be wrong with a line of Python: one small change at a time. Pure."""

from __future__ import annotations

import ast
import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True, slots=True)
class Mutation:
    """One changed line of a module: where, and what was done to it."""

    line: int
    lines: tuple[int, int]
    """The statement's first line and its last, but for what stands inside of it."""
    what: str
    name: str
    """What the statement names, if it runs at import."""
    readers: int
    """The lines, a bit each, that read it."""
    _tree: ast.Module
    _position: int
    _change: Callable[[ast.AST], None]

    @property
    def source(self) -> str:
        """The whole module with it."""
        mutant = copy.deepcopy(self._tree)
        self._change(list(_deciding(mutant))[self._position])
        return ast.unparse(mutant)


def mutations(source: str) -> Iterator[Mutation]:
    """Return every mutation of a module's source, from top to bottom."""
    tree = ast.parse(source)
    spans, named, read = _spans(tree), _named_at_import(tree), _read(tree)
    for position, node in enumerate(_deciding(tree)):
        for what, change, line in _changes(node):
            lines = spans.get(line, (line, line))
            name = named.get(lines[0], "")
            told = f"{what}: {_shown(node)}"
            yield Mutation(line, lines, told, name, read.get(name, 0), tree, position, change)


def _spans(tree: ast.Module) -> dict[int, tuple[int, int]]:
    """Return the lines of the innermost statement at each line.

    What is recorded of a statement on several lines is only those of its parts that were run.
    """
    found: dict[int, tuple[int, int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            span = (node.lineno, max(node.lineno, end))
            found |= dict.fromkeys(range(span[0], span[1] + 1), span)
    return found


def _named_at_import(tree: ast.Module) -> dict[int, str]:
    """Return what modules and classes give a name to, by the line where that begins."""
    found = dict[int, str]()
    for room in ast.walk(tree):
        if isinstance(room, (ast.Module, ast.ClassDef)):
            for node in room.body:
                match node:
                    case (
                        ast.Assign(targets=[ast.Name(id=name)])
                        | ast.AnnAssign(target=ast.Name(id=name))
                    ):
                        found[node.lineno] = name
    return found


def _read(tree: ast.Module) -> dict[str, int]:
    """Return the lines, a bit each, that read a name or an attribute called like this."""
    found: dict[str, int] = defaultdict(int)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
                found[name] |= 1 << node.lineno
    return found


def _deciding(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs: no annotations, no docstrings, no assertions, no `if TYPE_CHECKING`.

    How long something is waited for is left alone too: tests assert counts, never durations.
    """
    yield tree
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _said_only(child):
                yield from _deciding(child)


def _said_only(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Assert():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.keyword(arg="timeout") | ast.Assign(targets=[ast.Name()]) if _is_limit(node):
            return True
    return False


def _is_limit(node: ast.keyword | ast.Assign) -> bool:
    named = isinstance(node, ast.keyword) or node.targets[0].id.endswith("_SECONDS")  # type: ignore[attr-defined]
    return named and isinstance(node.value, (ast.Constant, ast.BinOp))


_Change = Callable[[ast.AST], None]


def _changes(node: ast.AST) -> Iterator[tuple[str, _Change, int]]:
    for what, change in _changed_value(node):
        yield what, change, getattr(node, "lineno", 1)
    if isinstance(getattr(node, "body", None), list):
        yield from _left_out(node)


def _changed_value(node: ast.AST) -> Iterator[tuple[str, _Change]]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _OPPOSITE:
            yield (
                "compared otherwise",
                lambda it: it.ops.__setitem__(  # type: ignore[attr-defined]
                    0,
                    _OPPOSITE[type(it.ops[0])](),  # type: ignore[attr-defined]
                ),
            )
        case ast.BoolOp(op=operator):
            other = ast.Or if isinstance(operator, ast.And) else ast.And
            yield "and for or", lambda it: setattr(it, "op", other())
        case ast.If() | ast.While() | ast.IfExp():
            yield "never", lambda it: setattr(it, "test", ast.Constant(False))
            yield "always", lambda it: setattr(it, "test", ast.Constant(True))
        case ast.BinOp(op=ast.Add() | ast.Sub() as operator) if not _text(node):
            other_sign = ast.Sub if isinstance(operator, ast.Add) else ast.Add
            yield "plus for minus", lambda it: setattr(it, "op", other_sign())
        case ast.Constant(value=bool() as flag):
            yield "flipped", lambda it: setattr(it, "value", not flag)
        case ast.Constant(value=int() as number):
            yield "one more", lambda it: setattr(it, "value", number + 1)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            for place, element in enumerate(elements):
                if isinstance(element, (ast.Call, ast.Starred)):
                    yield f"left out {_shown(element)}", _without(place)


def _left_out(node: ast.AST) -> Iterator[tuple[str, _Change, int]]:
    """Leave out a statement that does something: a call, or the raising of a refusal."""
    for place, statement in enumerate(getattr(node, "body", ())):
        if isinstance(statement, ast.Raise) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        ):
            yield f"left out `{_shown(statement)}` in", _passing(place), statement.lineno


def _passing(place: int) -> _Change:
    return lambda it: it.body.__setitem__(place, ast.Pass())  # type: ignore[attr-defined]


def _without(place: int) -> _Change:
    return lambda it: it.elts.__delitem__(place)  # type: ignore[attr-defined]


def _text(node: ast.BinOp) -> bool:
    """Whether an addition is surely of texts or lists, which `-` would make a mere TypeError."""
    return any(
        isinstance(side, (ast.JoinedStr, ast.List, ast.ListComp))
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _shown(node: ast.AST) -> str:
    if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
        return getattr(node, "name", "module")
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        node = node.test
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."
