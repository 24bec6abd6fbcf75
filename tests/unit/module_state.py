"""Finds state that modules keep: what their threads, and a second run in one process, would share.

It reads source and runs nothing. State is a name that is bound again (`global`), a container that
is made at import and changed later, an object that is made at import and may change itself, a
cache, an attribute set on a module or class, and a setting of the whole process.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

CONTAINERS = {
    "list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict",
    "fromkeys", "split", "ConfigDict",
}  # fmt: skip
"""What makes an object that can be changed; fine at import, as long as nobody does."""

UNCHANGING = {
    "Path", "PurePosixPath", "TypeVar", "MappingProxyType", "frozenset", "getattr", "join", "range",
    "re.compile", "shared", "shell", "strip", "timedelta", "tuple", "str", "int", "float",
}  # fmt: skip
"""What makes an object that nobody can change; `shell` and `shared` read a script's text."""

REGISTERS = {"typer.Typer"}
"""What commands are registered with while modules are imported, which one thread does."""

_CHANGES = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem",
    "remove", "reverse", "setdefault", "sort", "update",
}  # fmt: skip
_CACHES = {"cache", "lru_cache"}
_OF_THE_PROCESS = {
    "os.chdir", "os.putenv", "os.umask", "os.unsetenv", "locale.setlocale", "random.seed",
    "socket.setdefaulttimeout", "sys.setrecursionlimit", "sys.setswitchinterval", "time.tzset",
}  # fmt: skip
_ENVIRONMENT = "os.environ"


@dataclass(frozen=True, order=True)
class Found:
    """State of a module: the name that it goes by, and what is wrong with it."""

    module: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.module}: {self.name} {self.why}"


def state_of(sources: Mapping[str, str]) -> list[Found]:
    """Return the state that modules keep, given their texts by name."""
    trees = {module: ast.parse(text) for module, text in sources.items()}
    frozen = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and _is_frozen(node)
    }
    made = {
        f"{module}.{name}"
        for module, tree in trees.items()
        for name, value in _bound(tree.body)
        if _is_container(value)
    }
    found: set[Found] = set()
    for module, tree in trees.items():
        found |= {Found(module, *each) for each in _made_at_import(tree, frozen)}
        found |= {Found(module, *each) for each in _Changes(module, tree, made).found()}
    return sorted(found)


def _is_frozen(node: ast.ClassDef) -> bool:
    """Whether objects of a class cannot be changed: a frozen dataclass, a tuple, an enumeration."""
    if any(_dotted(base).rpartition(".")[2].endswith(("Enum", "Tuple")) for base in node.bases):
        return True
    return any(
        isinstance(each, ast.Call)
        and any(
            key.arg == "frozen" and isinstance(key.value, ast.Constant) and key.value.value is True
            for key in each.keywords
        )
        for each in node.decorator_list
    )


def _bound(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    """Yield what a module or class binds: each name and the expression for it.

    Annotated names of a class are fields, whose default each object gets for itself.
    """
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield ast.unparse(target), node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield ast.unparse(node.target), node.value
        elif isinstance(node, ast.ClassDef):
            plain: list[ast.stmt] = [each for each in node.body if isinstance(each, ast.Assign)]
            for name, value in _bound(plain):
                yield f"{node.name}.{name}", value
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            continue
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for part in ("body", "orelse", "finalbody"):
                yield from _bound(getattr(node, part, []))


def _is_container(value: ast.expr) -> bool:
    made = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    return isinstance(value, made) or (
        isinstance(value, ast.Call) and _dotted(value.func).rpartition(".")[2] in CONTAINERS
    )


def _made_at_import(tree: ast.Module, frozen: set[str]) -> Iterator[tuple[str, str]]:
    for name, value in _bound(tree.body):
        for call in _calls(value):
            made = _dotted(call.func)
            last = made.rpartition(".")[2]
            if {made, last} & (UNCHANGING | REGISTERS | CONTAINERS) or last in frozen:
                continue
            yield name, f"holds what {made}() made, which may change"


def _calls(value: ast.expr) -> Iterator[ast.Call]:
    """Yield the calls that are made when the expression is: not those in the body of a lambda.

    Those in a type's annotation make what the type means.
    """
    if isinstance(value, ast.Lambda):
        return
    if isinstance(value, ast.Subscript) and _dotted(value.value) == "Annotated":
        return
    if isinstance(value, ast.Call):
        yield value
    for child in ast.iter_child_nodes(value):
        if isinstance(child, ast.expr):
            yield from _calls(child)


def _dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a name or attributes of one, and the last attribute of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Subscript):
        return _dotted(node.value)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return ""


class _Changes:
    """What the code of a module changes that is not its caller's."""

    def __init__(self, module: str, tree: ast.Module, made: set[str]) -> None:
        self._module = module
        self._tree = tree
        self._made = made
        self._imported = dict(_imports(tree))

    def found(self) -> Iterator[tuple[str, str]]:
        for node in ast.walk(self._tree):
            match node:
                case ast.Global(names):
                    yield from ((name, "is bound again with `global`") for name in names)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    for each in node.decorator_list:
                        called = each.func if isinstance(each, ast.Call) else each
                        if _dotted(called).rpartition(".")[2] in _CACHES:
                            yield node.name, "keeps a cache"
                case ast.Assign(targets) | ast.Delete(targets):
                    for target in targets:
                        yield from self._stored(target)
                case ast.AugAssign(target) | ast.AnnAssign(target):
                    yield from self._stored(target)
                case ast.Call(func):
                    yield from self._called(func)

    def _stored(self, target: ast.expr) -> Iterator[tuple[str, str]]:
        if isinstance(target, ast.Tuple | ast.List):
            for each in target.elts:
                yield from self._stored(each)
        elif isinstance(target, ast.Subscript):
            yield from self._changed(target.value, "an item of it is set")
        elif isinstance(target, ast.Attribute):
            base = _dotted(target.value)
            if base in self._imported or base == "cls":
                yield f"{base}.{target.attr}", "is set from outside of its module or class"

    def _called(self, func: ast.expr) -> Iterator[tuple[str, str]]:
        name = self._resolved(_dotted(func))
        if name in _OF_THE_PROCESS:
            yield name, "changes the whole process"
        if isinstance(func, ast.Attribute) and func.attr in _CHANGES:
            yield from self._changed(func.value, f"is changed by `{func.attr}`")

    def _changed(self, base: ast.expr, how: str) -> Iterator[tuple[str, str]]:
        written = _dotted(base)
        name = self._resolved(written)
        if name in self._made:
            yield written, f"is made at import, and {how}"
        elif name == _ENVIRONMENT:
            yield name, f"is the whole process's, and {how}"

    def _resolved(self, written: str) -> str:
        """Return the full name of what is written in this module."""
        first, dot, rest = written.partition(".")
        if first in self._imported:
            return f"{self._imported[first]}{dot}{rest}"
        return f"{self._module}.{written}"


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield what each imported name stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                name = each.asname or each.name.partition(".")[0]
                yield name, each.name if each.asname else name
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                yield each.asname or each.name, f"{node.module}.{each.name}"
