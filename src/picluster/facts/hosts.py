"""A hosts file: its text, or that it cannot be edited as text."""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.probe import Observation, ShellProbe, unpacked_bytes


@dataclass(frozen=True, slots=True)
class HostsText:
    """The text of a hosts file; `exists` is false where there is none, `text` None if not UTF-8."""

    exists: bool
    text: str | None = ""


def _parse(seen: Observation) -> HostsText:
    if not seen.has("text"):
        return HostsText(False)
    try:
        return HostsText(True, unpacked_bytes(seen.text("text"), "text").decode())
    except UnicodeDecodeError:
        return HostsText(True, None)


def hosts_text(name: str, path: str) -> ShellProbe[HostsText]:
    """Ask for the text of a hosts file."""
    return ShellProbe(name, f'[ ! -e {path} ] || echo "text=$(base64 -w0 <{path})"', _parse)
