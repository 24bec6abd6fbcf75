"""The key that this computer logs in with: there, or made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from picluster.engine.place import Place
from picluster.engine.step import Change, Decision, Satisfied
from picluster.engine.survey import Look
from picluster.errors import ActionFailed, PiclusterError
from picluster.local_files import create
from picluster.steps.local import FileHere

USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
"""The names under which SSH itself looks for keys, in the order of preference here."""
_FIELDS = 2


def default_key(directory: Path) -> Path:
    """Return the first of the usual keys in `~/.ssh`, or where one would be made."""
    found = [directory / name for name in USUAL if (directory / name).is_file()]
    return found[0] if found else directory / USUAL[0]


def public_key(path: Path) -> str:
    """Return the public half of a key as authorized_keys has it: type and digits, no comment.

    Raises `ActionFailed` if it cannot be told.
    """
    beside = path.with_name(f"{path.name}.pub")
    fix = f"ssh-keygen -y -f {path} >{beside}"
    try:
        text = beside.read_text() if beside.is_file() else _derived(path)
    except (OSError, ValueError) as error:
        what = f"the public half of {path} cannot be read"
        raise ActionFailed(what, why=str(error), fix=fix) from None
    words = text.split()
    if len(words) < _FIELDS:
        raise ActionFailed(f"{beside} is no public key", fix=fix)
    return f"{words[0]} {words[1]}"


def _derived(path: Path) -> str:
    import paramiko  # noqa: PLC0415 - 0.1 s, and only for keys without a .pub

    try:
        key = paramiko.PKey.from_path(path)
    except (paramiko.SSHException, TypeError) as error:  # the latter for one with a passphrase
        raise ValueError(str(error)) from None
    return f"{key.get_name()} {key.get_base64()}"


@dataclass(frozen=True, slots=True)
class MakeKey:
    """Make a key pair on this computer, where nothing of the name is."""

    path: Path
    title: str = "making a key"

    def perform(self, place: Place) -> None:
        """Make it. Raises `PiclusterError` if it cannot be written."""
        private, public = make_key()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self.path, private, 0o600)
        _write(self.path.with_name(f"{self.path.name}.pub"), public, 0o644)


@dataclass(frozen=True, slots=True)
class OwnKey:
    """This computer has a key to log in with. One that is there is never touched."""

    path: Path

    @property
    def name(self) -> str:
        """Tell it from other nodes' keys."""
        return f"own-key-{self.path.name}"

    @property
    def title(self) -> str:
        return f"there is a key {self.path}"

    def probe(self) -> FileHere:
        return FileHere(self.name, self.path)

    def decide(self, look: Look) -> Decision:
        if look.read(self.probe()):
            return Satisfied()
        return Change(
            f"make the key {self.path}, without a passphrase",
            (MakeKey(self.path),),
            reason="there is none, and passwords are for first contact only",
        )


def make_key() -> tuple[str, str]:
    """Make an Ed25519 key pair; return the private and the public half as OpenSSH writes them."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 0.1 s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private.decode(), f"{public.decode()} picluster\n"


def _write(path: Path, text: str, mode: int) -> None:
    try:
        file = create(path, mode)
    except OSError as error:
        raise PiclusterError(
            f"{path} cannot be written",
            why=(error.strerror or "").lower(),
            fix="move away what is there",
        ) from None
    with file:
        file.write(text.encode())


def distinct(paths: Sequence[Path]) -> list[Path]:
    """Return each path once, in order."""
    return list(dict.fromkeys(paths))
