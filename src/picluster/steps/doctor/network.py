"""How a node is connected: its uplink, its name servers, its iptables, and cards written twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.shell import shell
from picluster.engine.survey import Look
from picluster.steps.doctor.finding import Check, Finding, not_applicable, ok, problem, warning
from picluster.steps.k3s.paths import NODE_PASSWORD


@dataclass(frozen=True, slots=True)
class UplinkSeen:
    """The device of the default route, empty without one; its speed in Mbit/s, 0 if it has none.

    `saves_power` is told of Wi-Fi (`wireless`) only.
    """

    device: str
    speed: int
    wireless: bool
    saves_power: bool


def _uplink(seen: Observation) -> UplinkSeen:
    return UplinkSeen(
        seen.text("device", ""),
        seen.number("speed", 0),
        seen.flag("wireless"),
        seen.text("saving", "").endswith("on"),
    )


_UPLINK = ShellProbe("uplink", shell(__package__, "uplink"), _uplink)


def _judge_uplink(look: Look, *, is_server: bool) -> Finding:
    """Wi-Fi works, but not well for etcd, and with power saving for nobody."""
    uplink = look.read(_UPLINK)
    device = uplink.device
    if not device:
        return not_applicable("no default route")
    if not uplink.wireless:
        return ok(f"{device}, {uplink.speed} Mbit/s" if uplink.speed > 0 else device)
    if uplink.saves_power:
        return warning(
            f"{device} is Wi-Fi and saves power",
            "it sleeps between packets: delays of hundreds of milliseconds",
            f"use a cable; or `iw dev {device} set power_save off`, and the same in "
            "NetworkManager (wifi.powersave = 2)",
        )
    why = "etcd loses its votes when packets are late" if is_server else "volumes are slow"
    return warning(f"{device} is Wi-Fi", why, "use a cable")


def uplink(*, is_server: bool) -> Check:
    """The node reaches the others by cable, not by Wi-Fi."""
    judge = partial(_judge_uplink, is_server=is_server)
    return Check("uplink", "connected by cable", _UPLINK, judge)


# https://kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution/#known-issues
_MOST_SERVERS = 3


@dataclass(frozen=True, slots=True)
class Resolvers:
    """The name servers that the node asks, and those that systemd-resolved asks for it."""

    servers: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()


# The files that K3s looks at.
_RESOLVERS = ShellProbe(
    "name-servers",
    "for pair in server:/etc/resolv.conf upstream:/run/systemd/resolve/resolv.conf; do\n"
    "  [ -r ${pair#*:} ] || continue\n"
    '  while read -r key address _ || [ -n "$key" ]; do\n'
    '    [ "$key" != nameserver ] || echo "${pair%%:*}=$address"\n'
    "  done <${pair#*:}\n"
    "done; true",
    lambda seen: Resolvers(seen.every("server"), seen.every("upstream")),
)


def _judge_name_servers(look: Look) -> Finding:
    """A server on the node itself is out of reach from inside a pod."""
    resolvers = look.read(_RESOLVERS)
    servers = resolvers.servers
    if not servers:
        return warning(
            "/etc/resolv.conf names no server",
            "no name can be looked up; that is right only on a network that leads nowhere",
            "let DHCP give one, or write `nameserver ADDRESS` there",
        )
    if all(map(_is_own, (*servers, *resolvers.upstream))):
        return warning(
            f"only {', '.join(servers)}, on the node itself",
            "pods do not reach it, and K3s gives them 8.8.8.8 instead",
            "write a file with the network's servers, and name it: `resolv-conf: FILE` in "
            "`k3s.server_options` and `k3s.agent_options`",
        )
    if len(servers) > _MOST_SERVERS:
        return warning(
            f"{len(servers)} of them",
            "Kubernetes takes the first three and complains of the others",
            "leave three",
        )
    return ok(", ".join(servers))


def _is_own(server: str) -> bool:
    return server.startswith("127.") or server == "::1"


NAME_SERVERS = Check(
    "name-servers", "name servers that pods can use", _RESOLVERS, _judge_name_servers
)

# 1.8.0 to 1.8.4 add the same rules again and again: https://github.com/k3s-io/k3s/issues/3117
_BAD_IPTABLES = re.compile(r"v?1\.8\.[0-4](?![\d])")


@dataclass(frozen=True, slots=True)
class IptablesSeen:
    """What iptables says of its version, empty if there is none; the legacy tables in use."""

    version: str = ""
    legacy: tuple[str, ...] = ()


_IPTABLES = ShellProbe(
    "iptables",
    "! command -v iptables >/dev/null || "
    "{ printf version=; iptables --version 2>/dev/null; echo; }\n"
    "[ -r /proc/net/ip_tables_names ] || return 0\n"
    'while read -r table; do echo "legacy=$table"; done </proc/net/ip_tables_names',
    lambda seen: IptablesSeen(seen.text("version", ""), seen.every("legacy")),
)


def _judge_iptables(look: Look) -> Finding:
    """K3s brings one of its own, and takes the node's if there is one."""
    iptables = look.read(_IPTABLES)
    version = iptables.version
    if not version:
        return ok("none: K3s uses its own")
    number = version.removeprefix("iptables ").split(" ")[0]
    if _BAD_IPTABLES.fullmatch(number):
        return warning(
            version,
            "its versions 1.8.0 to 1.8.4 write the same rules again and again, until the node "
            "is slow",
            "set `prefer-bundled-bin: true` in `k3s.server_options` and `k3s.agent_options`, "
            "or update it",
        )
    if iptables.legacy and "nf_tables" in version:
        return warning(
            f"{version}, and legacy tables are in use: {', '.join(iptables.legacy)}",
            "two sets of rules that do not see each other; some program uses the other kind",
            "find it (`iptables-legacy-save`), let it use nft as well, and reboot",
        )
    return ok(version)


IPTABLES = Check("iptables", "an iptables that works", _IPTABLES, _judge_iptables)

_LINK = re.compile(r"(\S+)\s+\S+\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s.*")
_MADE_UP = ("lo", "cni", "flannel", "veth", "docker", "br-", "kube", "tun", "tap", "dummy", "wg")
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class OwnMarks:
    """What differs between machines: the addresses of the network cards, the password's digest."""

    cards: frozenset[str] = frozenset()
    password: str = ""


def _marks(seen: Observation) -> OwnMarks:
    links = (link for line in seen.lines if (link := _LINK.fullmatch(line)))
    return OwnMarks(
        frozenset(link[2] for link in links if not link[1].startswith(_MADE_UP)),
        seen.text("password", "")[:_DIGITS],
    )


# /sys is not asked for the cards: in a container it shows those of another machine.
_TWINS = ShellProbe(
    "twins",
    f"ip -br link\n[ ! -r {NODE_PASSWORD} ] || {{ printf password=; sha256sum <{NODE_PASSWORD}; }}",
    _marks,
)


def _judge_twins(look: Look) -> Finding:
    """Compare with every other node: cloned, they fight."""
    own = look.read(_TWINS)
    for other, its in look.every(_TWINS).items():
        if other == look.target:
            continue
        if own.password and its.password == own.password:
            return problem(
                f"the same {NODE_PASSWORD} as {other}",
                "the card was copied after K3s was installed: the two will be taken for one",
                f"on the copy: `picluster reset --node {look.target}`, and `picluster up`",
            )
        shared = own.cards & its.cards
        if shared:
            return problem(
                f"the same network card address as {other}: {', '.join(sorted(shared))}",
                "switches and DHCP take the two for one",
                "find where it was set by hand (netplan, NetworkManager, cmdline.txt), and "
                "take it out",
            )
    return ok(", ".join(sorted(own.cards)))


TWINS = Check("twins", "its own network address and K3s password", _TWINS, _judge_twins)

CHECKS = (NAME_SERVERS, IPTABLES, TWINS)
