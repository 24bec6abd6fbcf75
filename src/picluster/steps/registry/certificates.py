"""What nodes have of the registry's authority: its certificate, and one that it signed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from picluster.engine.place import Place
from picluster.engine.probe import ShellProbe
from picluster.engine.step import Change, Decision, Satisfied, WriteFile
from picluster.engine.survey import Look
from picluster.facts.files import FileState
from picluster.steps.files import ManagedFile, absent, send_file
from picluster.steps.registry import paths
from picluster.steps.registry.authority import Authority, Trust

CERTIFICATE = "registry-certificate"

_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class TrustedAuthority:
    """A node has the registry's authority where a program looks for it."""

    trust: Trust
    path: str
    name: str

    @property
    def title(self) -> str:
        return f"{self.path} is the registry's authority"

    def probe(self) -> ShellProbe[FileState]:
        return self._file.probe()

    def decide(self, look: Look) -> Decision:
        """Want exactly its certificate there; it is kept here before that."""
        decision = self._file.decide(look)
        if not isinstance(decision, Change):
            return decision
        return Change(
            decision.summary, (*self.trust.remember, *decision.actions), reason=decision.reason
        )

    @property
    def _file(self) -> ManagedFile:
        return ManagedFile(self.name, self.path, self.trust.authority.certificate)


@dataclass(frozen=True, slots=True)
class Served:
    """The registry's certificate as it is: who may read the file, and the node's own time.

    `now` is in seconds since the epoch; `pem` is None where there is no file.
    """

    access: str
    now: int
    pem: str | None


SERVED = ShellProbe(
    CERTIFICATE,
    # The certificate, not its key; and the node's clock, which it is judged by.
    f"[ -e {paths.SERVER_PEM} ] || exit 0\n"
    f"stat -c 'access=%a %U:%G' {paths.SERVER_PEM}\n"
    'echo "now=$(date +%s)"\n'
    f'echo "pem=$(sed -n "/BEGIN CERT/,/END CERT/p" {paths.SERVER_PEM} | base64 -w0)"',
    lambda seen: Served(seen.text("access", ""), seen.number("now", 0), seen.content("pem")),
)


@dataclass(frozen=True, slots=True)
class SendCertificate:
    """Make a certificate for these names, and put it with its key on the node."""

    authority: Authority
    names: tuple[str, ...]
    title: str = "sending the registry's certificate"

    def perform(self, place: Place) -> None:
        """Make and send it. Raises `ActionFailed`."""
        from picluster.steps.registry.signing import issue  # noqa: PLC0415 - what few clusters need

        made = issue(self.authority, self.names, time.time())
        file = WriteFile(paths.SERVER_PEM, made, _PRIVATE)
        send_file(place.sessions, place.target, file)


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """The registry has a certificate for its names that is good for a month at least.

    Key and certificate are one file, so that they always belong together. Without `trust` there is
    no such file.
    """

    names: Sequence[str]
    trust: Trust | None
    name: str = CERTIFICATE

    @property
    def title(self) -> str:
        return "the registry has a valid certificate" if self.trust else "the registry has no TLS"

    def probe(self) -> ShellProbe[Served]:
        return SERVED

    def decide(self, look: Look) -> Decision:
        """Want it of this authority, for these names, and with time left."""
        served = look.read(SERVED)
        if self.trust is None:
            present = served.pem is not None
            return absent(paths.SERVER_PEM, present=present, reason="the file has no registry.tls")
        reason = self._flaw(served, self.trust.authority)
        if not reason:
            return Satisfied()
        send = SendCertificate(self.trust.authority, tuple(self.names))
        return Change(
            f"make a certificate for {', '.join(self.names)}",
            (*self.trust.remember, send),
            reason=reason,
        )

    def _flaw(self, served: Served, authority: Authority) -> str:
        if served.pem is None:
            return "there is none"
        if served.access != "600 root:root":
            return f"its mode and owner are {served.access}"
        from picluster.steps.registry.signing import flaw  # noqa: PLC0415 - what few clusters need

        return flaw(served.pem, authority, self.names, served.now)
