"""The registry's authority and certificates: whom they are for, and until when."""

from __future__ import annotations

import base64
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from tests.unit.steps.acting import HERE
from tests.unit.steps.looking import decide

from picluster.engine.step import Change, Run, Satisfied
from picluster.steps.registry.authority import Trust
from picluster.steps.registry.certificates import (
    SendCertificate,
    ServerCertificate,
    TrustedAuthority,
)
from picluster.steps.registry.paths import SERVER_PEM
from picluster.steps.registry.signing import (
    choose_authority,
    flaw,
    issue,
    new_authority,
    read_authority,
)

NOW = 1_800_000_000.0
DAY = 86400
NAMES = ["pi4", "pi4.lan", "10.0.0.14", "fd00::14"]
AUTHORITY = new_authority("home", NOW)
ISSUED = issue(AUTHORITY, NAMES, NOW).reveal()


def test_a_certificate_is_good_for_its_names_until_a_month_before_its_end() -> None:
    assert flaw(ISSUED, AUTHORITY, NAMES, NOW) == ""
    assert flaw(ISSUED, AUTHORITY, list(reversed(NAMES)), NOW) == ""
    assert flaw(ISSUED, AUTHORITY, NAMES, NOW + 365 * DAY) == ""


@pytest.mark.parametrize(
    ("pem", "names", "now", "reason"),
    [
        ("nonsense", NAMES, NOW, "not of this cluster's authority"),
        (issue(new_authority("home", NOW), NAMES, NOW).reveal(), NAMES, NOW, "authority"),
        (ISSUED, [*NAMES, "pi4.cluster.lan"], NOW, "other names"),
        (ISSUED, NAMES[:-1], NOW, "other names"),
        (ISSUED, NAMES, NOW - 3 * DAY, "not valid yet"),
        (ISSUED, NAMES, NOW + 367 * DAY, "expires soon"),
        (ISSUED, NAMES, NOW + 400 * DAY, "has expired"),
    ],
    ids=["text", "authority", "more names", "fewer names", "early", "soon", "late"],
)
def test_any_other_is_made_anew(pem: str, names: list[str], now: float, reason: str) -> None:
    assert reason in flaw(pem, AUTHORITY, names, now)


def test_a_node_whose_clock_is_behind_takes_it_for_valid() -> None:
    assert flaw(ISSUED, AUTHORITY, NAMES, NOW - DAY + 60) == ""


def test_other_programs_take_the_authority_as_it_is() -> None:
    context = ssl.create_default_context(cadata=AUTHORITY.certificate)
    assert [each["subject"] for each in context.get_ca_certs()]
    found = x509.load_pem_x509_certificate(AUTHORITY.certificate.encode())
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_a_long_cluster_name_is_not_too_long_for_a_certificate() -> None:
    assert new_authority("n" * 63, NOW)


class TestOnThisComputer:
    def test_the_authority_is_kept_once_a_node_is_to_have_it(self, tmp_path: Path) -> None:
        saved = tmp_path / "state" / "registry-ca.pem"
        first = choose_authority("home", saved)
        assert not saved.exists()
        (keep,) = first.remember
        threads = [threading.Thread(target=keep.perform, args=(HERE,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        assert [path.name for path in saved.parent.iterdir()] == [saved.name]
        assert choose_authority("home", saved).authority == first.authority

    def test_one_that_ends_before_its_next_certificate_would_is_replaced(
        self, tmp_path: Path
    ) -> None:
        saved = tmp_path / "registry-ca.pem"
        old = new_authority("home", 1_400_000_000)
        saved.write_text(old.bundle)
        assert choose_authority("home", saved).authority != old

    @pytest.mark.parametrize(
        "text", ["", "nonsense", AUTHORITY.certificate], ids=["empty", "text", "no key"]
    )
    def test_what_is_no_authority_is_none(self, text: str) -> None:
        assert read_authority(text) is None


class TestOnNodes:
    TRUST = Trust(AUTHORITY, choose_authority("home", Path("/nowhere/ca.pem")).remember)

    STEP = ServerCertificate(NAMES, TRUST)

    def lines(self, pem: str = ISSUED, access: str = "600 root:root") -> list[str]:
        encoded = base64.b64encode(pem.encode()).decode()
        return [f"access={access}", f"now={NOW:.0f}", f"pem={encoded}"]

    def test_a_good_one_is_left_alone(self) -> None:
        assert decide(self.STEP, *self.lines()) == Satisfied()

    @pytest.mark.parametrize(
        ("lines", "reason"),
        [((), "there is none"), (("access=644 root:root", "now=1", "pem=aaaa"), "644 root:root")],
    )
    def test_one_that_is_missing_or_open_is_made_anew(
        self, lines: tuple[str, ...], reason: str
    ) -> None:
        decision = decide(self.STEP, *lines)
        assert isinstance(decision, Change)
        assert reason in decision.reason
        send = SendCertificate(AUTHORITY, tuple(NAMES))
        assert decision.actions == (*self.TRUST.remember, send)

    def test_without_tls_there_is_none(self) -> None:
        step = ServerCertificate(NAMES, None)
        decision = decide(step, *self.lines())
        assert isinstance(decision, Change)
        assert decision.actions == (Run(f"rm -f {SERVER_PEM}"),)
        assert decide(step) == Satisfied()

    def test_the_authority_is_kept_here_before_a_node_gets_it(self) -> None:
        step = TrustedAuthority(self.TRUST, "/etc/x.crt", "authority")
        decision = decide(step)
        assert isinstance(decision, Change)
        assert decision.actions[:1] == self.TRUST.remember
