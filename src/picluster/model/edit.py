"""One value of a cluster file set anew, and everything else of the text as the user wrote it."""

from __future__ import annotations

import re

from picluster.model.yaml_tree import Entries, Scalar, read_tree

_LINE_END = re.compile("(\r\n|[\r\n\x85\u2028\u2029])")
"""What ends a line of YAML 1.1, by which the tree counts them."""


def with_k3s_version(text: str, version: str) -> str | None:
    """Return the text with another `k3s.version`; None if it has none in a place of its own.

    Comments, order and quotes stay. The text has been read as a cluster file before.
    """
    tree, _ = read_tree(text)
    k3s = tree.entries.get("k3s") if isinstance(tree, Entries) else None
    section = k3s[1] if k3s else None
    found = section.entries.get("version") if isinstance(section, Entries) else None
    if found is None or not isinstance(found[1], Scalar) or found[1].text is None:
        return None
    former, (line, column) = found[1].text, found[1].mark
    parts = _LINE_END.split(text)  # each line, and then what ends it
    here = 2 * (line - 1)
    before, rest = parts[here][: column - 1], parts[here][column - 1 :]
    quote = rest[:1] if rest[:1] in "'\"" else ""
    if not rest.startswith(f"{quote}{former}{quote}"):
        return None
    parts[here] = f"{before}{quote}{version}{rest[len(former) + len(quote) :]}"
    return "".join(parts)
