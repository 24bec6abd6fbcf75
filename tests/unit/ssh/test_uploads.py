"""A file that is sent takes its place on the node only if it arrived as it is here."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from picluster.engine.script import part_of, receiving_script

CONTENT = b"a binary of K3s\n"


def received(target: Path, sent: bytes, sha256: str) -> subprocess.CompletedProcess[bytes]:
    """Run what a node runs, which reads the file from descriptor 4."""
    owner = f"{target.owner() if target.exists() else target.parent.owner()}"
    script = receiving_script(f"head -c {len(CONTENT)} <&4", str(target), sha256, 0o640, owner)
    return subprocess.run(
        ["sh", "-c", f"exec 4<&0 </dev/null\n{script}"],
        input=sent,
        capture_output=True,
        check=False,
    )


def test_a_file_that_arrived_whole_is_in_place_with_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "new" / "k3s"
    target.parent.mkdir()
    done = received(target, CONTENT, hashlib.sha256(CONTENT).hexdigest())
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("sent", [CONTENT[:-1], CONTENT.replace(b"K", b"k")], ids=["cut", "wrong"])
def test_what_arrived_otherwise_is_not_kept_and_what_was_there_stays(
    tmp_path: Path, sent: bytes
) -> None:
    target = tmp_path / "k3s"
    target.write_text("the one before")
    done = received(target, sent, hashlib.sha256(CONTENT).hexdigest())
    assert done.returncode != 0
    assert b"the checksum differs" in done.stderr
    assert target.read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["k3s"]


DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "digest", ["", "$(reboot)", f"{DIGEST}\n", f"{DIGEST}$(reboot)", DIGEST.upper(), DIGEST[1:]]
)
def test_an_upload_without_a_digest_that_is_one_is_an_error_of_the_program(digest: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        receiving_script("true", "/etc/x", digest, 0o600, "root:root")


def test_what_arrives_is_its_owners_alone_until_it_has_its_mode(tmp_path: Path) -> None:
    told = b"600\n"
    digest = hashlib.sha256(told).hexdigest()
    script = receiving_script(
        'stat -c %a "$PART"', f"{tmp_path}/new/x", digest, 0o644, tmp_path.owner()
    )
    subprocess.run(["sh", "-c", script], check=True)
    assert (tmp_path / "new" / "x").read_bytes() == told
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


def test_what_lies_where_it_arrives_is_replaced_and_not_followed(tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    other = tmp_path / "other"
    other.write_text("another's")
    Path(part_of(str(tmp_path / "k3s"), digest)).symlink_to(other)
    assert received(tmp_path / "k3s", CONTENT, digest).returncode == 0
    assert other.read_text() == "another's"
    assert not (tmp_path / "k3s").is_symlink()
