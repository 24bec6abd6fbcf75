"""Which images a Dockerfile is built from. Pure.

https://docs.docker.com/reference/dockerfile/ is the language; only FROM and the ARGs before it
matter here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_CONTINUED = re.compile(r"\\[ \t]*\n")
_ARG = re.compile(r"ARG\s+([A-Za-z_]\w*)(?:=(\S*))?", re.IGNORECASE)
_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_NOTHING = "scratch"


def bases(text: str, arguments: Mapping[str, str]) -> list[str]:
    """Return the images that a Dockerfile begins stages from, in order, each once.

    Build arguments are put in; stages of its own and `scratch` are not images.
    """
    known: dict[str, str] = {}
    stages: set[str] = set()
    found: list[str] = []
    for line in _CONTINUED.sub(" ", text).splitlines():
        stripped = line.strip()
        argument = _ARG.match(stripped)
        if argument and not found and not stages:
            default = (argument[2] or "").strip("\"'")
            known[argument[1]] = arguments.get(argument[1], _filled(default, known))
            continue
        start = _FROM.match(stripped)
        if start:
            image = _filled(start[1], known)
            if image not in stages and image != _NOTHING and image not in found:
                found.append(image)
            stages.add(start[2] or f"#{len(stages)}")
    return found


def _filled(text: str, known: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda name: known.get(name[1] or name[3], name[2] or ""), text)
