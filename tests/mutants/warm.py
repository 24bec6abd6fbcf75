"""Faults in functions, put into a process that has imported picluster and collected its tests.

The faulty module is compiled, and each function that differs gets the faulty code. What a module
does when it is imported has been done by then: such faults are left to the cold way.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import multiprocessing
import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from inspect import CO_NEWLOCALS, CO_OPTIMIZED
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from tests.mutants.fault import Fault, Outcome
from tests.mutants.trial import PYTEST, silence, tried

_Key = tuple[str, str, int]
"""A function: its file, its qualified name, its first line."""


def tried_warm(
    faults: Sequence[Fault], root: Path, tests: Sequence[str], width: int
) -> Iterator[tuple[Fault, Outcome]]:
    """Try faults, `width` at a time, in forks of one process that has collected all `tests`."""
    here, there = multiprocessing.Pipe()
    pid = os.fork()
    if not pid:
        try:
            silence()
            os.chdir(root)
            here.close()
            pytest.main([*PYTEST, *tests], plugins=[_Loop(there, faults, root, width)])
        finally:
            os._exit(0)
    there.close()
    try:
        with contextlib.suppress(EOFError):
            while True:
                number, outcome = here.recv()
                yield faults[number], outcome
    finally:
        os.waitpid(pid, 0)


@dataclass(frozen=True, slots=True)
class _Loop:
    """Stands in for pytest's loop over the tests it has collected."""

    wire: Connection
    faults: Sequence[Fault]
    root: Path
    width: int

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        bench = _Bench(session, self.root, _live_functions())
        gc.freeze()  # what is there is not looked through again in each fork
        numbers = {id(fault): number for number, fault in enumerate(self.faults)}
        for fault, outcome in tried(self.faults, bench.attempt, self.width):
            self.wire.send((numbers[id(fault)], outcome))
        self.wire.close()
        return True


@dataclass(frozen=True, slots=True)
class _Bench:
    session: pytest.Session
    root: Path
    functions: dict[_Key, list[FunctionType]]

    def attempt(self, fault: Fault) -> Outcome:
        if not self._put_in(fault):
            return Outcome.COLD
        by_id = {item.nodeid: item for item in self.session.items}
        items = [by_id[test] for test in fault.tests if test in by_id]
        for item, after in zip(items, [*items[1:], None], strict=True):
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            except BaseException:  # such as an exit, or an interrupt
                return Outcome.NOTICED
            if self.session.testsfailed:
                return Outcome.NOTICED
        return Outcome.COLD if fault.at_import else Outcome.SURVIVED

    def _put_in(self, fault: Fault) -> bool:
        path = str(self.root / fault.module)
        sound = list(_codes(_compiled((self.root / fault.module).read_text(), path)))
        faulty = _by_name(_compiled(fault.source, path))
        written = compile((self.root / fault.module).read_text(), path, "exec")
        lines = [each.code.co_firstlineno for each in _codes(written)]
        changed = [
            (each, other, line)
            for (each, line) in zip(sound, lines, strict=True)
            if (other := faulty.get((each.code.co_qualname, each.ordinal))) is None
            or not _same(each.code, other)
        ]
        if not changed or any(each.at_import or other is None for each, other, _ in changed):
            return False
        return all(
            self._replace((path, each.code.co_qualname, line), other)
            for each, other, line in changed
            if each.outermost and other is not None
        )

    def _replace(self, key: _Key, code: CodeType) -> bool:
        for function in self.functions.get(key, ()):
            if function.__code__.co_freevars != code.co_freevars:
                return False
            function.__code__ = code
        return key in self.functions


@dataclass(frozen=True, slots=True)
class _Code:
    code: CodeType
    ordinal: int
    """Which one of those with this name in the module."""
    at_import: bool
    """Whether it runs when the module is imported: a module, a class, a loop in one of them."""
    outermost: bool
    """Whether it is a function that stands in no other."""


def _codes(module: CodeType) -> Iterator[_Code]:
    seen: dict[str, int] = defaultdict(int)

    def walk(code: CodeType, within_function: bool) -> Iterator[_Code]:
        is_function = _is_function(code)
        yield _Code(
            code,
            seen[code.co_qualname],
            not within_function and not is_function,
            is_function and not within_function,
        )
        seen[code.co_qualname] += 1
        for each in code.co_consts:
            if isinstance(each, CodeType):
                yield from walk(each, within_function or is_function)

    return walk(module, False)


def _is_function(code: CodeType) -> bool:
    wanted = CO_NEWLOCALS | CO_OPTIMIZED
    loop = code.co_name in ("<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>")
    return code.co_flags & wanted == wanted and not loop


def _by_name(module: CodeType) -> dict[tuple[str, int], CodeType]:
    return {(each.code.co_qualname, each.ordinal): each.code for each in _codes(module)}


@functools.cache
def _compiled(source: str, path: str) -> CodeType:
    """Compile a source as the faulty one is written: whatever differs then is the fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(ast.unparse(ast.parse(source)), path, "exec")


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether two codes do the same; where the functions inside one differ, these are told."""
    return _shape(one) == _shape(other) and _constants(one) == _constants(other)


def _shape(code: CodeType) -> tuple[object, ...]:
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_exceptiontable,
        code.co_flags,
    )


def _constants(code: CodeType) -> list[object]:
    """Return the constants, with their types (1 equals True), and the code inside a function."""
    return [
        (_shape(each), _constants(each)) if isinstance(each, CodeType) else repr(each)
        for each in code.co_consts
        if _is_function(code) or not isinstance(each, CodeType)
    ]


def _live_functions() -> dict[_Key, list[FunctionType]]:
    found: dict[_Key, list[FunctionType]] = defaultdict(list)
    everything: Iterable[object] = gc.get_objects()
    for each in everything:
        if isinstance(each, FunctionType):
            code = each.__code__
            found[code.co_filename, code.co_qualname, code.co_firstlineno].append(each)
    return dict(found)
