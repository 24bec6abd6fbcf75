"""Shell of ten lines or more stands in files, where shellcheck reads it, and not inside Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.documented import ROOT

SOURCE = ROOT / "src" / "picluster"
MOST_LINES = 9
NOT_YET = {
    "ssh/remote_shell.py": "what wraps every script: the length of what follows is counted in it",
}
"""Where it still does, and what it is."""

_SHELL = re.compile(
    r"^\s*((if|for|while|until|case|set -e|exec|trap|echo|printf|grep|sed|cat|cp|rm|mv|mkdir|chmod|"
    r"chown|systemctl|export|exit|eval|cd|curl|docker|sync|kill|fi|done|esac|then|do)\b|\[ )"
)
_ENOUGH = 3
"""So many lines that begin as shell does are no prose, YAML or Python."""


def texts(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield every text of a module with its line, but docstrings; `X` stands for a value."""
    said = {
        each.value
        for node in ast.walk(module)
        if isinstance(body := getattr(node, "body", None), list)
        for each in body
        if isinstance(each, ast.Expr)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in said:
            yield node.lineno, node.value


def long_shell(source: str) -> list[int]:
    """Return the lines at which shell begins that should have a file of its own."""
    found = []
    for line, text in texts(ast.parse(source)):
        lines = [each for each in text.split("\n") if each.strip()]
        commands = [each for each in lines if _SHELL.match(each)]
        if len(lines) > MOST_LINES and len(commands) >= _ENOUGH:
            found.append(line)
    return found


def test_long_shell_stands_in_files() -> None:
    found = {
        f"{module.relative_to(SOURCE)}": lines
        for module in sorted(SOURCE.rglob("*.py"))
        if (lines := long_shell(module.read_text()))
    }
    strays = {name: lines for name, lines in found.items() if name not in NOT_YET}
    assert strays == {}, "put it into shell/NAME.sh beside it, with a test that runs it"
    assert set(NOT_YET) <= set(found), "what is no exception any more is to leave the list"


def test_long_shell_would_be_found() -> None:
    script = "\n".join(["if true; then", *(f"  echo {{here}} {n}" for n in range(9)), "fi"])
    assert long_shell(f"def f():\n    \"\"\"Say.\"\"\"\n    return f'''{script}'''\n") == [3]
    assert long_shell(f'def f():\n    """{script}"""\n') == [], "a docstring runs nowhere"
    assert long_shell('TEXT = """' + "some words\n" * 20 + '"""') == [], "prose is no shell"
