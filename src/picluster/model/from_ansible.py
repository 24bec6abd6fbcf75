"""A cluster file from an Ansible inventory: what is taken over, and what is not and why. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from picluster.errors import UsageError
from picluster.model.ansible_inventory import Host
from picluster.model.ansible_leftovers import DIFFERS, UNKNOWN, is_plain, why_left
from picluster.model.k3s import DEFAULT_VERSION, OLDEST_MINOR

_SERVERS = "k3s_master k3s_masters k3s_server k3s_servers server servers master masters"
_AGENTS = "k3s_agents k3s_agent k3s_node k3s_nodes k3s_workers agent agents node nodes worker"
SERVER_GROUPS = (*_SERVERS.split(), "control_plane", "k3s_control_plane")
AGENT_GROUPS = (*_AGENTS.split(), "workers")
"""Groups of the systems that picluster replaces: arclink, k3s-ansible and its forks."""


@dataclass(slots=True)
class Migration:
    """The cluster file's text; what it took from where; and what it left, with the reason."""

    text: str = ""
    taken: list[tuple[str, str]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Work:
    """The file's sections as they come together, and the variables that were used."""

    hosts: Sequence[Host]
    file: dict[str, Any] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    result: Migration = field(default_factory=Migration)

    def common(self, *names: str) -> Any:
        """Return the value that all hosts have of the first of these variables; None if none.

        A variable that is used counts as taken over even where hosts differ in it.
        """
        for name in names:
            found = [host.vars[name] for host in self.hosts if name in host.vars]
            if not found:
                continue
            self.used.add(name)
            value = found[0]
            if is_plain(value) and all(each == value for each in found):
                return value
            self.leave(name, DIFFERS if is_plain(value) else UNKNOWN)
        return None

    def put(self, section: str, key: str, value: Any, origin: str) -> None:
        """Set a field of the cluster file."""
        self.file.setdefault(section, {})[key] = value
        self.result.taken.append((f"{section}.{key}", origin))

    def leave(self, name: str, why: str) -> None:
        """Tell that something is not taken over."""
        if (name, why) not in self.result.left:
            self.result.left.append((name, why))


def from_ansible(hosts: Sequence[Host], name: str, servers: int | None = None) -> Migration:
    """Translate an inventory's hosts; `servers` is how many of the servers are to remain such.

    Raises `UsageError` if no host is in a group that tells its role.
    """
    members = _ordered(hosts)
    work = _Work(members)
    for host in hosts:
        if host not in members:
            work.leave(host.name, "it is in no group of servers or agents")
    if not members:
        raise UsageError(
            "the inventory has no K3s nodes",
            why=f"no host is in one of {', '.join(SERVER_GROUPS)}, or {', '.join(AGENT_GROUPS)}",
            fix="name the groups so, or write the file with `picluster init --node NAME=ADDRESS`",
        )
    work.file["name"] = name
    _take_domain(work)
    _take_ssh(work)
    _take_nodes(work, _server_names(work, servers))
    _take_k3s(work)
    _take_registry(work)
    _take_prepare(work)
    _take_parts(work)
    _tell_of_the_rest(work)
    work.result.text = _rendered(work.file, work.result)
    return work.result


# ------------------------------------------------------------------ nodes


def _role(host: Host) -> str:
    if host.groups.intersection(SERVER_GROUPS):
        return "server"
    return "agent" if host.groups.intersection(AGENT_GROUPS) else ""


def _ordered(hosts: Sequence[Host]) -> list[Host]:
    """Return servers first, and the one that the old system began with before the others."""
    known = [host for host in hosts if _role(host)]
    return sorted(
        known,
        key=lambda host: (_role(host) != "server", not host.vars.get("k3s_master_primary", False)),
    )


def _server_names(work: _Work, wanted: int | None) -> set[str]:
    """An even number of servers bears no more than one less: the last becomes an agent."""
    names = [host.name for host in work.hosts if _role(host) == "server"]
    if not names:
        raise UsageError(
            "the inventory has no servers",
            why=f"no host is in one of {', '.join(SERVER_GROUPS)}",
            fix="put one or three hosts into one of them",
        )
    if wanted is None:
        wanted = len(names) if len(names) % 2 else len(names) - 1
    for name in names[wanted:]:
        work.leave(f"{_short(name)} as a server", f"{wanted} servers are kept: it is an agent now")
    return set(names[:wanted])


def _short(name: str) -> str:
    """Return a node's name: the first part of a full name, as Kubernetes takes it."""
    if _is_address(name):
        return "pi-" + re.sub(r"[^0-9a-z]", "-", name.lower())
    return re.sub(r"[^a-z0-9-]", "-", name.partition(".")[0].lower())


def _is_address(text: Any) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def _take_domain(work: _Work) -> None:
    suffixes = {host.name.partition(".")[2] for host in work.hosts if not _is_address(host.name)}
    told = work.common("domain", "cluster_domain_name", "dns_domain")
    suffix = suffixes.pop() if len(suffixes) == 1 else ""
    domain = suffix or str(told or "")
    if domain:
        work.file["domain"] = domain
        work.result.taken.append(("domain", "domain" if told == domain else "full host names"))
    if told and told != domain:
        work.leave("domain", f"the hosts' own names end in {domain}")


def _text(value: Any) -> str | None:
    return str(value) or None


def _port(value: Any) -> int | None:
    return int(str(value)) if re.fullmatch("[0-9]{1,5}", str(value)) else None


_SSH: tuple[tuple[str, tuple[str, ...], Callable[[Any], Any]], ...] = (
    ("user", ("ansible_user", "ansible_ssh_user", "remote_user"), _text),
    ("port", ("ansible_port", "ansible_ssh_port"), _port),
    ("key", ("ansible_ssh_private_key_file", "ansible_private_key_file"), _text),
)
_JUMP = re.compile(r"(?:-J\s*|ProxyJump[= ]\s*)([\w.@:-]+)")


def _take_ssh(work: _Work) -> None:
    for key, names, kind in _SSH:
        value = _common_quietly(work, names, kind)
        if value is not None:
            work.put("ssh", key, value, names[0])
    arguments = str(work.common("ansible_ssh_common_args", "ansible_ssh_extra_args") or "")
    jump = _JUMP.search(arguments)
    if jump:
        work.put("ssh", "jump", jump[1], "ansible_ssh_common_args")
    elif arguments:
        work.leave("ansible_ssh_common_args", "put what you need of it into ~/.ssh/config")
    if "StrictHostKeyChecking=no" in arguments:
        work.leave("StrictHostKeyChecking=no", "host keys are always checked, and pinned")


def _common_quietly(work: _Work, names: Sequence[str], kind: Callable[[Any], Any]) -> Any:
    """As `common`, for what can be said for each node where hosts differ; nothing is not said."""
    for name in names:
        found = [_known(work, host, name, kind) for host in work.hosts]
        if any(value is not None for value in found):
            return found[0] if all(value == found[0] for value in found) else None
    return None


def _known(work: _Work, host: Host, name: str, kind: Callable[[Any], Any]) -> Any:
    """Return what a host's variable comes to; None, and said so, if that is not known here."""
    if host.vars.get(name, "") in ("", None):
        work.used.update([name] if name in host.vars else [])
        return None
    work.used.add(name)
    value = host.vars[name]
    read = kind(value) if is_plain(value) else None
    if read is None:
        work.leave(name, f"{value} cannot be used" if is_plain(value) else UNKNOWN)
    return read


def _take_nodes(work: _Work, servers: set[str]) -> None:
    nodes = []
    for host in work.hosts:
        entry: dict[str, Any] = {"name": _short(host.name), "address": _address(work, host)}
        entry["role"] = "server" if host.name in servers else "agent"
        own = _own_ssh(work, host)
        if own:
            entry["ssh"] = own
        for key, names in (("labels", _LABELS), ("taints", _TAINTS)):
            found = _first(work, host, names)
            if found:
                entry[key] = _labels(found) if key == "labels" else _texts(found)
        nodes.append(entry)
    work.file["nodes"] = nodes
    work.result.taken.append(("nodes", "the groups of servers and agents"))


_LABELS = ("node_labels", "k3s_node_labels", "k3s_labels")
_TAINTS = ("node_taints", "k3s_node_taints", "k3s_taints")


def _address(work: _Work, host: Host) -> str:
    for name in ("ansible_host", "ansible_ssh_host"):
        if host.vars.get(name) not in (None, ""):
            work.used.add(name)
            if is_plain(host.vars[name]):
                return str(host.vars[name])
            work.leave(f"{name} of {host.name}", UNKNOWN)
    return host.name


def _own_ssh(work: _Work, host: Host) -> dict[str, Any]:
    common = work.file.get("ssh", {})
    own = {}
    for key, names, kind in _SSH:
        found = (_known(work, host, name, kind) for name in names)
        value = next((each for each in found if each is not None), None)
        if value is not None and key not in common:
            own[key] = value
    return own


def _first(work: _Work, host: Host, names: Sequence[str]) -> Any:
    for name in names:
        if name in host.vars:
            work.used.add(name)
            if is_plain(host.vars[name]):
                return host.vars[name]
            work.leave(f"{name} of {host.name}", UNKNOWN)
    return None


def _labels(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    pairs = (text.partition("=") for text in _texts(value))
    return {key: item for key, _, item in pairs}


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [word for word in re.split(r"[,\s]+", value) if word]
    return [str(item) for item in value]


# ------------------------------------------------------------------ K3s and what is around it

# As releases are called, and as older inventories and images wrote them.
_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)(?:[+-]\.?(k3s\.?\d+))?(?:-(?:arm64|amd64|armhf))?")


def _take_k3s(work: _Work) -> None:
    version = work.common("k3s_version", "k3s_release_version")
    found = _VERSION.fullmatch(str(version)) if version else None
    if found and int(found[1].split(".")[1]) < OLDEST_MINOR:
        known = f"what is known here begins at 1.{OLDEST_MINOR}; go there first, minor by minor"
        work.leave("k3s_version", f"{version} is too old: {known}")
    elif found:
        work.put(
            "k3s", "version", f"v{found[1]}+{(found[2] or 'k3s1').replace('.', '')}", "k3s_version"
        )
    elif version:
        work.leave("k3s_version", f"{version} is no release; {DEFAULT_VERSION} is set")
    for key, names in (
        ("cluster_cidr", ("cluster_cidr", "k3s_cluster_cidr")),
        ("service_cidr", ("service_cidr", "k3s_service_cidr")),
        ("flannel_iface", ("flannel_iface",)),
        ("airgap_dir", ("airgap_dir",)),
    ):
        value = work.common(*names)
        if value is not None:
            work.put("k3s", key, str(value), names[0])
    vip = work.common("apiserver_endpoint", "kube_vip_address", "api_endpoint")
    if vip is not None:
        _take_endpoint(work, str(vip))


def _take_endpoint(work: _Work, address: str) -> None:
    """An address that is none of the nodes' is one that moves between the servers."""
    own = {node["address"] for node in work.file["nodes"]}
    own |= {name for host in work.hosts for name in (host.name, _short(host.name))}
    if _is_address(address) and address not in own:
        work.put("k3s", "vip", {"address": address}, "apiserver_endpoint")
    elif address not in own:
        work.put("k3s", "tls_san", [address], "api_endpoint")


def _take_registry(work: _Work) -> None:
    host, port = work.common("registry_host"), work.common("registry_port")
    if host is None:
        return
    known = {str(each.name): _short(each.name) for each in work.hosts}
    known |= {_short(each.name): _short(each.name) for each in work.hosts}
    known |= {node["address"]: node["name"] for node in work.file["nodes"]}
    node = known.get(str(host))
    if node is None:
        work.leave("registry_host", f"{host} is none of the nodes; picluster's registry is on one")
        return
    work.put("registry", "node", node, "registry_host")
    if str(port or "").isdecimal():
        work.put("registry", "port", int(port), "registry_port")


def _take_prepare(work: _Work) -> None:
    packages = work.common("common_packages")
    if isinstance(packages, list):
        work.put("prepare", "packages", [str(each) for each in packages], "common_packages")
    zone = work.common("timezone", "system_timezone")
    if zone:
        work.put("prepare", "timezone", str(zone), "timezone")
    names = work.common("common_set_hostname")
    if names is not None:
        work.put("prepare", "set_hostname", names in (True, "true", "yes"), "common_set_hostname")


def _take_parts(work: _Work) -> None:
    if work.common("longhorn_enabled") in (True, "true", "yes"):
        work.file["longhorn"] = {}
        work.result.taken.append(("longhorn", "longhorn_enabled"))


def _tell_of_the_rest(work: _Work) -> None:
    names = dict.fromkeys(name for host in work.hosts for name in host.vars)
    for name in names:
        if name not in work.used:
            work.leave(name, why_left(name, [host.vars.get(name) for host in work.hosts]))


# ------------------------------------------------------------------ the text


def _rendered(file: Mapping[str, Any], result: Migration) -> str:
    origins = dict(result.taken)
    lines = [
        "# Made from an Ansible inventory by `picluster init --from-ansible`. Read it, then see",
        "# what `picluster plan` would change; `picluster explain` lists every setting there is.",
    ]
    for key, value in file.items():
        if key == "nodes":
            lines.append("nodes:")
            lines += [f"  - {_flow(node)}" for node in value]
        elif isinstance(value, Mapping) and value:
            lines.append(f"{key}:")
            lines += list(_section(key, value, origins))
        else:
            lines.append(_with_origin(f"{key}: {_flow(value)}", origins.get(key)))
    if "k3s" not in file or "version" not in file["k3s"]:
        lines += [] if "k3s" in file else ["k3s:"]
        at = lines.index("k3s:") + 1
        lines.insert(at, f"  version: {DEFAULT_VERSION}  # the inventory names none")
    return "\n".join(lines) + "\n"


def _section(name: str, values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        yield _with_origin(f"  {key}: {_flow(value)}", origins.get(f"{name}.{key}"))


def _with_origin(line: str, origin: str | None) -> str:
    return f"{line}  # from {origin}" if origin else line


def _flow(value: Any) -> str:
    """Return a value as YAML on one line, quoted where YAML would read something else."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return str(text).removesuffix("\n").removesuffix("\n...").strip()
