"""What a bug report needs of a node, with everything secret taken out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picluster.engine.probe import ShellProbe
from picluster.engine.shell import shell
from picluster.secret import MASK, redact


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a node printed, not yet scrubbed."""

    text: str


EVIDENCE = ShellProbe(
    "evidence", shell(__package__, "evidence"), lambda seen: Evidence(seen.out), secret=True
)
"""The look at a node; what it prints is kept out of the journal, and scrubbed later."""


_KEY = r"PRIVATE KEY(?: BLOCK)?-----"
_BLOCKS = (
    re.compile(rf"-----BEGIN [A-Z0-9 ]*{_KEY}.*?(?:-----END[^\n]*|\Z)", re.DOTALL),
    # Only the end of a key: what was before it has been cut off.
    re.compile(
        r"(?m)(?:^|(?<=\\n)|(?<=[\"']))[ \t]{0,40}"
        r"(?:[A-Za-z0-9+/=]{1,80}(?:\\n|\r?\n)[ \t]{0,40}){1,80}"
        rf"-----END [A-Z0-9 ]*{_KEY}"
    ),
    # PEM in base64, as in a kubeconfig; certificates may stay.
    re.compile(r"LS0tLS1CRUdJTi(?!BDRVJUSUZJQ0FUR)[A-Za-z0-9+/=_-]+"),
)
_NAME = (
    r"(?P<name>[\w.-]{0,100}(?:token|passw(?:or)?d|passphrase|\bpass|_pass|pwd|secret|psk|salt"
    r"|credentials?|signature|cookie|auth|authorization|dockerconfigjson|htpasswd"
    r"|(?:api|access|private|secret|encryption|signing|account|master|client)[_.-]?key(?:-data)?"
    r"|(?:secret|signing)[_-]?key[_-]?base))"
)
_SIGN = r"(?P<sign>(?:\\*[\"'])?\s*(?::=|=>|[:=]|%3[DdAa])\s*)"
_QUOTED = r"\\+\"(?:(?!\\+\").)*\\+\"|\"(?:\\.|[^\"\\])*\"?|'(?:''|\\.|[^'\\])*'?"
_VALUE = rf"(?P<value>{_QUOTED}|[^\s\"',}}&;\\]+)"
_NAMED = rf"(?<![\w.-]){_NAME}"
_PATTERNS = (
    # K3s: a secure token, with the CA's digest before what is secret of it.
    re.compile(r"\bK10[0-9a-f]{64}::[^\s\"']+"),
    # Tokens that tell what they are: kubeadm's, JSON Web Tokens, those of well-known services.
    re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*"),
    re.compile(
        r"\b(?:gh[opusr]_|github_pat_|glpat-|xox[abeprs]-|dckr_pat_|npm_|pypi-|hf_)[\w-]{8,}"
    ),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAGE-SECRET-KEY-[A-Z0-9]+"),
    # What crypt(3), htpasswd and LDAP make of passwords.
    re.compile(r"\$(?:apr1|argon2\w*|gy|y|[1-7]|2[abxy])\$[^\s:\"']+|\{S?SHA\d*\}[\w+/=]+"),
    re.compile(r"(?i)\b(?:bearer|basic|digest|negotiate)\s+(?:[A-Za-z0-9+/=._~-]{8,}|\w+=\S.*)"),
    # Credentials in a URL: the password may have signs that it should not have. Without a scheme
    # there has to be a name and a password; an image's digest is none.
    re.compile(r"(?<=://)(?:[^\s/@:\"'<>]{0,200}:[^\s\"'<>]{1,200}|[^\s/@\"'<>]{1,200})(?=@)"),
    re.compile(r"(?<![\w/.-])[\w.-]+:[^\s:/@\"']+(?=@(?!sha256:)[\w.-])"),
    re.compile(
        r"(?i)(?<=<)(?P<name>[\w:.-]*(?:token|password|passwd|secret))(?P<sign>\b[^>]*>)[^<]*"
    ),
    re.compile(r"(?i)(?P<name>\blogin)(?P<sign>\s+\S+\s+password\s+)\S+"),
    re.compile(r"(?P<name>(?<!\S)(?:-u|--user|--proxy-user))(?P<sign>[ =])[^\s:]+:\S+"),
    # YAML's blocks, and values of several words: all that belongs to the key.
    re.compile(
        rf"(?im)^(?P<before>(?P<indent>[ \t]*)(?:- )?)[\"']?{_NAME}"
        r"(?P<sign>[\"']?[ \t]*:[ \t]*(?:[!&]\S+[ \t]+)*[|>][-+0-9]*[ \t]*(?:#.*)?\n)"
        r"(?:[ \t]*\n|(?P=indent)[ \t]+[^\n]*(?:\n|\Z))+"
    ),
    re.compile(
        r"(?im)^(?P<before>[ \t]*(?:- |export )?)"
        rf"{_NAME}(?P<sign>[ \t]*[:=][ \t]*)(?![\"'{{\[|>\s])[^\n]+"
    ),
    # An entry of a pod's environment, in YAML or JSON.
    re.compile(rf"(?i){_NAMED}(?P<sign>\\*[\"']?,?\s*\\*[\"']?value\\*[\"']?\s*:\s*){_VALUE}"),
    re.compile(rf"(?i)(?<=--){_NAME}(?P<sign>[ \t]+){_VALUE}"),
    re.compile(rf"(?i){_NAMED}{_SIGN}{_VALUE}"),
    re.compile(r"(?i)(?P<name>authorization|cookie)(?P<sign>[\"']?\s*[:=]\s*[\"']?)[^\n\"']+"),
)


def named_secret(name: str) -> bool:
    """Whether what has this name is secret by it."""
    return re.fullmatch(rf"(?i).*?{_NAMED}", name) is not None


def scrubbed(text: str) -> str:
    """Return a text without what may be secret: known secrets, and what looks like one."""
    # A known secret that is masked first could take away the lines that a block's pattern goes by,
    # and one that a pattern cuts, by a quote within it, would not be known any more.
    for block in _BLOCKS:
        text = block.sub(_masked, text)
    text = redact(text)
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return redact(text)


def _masked(found: re.Match[str]) -> str:
    named = found.groupdict()
    kept = (named.get("before"), named.get("name"), named.get("sign"))
    return "".join(each or "" for each in kept) + MASK
