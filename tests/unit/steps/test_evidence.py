"""What may be secret is taken out of evidence: by value in every form, by shape in any field."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from picluster.engine.probe import Observation
from picluster.secret import Secret, redact
from picluster.steps.evidence import EVIDENCE, scrubbed

KNOWN = 'it\'s a "kn0wn&s3cret"/ö+ x\\y'
"""A secret with every sign that some form writes in another way."""

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON as it is": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "a URL's path": quote,
    "a URL's user": lambda text: quote(text, safe=""),
    "a form": quote_plus,
    "a shell's word": shlex.quote,
    "a shell's word with '\\''": lambda text: "'" + text.replace("'", "'\\''") + "'",
    "YAML in single quotes": lambda text: "'" + text.replace("'", "''") + "'",
    "HTML": lambda text: text.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#x27;"),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 after one": lambda text: base64.b64encode(b"a" + text.encode() + b"z").decode(),
    "base64 after two": lambda text: base64.b64encode(b"ab" + text.encode() + b"yz").decode(),
    "base64 of a login": lambda text: base64.b64encode(b"tak:" + text.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lines", [KNOWN, f"first line of it\n{KNOWN}"], ids=["alone", "a line"])
def test_a_known_secret_is_taken_out_in_every_form(form: str, lines: str) -> None:
    Secret(lines)
    for part in {lines, *lines.splitlines()}:
        written = FORMS[form](part)
        left = redact(f"before {written} after")
        assert left.startswith("before ")
        assert left.endswith(" after")
        assert "***" in left, f"{form}: {left}"
        assert not _in_common(written, left), f"{form}: {left}"


def _in_common(written: str, left: str) -> set[str]:
    """Return what seven characters in a row of it are still there."""
    return {written[at : at + 7] for at in range(len(written) - 6)} & {
        left[at : at + 7] for at in range(len(left) - 6)
    }


def test_each_command_says_what_it_is_and_how_it_fails() -> None:
    done = subprocess.run(["sh", "-c", EVIDENCE.text], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    said = EVIDENCE.parse(Observation(out=done.stdout)).text
    blocks = dict(block.split("\n", 1) for block in f"\n{said}".split("\n=== ")[1:])
    assert len(blocks) == EVIDENCE.text.count("\nshow '")
    assert blocks["cat /proc/mounts"].startswith("/dev/") or " / " in blocks["cat /proc/mounts"]
    assert "k3s" in blocks["k3s --version"]
    assert EVIDENCE.secret, "it would be in a journal"


HIDDEN = "hunter2hunter2"
NAMES = (
    *("token", "password", "passwd", "secret", "client-key-data", "auth", "passphrase"),
    *("API_KEY", "accessKey", "private-key", "secretKey", "psk", "PGPASSWORD", "apiToken"),
    *("oidc-client-secret", "AWS_SECRET_ACCESS_KEY", "DB_PASS", "credentials", "Set-Cookie"),
    *("SECRET_KEY_BASE", "SECURITY_PASSWORD_SALT", ".dockerconfigjson", "bootstrapPassword"),
)
FIELDS = {
    "env": "{name}={secret}",
    "env in double quotes": '{name}="one {secret}"',
    "env in single quotes": "export {name}='one {secret}'",
    "env of several words": "{name}=one {secret}",
    "YAML": "  {name}: {secret}",
    "YAML in an item": "- {name}: one two {secret}",
    "YAML in quotes": '{name}: "one \\" {secret}"',
    "YAML block": "a:\n  {name}: |\n    one\n\n    {secret}\n  b: c",
    "YAML block in an item": "a:\n- {name}: |\n    one\n    {secret}\n- c",
    "YAML folded block": "{name}: >-\n  one\n  {secret}\nb: c",
    "YAML on the next line": "{name}:\n  {secret}",
    "JSON": '{{"a": 1, "{name}": "{secret}", "b": 2}}',
    "JSON with an escape": '{{"{name}": "one\\"{secret}"}}',
    "JSON in JSON": '{{"line": "{{\\"{name}\\": \\"one {secret}\\"}}"}}',
    "Python": "{{'{name}': 'one {secret}'}}",
    "a flag": "tool --{name} {secret} --other",
    "a flag in quotes": "tool --{name} 'one {secret}' --other",
    "a flag with a sign": "tool --{name}={secret} --other",
    "a query": "GET /x?a=b&{name}={secret}&c=d",
    "an escaped query": "to=%2Fx%3F{name}%3D{secret}",
    "a hash": ":{name} => '{secret}'",
    "Go": "{{{name}:{secret} other:x}}",
    "a pod's environment": "- name: {name}\n  value: {secret}",
    "a pod's environment in JSON": '{{"name":"{name}","value":"{secret}"}}',
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_a_secrets_name_loses_its_value(field: str, name: str) -> None:
    left = scrubbed(FIELDS[field].format(name=name, secret=HIDDEN))
    assert "hunter2" not in left
    assert name in left, "what it was has to be seen"


PEM = f"-----BEGIN EC PRIVATE KEY-----\nAAAA\n{HIDDEN}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"https://me:{HIDDEN}@pypi.lan/simple",
        f"https://{HIDDEN}@pypi.lan/simple",
        f"https://me:p/{HIDDEN}@pypi.lan/simple",
        f"https://me:p@{HIDDEN}@pypi.lan/simple",
        f"https://:{HIDDEN}@redis/0",
        f"me:{HIDDEN}@registry.lan:5000",
        f"Authorization: Basic {HIDDEN}",
        f'Authorization: Digest username="me", response="{HIDDEN}"',
        f"curl -u me:{HIDDEN} https://x",
        f"curl --user me:{HIDDEN} https://x",
        f"curl -H 'Authorization: token {HIDDEN}' https://x",
        f"Cookie: a=b; session={HIDDEN}",
        f"<password>{HIDDEN}</password>",
        f"machine pypi.lan login me password {HIDDEN}",
        f"eyJhbGciOiJSUzI1NiJ9.{HIDDEN}.{HIDDEN}",
        f"ghp_{HIDDEN}",
        f"glpat-{HIDDEN}",
        f"me:$2y$05${HIDDEN}",
        f"root:$6$salt${HIDDEN}:19000:0:99999:7:::",
        PEM,
        f"{PEM}-----END EC PRIVATE KEY-----\n",
        json.dumps(f"{PEM}-----END EC PRIVATE KEY-----\n"),
        f"{HIDDEN}\n-----END EC PRIVATE KEY-----\n",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{HIDDEN}",
    ],
)
def test_what_is_secret_by_its_own_shape_is_taken_out(text: str) -> None:
    assert "hunter2" not in scrubbed(text)


def test_a_private_key_in_base64_is_taken_out_and_a_certificate_stays() -> None:
    key = base64.b64encode(f"{PEM}-----END EC PRIVATE KEY-----".encode()).decode()
    assert scrubbed(f"data: {key}") == "data: ***"
    certificate = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB").decode()
    assert scrubbed(f"data: {certificate}") == f"data: {certificate}"


@pytest.mark.parametrize(
    "text",
    [
        "Nov 28 10:28:32 pi1 k3s[712]: I1128 10:28:32.123 event.go:389] Started container",
        "image: docker.io/library/nginx:1.27@sha256:0123abcd",
        "eth0 UP 10.0.0.11/24 fe80::1/64 2001:db8::1",
        "secretsencrypt: off; tokens: 3; password validated for pi1",
        '{"author": "me", "keys": 3, "monkey": "x", "namespace": "kube-system"}',
        "/dev/mmcblk0p2 on / type ext4 (rw,noatime)",
        "https://10.0.0.11:6443/readyz?verbose=1",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert scrubbed(text) == text
