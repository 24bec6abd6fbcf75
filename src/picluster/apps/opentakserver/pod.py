"""What a pod of OpenTAKServer does around its processes.

    pod.py configure | wait ADDRESS... | healthy | password USER

`configure` merges the managed keys into config.yml, and keeps all others: the application writes
to that file too. `wait` returns once each `host:port` or http:// address answers; `healthy` says
whether the server does. `password` sets a user's password by the application's own command.

This file runs inside the image and knows nothing of picluster.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from socket import create_connection
from typing import Any

MANAGED = Path("/etc/picluster/config.json")
SECRETS = Path("/etc/picluster/secrets")
PASSWORD = Path("/etc/picluster/password")
HEALTH = "http://127.0.0.1:8081/api/health"
_TRIES = 30
_PAUSE = 4.0
_MOST_CONFIG = 1_000_000


def data_folder(environment: Mapping[str, str]) -> Path:
    """Return where the application keeps its data."""
    return Path(environment.get("OTS_DATA_FOLDER") or Path.home() / "ots")


def managed(config: Path, secrets: Path) -> dict[str, Any]:
    """Return the managed keys: those of a JSON file, and a file for each secret one.

    A secret is a string, or JSON where the key's name ends in _SECRETS.
    """
    found: dict[str, Any] = json.loads(config.read_text()) if config.exists() else {}
    for file in sorted(secrets.iterdir()) if secrets.is_dir() else ():
        if file.name.isupper():
            text = file.read_text()
            found[file.name] = json.loads(text) if file.name.endswith("_SECRETS") else text
    return found


def merged(text: str, wanted: Mapping[str, Any]) -> str:
    """Return config.yml with the managed keys as they should be, and all others as they are.

    Raises ValueError for a file that is no mapping, or larger than any that was written here.
    """
    import yaml  # noqa: PLC0415 - the probes do without

    if len(text) > _MOST_CONFIG:
        raise ValueError("config.yml is too large; move it away to have it made anew")
    present = yaml.safe_load(text) if text.strip() else {}
    if not isinstance(present, dict):
        raise ValueError("config.yml is not a mapping; move it away to have it made anew")
    return yaml.safe_dump({**present, **wanted}, default_flow_style=False)


def configure(folder: Path, wanted: Mapping[str, Any]) -> bool:
    """Write config.yml, atomically; return whether that changed it."""
    path = folder / "config.yml"
    before = path.read_text() if path.exists() else ""
    after = merged(before, wanted)
    if after == before:
        return False
    part = path.with_name(".config.yml.part")
    part.touch(mode=0o600)
    part.write_text(after)
    if before:
        (folder / "config.yml.before").touch(mode=0o600)
        (folder / "config.yml.before").write_text(before)
    part.replace(path)
    return True


def with_postgis(uri: str) -> None:
    """Have the PostGIS extension in the database: the migrations use it and do not create it."""
    psycopg = importlib.import_module("psycopg")
    with psycopg.connect(uri.replace("postgresql+psycopg://", "postgresql://", 1)) as database:
        database.execute("CREATE EXTENSION IF NOT EXISTS postgis")


def answers(address: str) -> str:
    """Return an empty text if an address answers, or else why it does not."""
    try:
        if address.startswith(("http://", "https://")):
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310
                return ""
        host, _, port = address.rpartition(":")
        with create_connection((host, int(port)), timeout=5):
            return ""
    except (OSError, ValueError) as error:
        return str(error)


def wait_for(
    address: str,
    ask: Callable[[str], str] = answers,
    rest: Callable[[float], None] = time.sleep,
    tries: int = 0,
) -> bool:
    """Wait until an address answers, for ever unless there is a number of tries; tell of it."""
    said, count = "", 0
    while True:
        why = ask(address)
        if not why:
            return True
        if why != said:
            print(f"waiting for {address}: {why}", flush=True)
            said = why
        count += 1
        if tries and count >= tries:
            return False
        rest(_PAUSE)


def change_password(user: str, password: str) -> int:
    """Set a user's password; it travels over stdin, twice, as the command asks for it."""
    command = [sys.executable, "-m", "flask", "--app", "opentakserver.app"]
    command += ["users", "change_password", user]
    done = subprocess.run(
        command, input=f"{password}\n{password}\n", text=True, capture_output=True, check=False
    )
    if done.returncode:
        said = f"{done.stdout}{done.stderr}".replace(password, "***")
        print(f"the password was not set:\n{said}", file=sys.stderr)
    else:
        print(f"the password of {user} was set")
    return done.returncode


def keep_trying(user: str, password: str, rest: Callable[[float], None] = time.sleep) -> int:
    """Set the password once the server has made the user, at its first start."""
    for _ in range(_TRIES):
        if change_password(user, password) == 0:
            return 0
        rest(_PAUSE)
    return 1


def main(arguments: list[str]) -> int:
    """Do what is asked for; return an exit status."""
    folder = data_folder(os.environ)
    if arguments[:1] == ["wait"]:
        return 0 if all(wait_for(address) for address in arguments[1:]) else 1
    if arguments == ["healthy"]:
        why = answers(HEALTH)
        print(why or "healthy")
        return 1 if why else 0
    if arguments == ["configure"]:
        wanted = managed(MANAGED, SECRETS)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            changed = configure(folder, wanted)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"config.yml {'was written' if changed else 'is as it should be'}")
        if os.environ.get("PICLUSTER_POSTGIS") == "on":
            with_postgis(str(wanted["SQLALCHEMY_DATABASE_URI"]))
        return 0
    if len(arguments) == len(("password", "USER")) and arguments[0] == "password":
        return keep_trying(arguments[1], PASSWORD.read_text())
    print("usage: pod.py configure | wait ADDRESS... | healthy | password USER", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
