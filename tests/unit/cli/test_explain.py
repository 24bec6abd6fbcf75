"""`picluster explain`: every field by the path that users write."""

from __future__ import annotations

import pytest

from picluster.cli.reading import explain
from picluster.errors import UsageError
from picluster.model import fields


@pytest.mark.parametrize("path", ["limits.drain", "nodes.ssh.user", "nodes[2].ssh.user", "k3s.vip"])
def test_a_field_is_explained_by_any_of_its_paths(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    explain(path)
    wanted = next(
        field
        for field in fields()
        if field.path.replace("[]", "") in (path, path.replace("[2]", ""))
    )
    assert wanted.description in capsys.readouterr().out


def test_a_section_shows_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    explain("k3s.vip")
    assert "k3s.vip.address" in capsys.readouterr().out


def test_without_a_field_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    explain(None)
    assert len(capsys.readouterr().out.splitlines()) == len(fields())


def test_a_misspelt_field_gets_the_one_that_was_meant() -> None:
    with pytest.raises(UsageError) as refused:
        explain("k3s.vresion")
    assert "k3s.version" in refused.value.fix
