"""What the registry's authority signs, and whether it did; needs `cryptography`'s X.509."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from picluster.secret import Secret
from picluster.steps.local import KeepHere
from picluster.steps.registry.authority import Authority, Trust

_DAY = 86400.0
_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 397
_RENEW_DAYS = 30
"""A server's certificate with fewer days left is made anew; `up` once a month is enough."""
_RENEW_AUTHORITY_DAYS = _SERVER_DAYS + _RENEW_DAYS
_EARLIER = timedelta(days=1)  # for nodes whose clocks are behind this computer's


def new_authority(cluster: str, now: float) -> Authority:
    """Make an authority for one cluster's registry, at a time in seconds since the epoch."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"picluster registry of {cluster}")
    certificate = (
        _certificate(name, name, key.public_key(), now, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(_pem(certificate), Secret(_key_pem(key)))


def read_authority(text: str) -> Authority | None:
    """Read what `Authority.bundle` is; None for anything else."""
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        key = serialization.load_pem_private_key(text.encode(), None)
    except ValueError:
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return Authority(_pem(certificate), Secret(_key_pem(key)))


def issue(authority: Authority, names: Sequence[str], now: float) -> Secret:
    """Make a server's certificate for names and addresses; return it and its new key as PEM.

    `now` is in seconds since the epoch.
    """
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.reveal().encode(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate(_name(names[0]), issuer.subject, key.public_key(), now, _SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return Secret(_pem(certificate) + _key_pem(key))


def flaw(pem: str, authority: Authority, names: Sequence[str], now: float) -> str:
    """Return why a server's certificate will not do; empty if it will. `now` is as in `issue`."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
        found.verify_directly_issued_by(issuer)
        present = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return "it is not of this cluster's authority"
    if set(present) != {_general(name) for name in names}:
        return "it is for other names"
    if now < found.not_valid_before_utc.timestamp():
        return "it is not valid yet"
    left = found.not_valid_after_utc.timestamp() - now
    if left < _RENEW_DAYS * _DAY:
        return "it expires soon" if left > 0 else "it has expired"
    return ""


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, days: int
) -> x509.CertificateBuilder:
    begins = datetime.fromtimestamp(now, UTC) - _EARLIER
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    longest = 64  # of a common name (RFC 5280); the alternative names are what counts
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:longest])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def choose_authority(cluster: str, saved: Path) -> Trust:
    """Return the authority kept here, or a new one if there is none or it ends before long."""
    now = time.time()
    kept = read_authority(saved.read_text() if saved.exists() else "")
    if kept is not None and _days_left(kept, now) > _RENEW_AUTHORITY_DAYS:
        return Trust(kept)
    made = new_authority(cluster, now)
    keep = KeepHere(saved, Secret.around(made.bundle), "keeping the registry's authority here")
    return Trust(made, (keep,))


def _days_left(authority: Authority, now: float) -> float:
    certificate = x509.load_pem_x509_certificate(authority.certificate.encode())
    return (certificate.not_valid_after_utc.timestamp() - now) / _DAY
