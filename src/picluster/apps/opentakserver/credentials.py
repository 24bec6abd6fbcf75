"""What is secret about an OpenTAKServer: generated once, and then kept for good.

A SECRET_KEY or a salt that changes locks everybody out; the password of the database is in the
database too.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from picluster.secret import Secret

NAME = "opentakserver-secrets"
DATABASE_PASSWORD = "database-password"  # noqa: S105 - the name of a key
BROKER_PASSWORD = "broker-password"  # noqa: S105
ADMINISTRATOR_PASSWORD = "administrator-password"  # noqa: S105
ADMINISTRATOR = "administrator"

DATABASE, DATABASE_USER = "ots", "ots"
BROKER_USER = "ots"

CONFIG_KEYS = (
    "OTS_CA_PASSWORD",
    "OTS_MEDIAMTX_TOKEN",
    "OTS_NODE_ID",
    "OTS_RABBITMQ_PASSWORD",
    "SECRET_KEY",
    "SECURITY_PASSWORD_SALT",
    "SECURITY_TOTP_SECRETS",
    "SQLALCHEMY_DATABASE_URI",
)
"""Keys of config.yml that are secret, or that are made up once."""
KEYS = (DATABASE_PASSWORD, BROKER_PASSWORD, ADMINISTRATOR_PASSWORD, *CONFIG_KEYS)

# Without those that are read as one another: it is typed from a screen.
_LEGIBLE = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Generated:
    """Every value made anew, in accord with those that are there already."""

    def make(self, present: Mapping[str, str]) -> dict[str, Secret]:
        """Make them."""
        database = present.get(DATABASE_PASSWORD) or secrets.token_urlsafe(24)
        broker = present.get(BROKER_PASSWORD) or secrets.token_urlsafe(24)
        uri = f"postgresql+psycopg://{DATABASE_USER}:{quote(database, safe='')}@postgres/{DATABASE}"
        made = {
            DATABASE_PASSWORD: database,
            BROKER_PASSWORD: broker,
            ADMINISTRATOR_PASSWORD: "".join(secrets.choice(_LEGIBLE) for _ in range(16)),
            "OTS_CA_PASSWORD": secrets.token_hex(16),
            "OTS_MEDIAMTX_TOKEN": secrets.token_urlsafe(24),
            "OTS_NODE_ID": secrets.token_hex(16),
            "OTS_RABBITMQ_PASSWORD": broker,
            "SECRET_KEY": secrets.token_hex(32),
            "SECURITY_PASSWORD_SALT": str(secrets.randbits(128)),
            "SECURITY_TOTP_SECRETS": json.dumps({"1": _totp()}),
            "SQLALCHEMY_DATABASE_URI": uri,
        }
        return {key: Secret(value) for key, value in made.items()}


def _totp() -> str:
    """Return 32 letters of base32, as authenticator applications use."""
    return base64.b32encode(secrets.token_bytes(20)).decode()
