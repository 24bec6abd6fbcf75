"""Why apt or dpkg ended badly, by what they print."""

from __future__ import annotations

from picluster.causes.cause import Cause

_AGAIN = "then run the same command again"

PACKAGES: tuple[Cause, ...] = (
    Cause(
        r"Could not get lock|Unable to (acquire|lock)|was locked by another process|"
        r"database is locked",
        "another program is installing packages",
        f"wait until it is done (`picluster doctor` names it), {_AGAIN}",
    ),
    Cause(
        r"dpkg was interrupted",
        "an earlier installation was cut off",
        "run the same command again: picluster ends it first",
    ),
    Cause(
        r"is not valid yet \(invalid for another",
        "the node's clock is behind",
        f"let it reach a time server (`timedatectl` shows), {_AGAIN}",
    ),
    Cause(
        r"Release file for \S+ is expired",
        "the mirror is out of date, or the node's clock is ahead",
        f"compare `timedatectl` with the real time; or use another mirror, {_AGAIN}",
    ),
    Cause(
        r"does(n't| not) have a Release file|no longer has a Release file",
        "the mirror no longer has this system's release",
        "correct the node's /etc/apt/sources.list, or flash a newer system",
    ),
    Cause(
        r"changed its '(Origin|Label|Codename|Suite|DefaultPin)' value from",
        "a repository is not what it was: it says another origin, label, codename or suite",
        "if that is as it should be, `apt-get update --allow-releaseinfo-change` on the node once, "
        f"{_AGAIN}",
    ),
    Cause(
        r"(temporary failure|could not) resolv",
        "the node cannot find the mirror by its name: no DNS, or no internet",
        f"check its network (`picluster doctor`), or use a mirror that it reaches, {_AGAIN}",
    ),
    Cause(
        r"Could not connect to|Cannot initiate the connection|Unable to connect to",
        "the node cannot reach the mirror",
        f"check its network (`picluster doctor`), or use a mirror that it reaches, {_AGAIN}",
    ),
    Cause(
        r"NO_PUBKEY|is not signed|EXPKEYSIG",
        "the mirror's lists are signed by a key that the node does not have",
        "install the repository's key on the node, or take the repository out of "
        "/etc/apt/sources.list.d",
    ),
    Cause(
        r"Hash Sum mismatch|File has unexpected size",
        "the mirror is just being updated, or a proxy serves old files",
        "run the same command again in some minutes",
    ),
    Cause(
        r"You don't have enough free space|no space left on device",
        "the disk is full",
        f"free some space: `apt-get clean`, `df -h` and `du -xhd1 /var`, {_AGAIN}",
    ),
    Cause(
        r"Unable to locate package|has no installation candidate",
        "the node's mirrors have no such package",
        "correct its name in prepare.packages, or add the mirror that has it",
    ),
    Cause(
        r"held broken packages|Unmet dependencies",
        "packages that are held or half installed keep others from being installed",
        f"`apt-mark showhold` and `apt-get -f install` on the node, {_AGAIN}",
    ),
)
