"""Shell that lives in files: `shell/NAME.sh` beside the Python that runs it."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from importlib import resources

from picluster.engine.quote import quote

_BEGINS, _ENDS = ": what is shared\n", ": is over\n"
_SHARED = re.compile(f"{_BEGINS}(.*?){_ENDS}", re.DOTALL)


def shell(package: str, *names: str, **values: object) -> str:
    """Return scripts of a package as one, in this order, after an assignment of each value.

    The scripts name values in capitals, as they do the environment; each is quoted here. A tuple
    becomes one word-splitting list: its items, each quoted, for `eval "set -- $ITEMS"`. Lines of
    comment are for readers here, and do not travel.
    """
    assigned = [f"{name}={quote(_text(value))}\n" for name, value in values.items()]
    return "".join([*assigned, *(_script(package, name) for name in names)])


@cache
def _script(package: str, name: str) -> str:
    text = (resources.files(package) / "shell" / f"{name}.sh").read_text()
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.lstrip().startswith("#"))


def shared(package: str, *names: str, **values: object) -> str:
    """Return the same for what several probes need, and a look that has them all says once.

    It defines functions and asks what all of them want to know; it prints nothing.
    """
    return _BEGINS + shell(package, *names, **values) + _ENDS


def without_shared(text: str, said: Collection[str]) -> tuple[str, frozenset[str]]:
    """Return a text without those shared parts that have been `said`, and which others it has."""
    parts = frozenset(_SHARED.findall(text))
    return _SHARED.sub(lambda part: "" if part[1] in said else part[1], text), parts.difference(
        said
    )


def _text(value: object) -> object:
    return " ".join(map(quote, value)) if isinstance(value, tuple) else value
