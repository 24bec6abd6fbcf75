"""Reading a cluster file needs pydantic and YAML, and nothing slower."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("fabric", "invoke", "paramiko", "kubernetes", "rich", "typer", "requests", "jsonschema")


def test_importing_the_model_imports_nothing_heavy():
    code = f"import sys, picluster.model; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_model_knows_only_errors_and_secrets_of_picluster():
    code = (
        "import sys, picluster.model; print(*[m for m in sys.modules if m.startswith('picluster')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = {
        name
        for name in done.stdout.split()
        if not name.startswith("picluster.model")
        and name not in ("picluster", "picluster.errors", "picluster.secret")
    }
    assert others == set()


def test_what_reads_a_document_is_built_when_there_is_one_to_read() -> None:
    code = (
        "from picluster.model import Cluster\n"
        "from picluster.steps.k3s.bundle import _Manifest, _Origin\n"
        "print(*[m.__name__ for m in (Cluster, _Manifest, _Origin) if m.__pydantic_complete__])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
