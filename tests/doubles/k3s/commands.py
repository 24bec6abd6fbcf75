"""`k3s kubectl`, `k3s token` and `k3s etcd-snapshot`, as far as the stand-in goes."""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

from . import client, config, host
from .kinds import BUILTIN
from .log import fatal
from .store import Object
from .wire import Client, go_dial_error, trusting

_TABLE = {kind.plural: kind for kind in BUILTIN}


def run(command: str, arguments: list[str]) -> int:
    """Run one of the commands; return the exit status."""
    words, flags = _split(arguments)
    act = {"kubectl": _kubectl, "token": _token, "etcd-snapshot": _snapshots}[command]
    return act(words, flags)


def _split(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    flags: dict[str, str] = {}
    rest = list(arguments)
    switches = {"A", "all-namespaces", "v", "ignore-not-found", "raw-output", "force", "now"}
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-"):
            words.append(argument)
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        if not equals and name not in switches and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        flags[name] = value
    return words, flags


class _Admin:
    """The API with the credentials of a kubeconfig."""

    def __init__(self, flags: dict[str, str]) -> None:
        path = Path(flags.get("kubeconfig") or host.at("/etc/rancher/k3s/k3s.yaml"))
        if not path.exists():
            fatal(f"stand-in: stat {path}: no such file or directory")
        text = path.read_text()
        found = dict(
            re.findall(r"(certificate-authority-data|client-[a-z-]+|server): *(\S+)", text)
        )
        with tempfile.TemporaryDirectory() as name:
            parts = {}
            for field in ("certificate-authority", "client-certificate", "client-key"):
                parts[field] = Path(name) / field
                parts[field].write_bytes(base64.b64decode(found[f"{field}-data"]))
            context: ssl.SSLContext = trusting(parts["certificate-authority"])
            context.load_cert_chain(parts["client-certificate"], parts["client-key"])
        self.url, self._client = (
            found["server"],
            Client(context, {"User-Agent": "kubectl/stand-in"}),
        )

    def call(self, method: str, path: str, body: Any = None, kind: str = "") -> Any:
        """Send a request; a refusal ends the command."""
        headers = {"Content-Type": kind} if kind else {}
        try:
            answer = self._client.call(method, self.url + path, body, headers=headers)
        except (OSError, http.client.HTTPException) as problem:
            print(f"stand-in: {go_dial_error(self.url, problem)}", file=sys.stderr)
            raise SystemExit(1) from None
        if answer.status >= 400:
            said = answer.json()
            reason = said.get("reason", answer.status)
            print(
                f"Error from server ({reason}): {said.get('message')} (stand-in)", file=sys.stderr
            )
            raise SystemExit(1)
        return answer.json()


def _kubectl(words: list[str], flags: dict[str, str]) -> int:
    admin = _Admin(flags)
    match words:
        case ["get", what, *names] if "raw" not in flags:
            return _get(admin, what, names, flags)
        case ["get"] if "raw" in flags:
            found = admin.call("GET", flags["raw"])
            print(found["message"] if list(found) == ["message"] else json.dumps(found))
        case ["delete", what, *names] if names:
            for name in names:
                admin.call("DELETE", f"{_path(admin, what, flags)}/{name}")
                print(f'{what} "{name}" deleted (stand-in)')
        case ["version"]:
            print(f"Server Version: {admin.call('GET', '/version')['gitVersion']} (stand-in)")
        case ["cordon" | "uncordon" as verb, name]:
            body = {"spec": {"unschedulable": True if verb == "cordon" else None}}
            kind = "application/merge-patch+json"
            admin.call("PATCH", f"/api/v1/nodes/{name}", body, kind)
            print(f"node/{name} {verb}ed (stand-in)")
        case _:
            fatal(f"the stand-in's kubectl cannot do {' '.join(words) or 'nothing'}")
    return 0


def _path(admin: _Admin, what: str, flags: dict[str, str]) -> str:
    plural = what.partition(".")[0]
    kind = next((k for k in BUILTIN if plural in (k.plural, k.name.lower(), *k.short)), None)
    if kind is None:
        fatal(f'the server doesn\'t have a resource type "{what}" (stand-in)')
    base = f"/apis/{kind.group}/{kind.versions[0]}" if kind.group else "/api/v1"
    everywhere = "A" in flags or "all-namespaces" in flags
    if kind.namespaced and not everywhere:
        base += f"/namespaces/{flags.get('n') or flags.get('namespace') or 'default'}"
    return f"{base}/{kind.plural}"


def _get(admin: _Admin, what: str, names: list[str], flags: dict[str, str]) -> int:
    what, _, named = what.partition("/")
    names = [*([named] if named else []), *names]
    path = _path(admin, what, flags)
    if len(names) == 1:
        found = admin.call("GET", f"{path}/{names[0]}")
        items = [found]
    else:
        found = admin.call("GET", path)
        items = [i for i in found["items"] if not names or i["metadata"]["name"] in names]
    form = flags.get("o") or flags.get("output") or ""
    if form == "json":
        print(json.dumps({**found, "kind": found["kind"]}, indent=2))
    elif form == "name":
        print("\n".join(f"{items[0]['kind'].lower()}/{i['metadata']['name']}" for i in items))
    else:
        _table(items)
    return 0


def _table(items: list[Object]) -> None:
    print("NAME                 STATUS     VERSION (stand-in)")
    for item in items:
        status = item.get("status") or {}
        ready = {c["type"]: c["status"] for c in status.get("conditions") or []}.get("Ready")
        shown = {"True": "Ready", None: "-"}.get(ready, "NotReady")
        version = (status.get("nodeInfo") or {}).get("kubeletVersion", "")
        print(f"{item['metadata']['name']:<20} {shown:<10} {version}")


def _token(words: list[str], flags: dict[str, str]) -> int:
    admin = _Admin(flags)
    secrets_path = "/api/v1/namespaces/kube-system/secrets"
    match words:
        case ["create", *_]:
            left, right = secrets.token_hex(3), secrets.token_hex(8)
            data = {"token-id": left, "token-secret": right}
            name = f"bootstrap-token-{left}"
            kind = "bootstrap.kubernetes.io/token"
            body = {"metadata": {"name": name}, "type": kind, "stringData": data}
            admin.call("POST", secrets_path, body)
            pin = host.at("/var/lib/rancher/k3s/server/token").read_text().partition("::")[0]
            print(f"{pin}::{left}.{right}")
        case ["list" | "ls", *_]:
            print("TOKEN    TTL (stand-in)")
            for item in admin.call("GET", secrets_path)["items"]:
                if item["metadata"]["name"].startswith("bootstrap-token-"):
                    print(item["metadata"]["name"].removeprefix("bootstrap-token-"), "  forever")
        case ["delete", *ids]:
            for each in ids:
                admin.call("DELETE", f"{secrets_path}/bootstrap-token-{each.partition('.')[0]}")
        case _:
            fatal("the stand-in knows token create, list and delete")
    return 0


def _snapshots(words: list[str], flags: dict[str, str]) -> int:
    options = config.load("server", [], host.at("/etc/rancher/k3s/config.yaml"))
    data = host.data(options)
    given = flags.get("dir") or flags.get("etcd-snapshot-dir") or options.text("etcd-snapshot-dir")
    where = host.at(given) if given else data / "server/db/snapshots"
    match words:
        case ["save", *_] | []:
            if not (data / "server/db/etcd").is_dir():
                fatal("etcd-snapshot: the stand-in has no etcd data here")
            secret = client.secret_of((data / "server/token").read_text().strip())
            link = client.client(data / "server/tls/server-ca.crt", "server", secret)
            address = options.text("bind-address") or host.node_ip(options)
            url = f"https://{address}:{options.text('https-listen-port', '6443')}"
            body = {"name": flags.get("name") or "on-demand", "dir": given}
            try:
                print(
                    f"Snapshot {client.asked(link, url, 'snapshot', body)['name']} saved (stand-in)"
                )
            except client.Refused as why:
                fatal(f"etcd-snapshot: {why}")
        case ["list" | "ls", *_]:
            print("Name  Location  Size  Created (stand-in)")
            for path in sorted(where.glob("*")) if where.is_dir() else ():
                created = int(path.name.rpartition("-")[2] or 0)
                print(f"{path.name} file://{path} {path.stat().st_size} {created}")
        case ["delete", *names]:
            for name in names:
                if not (where / name).is_file():
                    fatal(f"etcd-snapshot: {name} not found (stand-in)")
                (where / name).unlink()
                print(f"Snapshot {name} deleted (stand-in)")
        case _:
            fatal("the stand-in knows etcd-snapshot save, list and delete")
    return 0
