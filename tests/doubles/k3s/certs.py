"""Keys and certificates, made with the `openssl` program: two CAs, server and client leaves."""

from __future__ import annotations

import ipaddress
import subprocess
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def make_ca(cert: Path, key: Path, name: str) -> None:
    """Make a self-signed CA."""
    _openssl(
        cert,
        key,
        [f"/CN={name}", "3650"],
        ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,keyCertSign"],
        [],
    )


def make_server(
    cert: Path, key: Path, ca: tuple[Path, Path], name: str, sans: Sequence[str]
) -> None:
    """Make a serving certificate for every name and address of `sans`; the CA is appended."""
    _leaf((cert, key), ca, f"/O=k3s/CN={name}", "serverAuth,clientAuth", sans)


def make_client(cert: Path, key: Path, ca: tuple[Path, Path], subject: str) -> None:
    """Make a client certificate of a subject such as `/O=system:masters/CN=system:admin`."""
    _leaf((cert, key), ca, subject, "clientAuth", [])


def ca_hash(pem: bytes) -> str:
    """Return what a full token pins: the digest of the CA's PEM."""
    return sha256(pem).hexdigest()


def _leaf(
    made: tuple[Path, Path], ca: tuple[Path, Path], subject: str, usage: str, sans: Sequence[str]
) -> None:
    extensions = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        f"extendedKeyUsage={usage}",
        "authorityKeyIdentifier=keyid",
    ]
    if sans:
        extensions.append("subjectAltName=" + ",".join(_san(san) for san in dict.fromkeys(sans)))
    signer = ["-CA", str(ca[0]), "-CAkey", str(ca[1])]
    cert, key = made
    _openssl(cert, key, [subject, "365"], extensions, signer)
    with cert.open("ab") as file:
        file.write(ca[0].read_bytes())


def _san(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _openssl(
    cert: Path, key: Path, subject: Sequence[str], extensions: Sequence[str], signer: Sequence[str]
) -> None:
    cert.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cert.parent) as directory:
        temp = Path(directory)
        lines = "\n".join(["subjectKeyIdentifier=hash", *extensions])
        (temp / "cnf").write_text(f"[req]\ndistinguished_name=dn\n[dn]\n[ext]\n{lines}\n")
        command = ["openssl", "req", "-x509", "-config", str(temp / "cnf"), "-extensions", "ext"]
        command += [*_EC, "-keyout", str(temp / "key"), "-out", str(temp / "crt"), "-sha256"]
        command += ["-subj", subject[0], "-days", subject[1], *signer]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"openssl: {done.stderr.strip()}")
        (temp / "key").chmod(0o600)
        (temp / "key").replace(key)
        (temp / "crt").replace(cert)
