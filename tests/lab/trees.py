"""The Debian of the lab's nodes, built before tests wait for it: `python -m tests.lab.trees`.

One lab at a time is laid out, so that all would wait for a tree that one of them lacks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from picluster.lab.base_tree import SUITES, base_tree
from picluster.lab.layout import trees_directory
from picluster.lab.rehearsal import alone


def main() -> None:
    """Build those that are not there, at once."""
    with alone(), ThreadPoolExecutor() as threads:
        list(threads.map(lambda suite: base_tree(trees_directory(), suite, print), SUITES))


if __name__ == "__main__":
    main()
