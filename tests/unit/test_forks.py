"""What looking costs a node: the meter itself, and how many processes each look makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.forks import MeteredNode, forks_of, spend


@pytest.mark.parametrize(
    ("script", "forks"),
    [
        ("true", 0),
        ("read -r line </etc/passwd; echo $line", 0),
        ("/bin/true; true", 1),
        ("(true); :", 1),
        ("a=$(cat /etc/passwd)", 1),
        ("cat /etc/passwd | cat; :", 2),
        ("sh -c '/bin/true; /bin/true; :'; :", 3),
    ],
)
def test_every_process_of_a_script_is_counted(script: str, forks: int) -> None:
    assert forks_of(script) == forks


def test_a_tree_is_the_node_and_stays_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / "usr/local/sbin/systemctl"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho active\n")
    program.chmod(0o755)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/there").write_text("there\n")
    node = MeteredNode(tmp_path)
    look = "read -r word </etc/there; echo $word; [ -e /etc/passwd ] && systemctl is-active x; :"
    assert node.sessions.read("pi1", look, timeout=9).out.decode() == "there\nactive\n"
    assert node.forks == [1]
    written = spend("echo no >/etc/there", tmp_path)
    assert written.done.status != 0
    assert b"Read-only file system" in written.done.err
