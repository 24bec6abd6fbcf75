"""Logins as text and as a document: the one place where a password is printed, when asked for."""

from __future__ import annotations

from collections.abc import Sequence

from picluster.queries.credentials import Login
from picluster.ui.words import safe

FORMAT = 1


def as_text(logins: Sequence[Login], notices: Sequence[str]) -> str:
    """Return a paragraph per application."""
    if not logins:
        return "the cluster file has no application that one logs in to\n"
    blocks = [_block(login) for login in logins]
    return "\n".join([*blocks, *(f"NOTE: {notice}" for notice in notices)]) + "\n"


def _block(login: Login) -> str:
    password = safe(login.password.reveal()) if login.password else "none yet; `picluster up`"
    return (
        f"{login.application}\n  address   {login.url}\n"
        f"  user      {login.user}\n  password  {password}\n"
    )


def as_document(cluster: str, logins: Sequence[Login], notices: Sequence[str]) -> dict[str, object]:
    """Return the document of docs/schemas/credentials.json."""
    return {
        "picluster": FORMAT,
        "cluster": cluster,
        "logins": [
            {
                "application": login.application,
                "url": login.url,
                "user": login.user,
                "password": login.password.reveal() if login.password else None,
            }
            for login in logins
        ],
        "notices": list(notices),
    }
