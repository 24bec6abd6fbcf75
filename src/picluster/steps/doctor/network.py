"""How a node is connected: its uplink, its name servers, its iptables, and cards written twice."""

from __future__ import annotations

import re
from dataclasses import dataclass

from picluster.engine.step import Script
from picluster.engine.survey import Look
from picluster.steps.doctor.finding import Finding, not_applicable, ok, problem, values, warning
from picluster.steps.k3s.paths import NODE_PASSWORD


@dataclass(frozen=True, slots=True)
class Uplink:
    """The node reaches the others by cable, not by Wi-Fi."""

    is_server: bool
    name: str = "uplink"
    title: str = "connected by cable"

    def probe(self) -> Script:
        """Look at the device of the default route."""
        return Script(
            "device=$(ip -o route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' "
            "| head -n 1)\n"
            '[ -n "$device" ] || exit 0\n'
            'echo "device=$device"\n'
            'echo "speed=$(cat "/sys/class/net/$device/speed" 2>/dev/null)"\n'
            '[ -d "/sys/class/net/$device/wireless" ] || exit 0\n'
            "echo wireless=yes\n"
            'iw dev "$device" get power_save 2>/dev/null | sed -n "s/^Power save: /saving=/p"'
        )

    def judge(self, look: Look) -> Finding:
        """Wi-Fi works, but not well for etcd, and with power saving for nobody."""
        facts = look.own.facts
        device = facts.get("device")
        if device is None:
            return not_applicable("no default route")
        speed = facts.get("speed", "")
        if "wireless" not in facts:
            return ok(f"{device}, {speed} Mbit/s" if speed.isdigit() else device)
        if facts.get("saving") == "on":
            return warning(
                f"{device} is Wi-Fi and saves power",
                "it sleeps between packets: delays of hundreds of milliseconds",
                f"use a cable; or `iw dev {device} set power_save off`, and the same in "
                "NetworkManager (wifi.powersave = 2)",
            )
        why = "etcd loses its votes when packets are late" if self.is_server else "volumes are slow"
        return warning(f"{device} is Wi-Fi", why, "use a cable")


# https://kubernetes.io/docs/tasks/administer-cluster/dns-debugging-resolution/#known-issues
_MOST_SERVERS = 3


@dataclass(frozen=True, slots=True)
class NameServers:
    """Pods can use the name servers that the node uses."""

    name: str = "name-servers"
    title: str = "name servers that pods can use"

    def probe(self) -> Script:
        """Read the files that K3s looks at."""
        return Script(
            "sed -n 's/^nameserver[[:space:]]*/server=/p' /etc/resolv.conf 2>/dev/null\n"
            "sed -n 's/^nameserver[[:space:]]*/upstream=/p' /run/systemd/resolve/resolv.conf "
            "2>/dev/null; true"
        )

    def judge(self, look: Look) -> Finding:
        """A server on the node itself is out of reach from inside a pod."""
        servers, upstream = values(look, "server"), values(look, "upstream")
        if not servers:
            return warning(
                "/etc/resolv.conf names no server",
                "no name can be looked up; that is right only on a network that leads nowhere",
                "let DHCP give one, or write `nameserver ADDRESS` there",
            )
        own = [server for server in servers if _is_own(server)]
        if len(own) == len(servers) and not [each for each in upstream if not _is_own(each)]:
            return warning(
                f"only {', '.join(own)}, on the node itself",
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


# 1.8.0 to 1.8.4 add the same rules again and again: https://github.com/k3s-io/k3s/issues/3117
_BAD_IPTABLES = re.compile(r"v?1\.8\.[0-4](?![\d])")


@dataclass(frozen=True, slots=True)
class Iptables:
    """The node's iptables, if it has any, is none that piles rules up, and of one kind."""

    name: str = "iptables"
    title: str = "an iptables that works"

    def probe(self) -> Script:
        """Ask for the version; legacy tables that are in use are listed by the kernel."""
        return Script(
            "iptables --version 2>/dev/null | sed 's/^/version=/'\n"
            "sed 's/^/legacy=/' /proc/net/ip_tables_names 2>/dev/null; true"
        )

    def judge(self, look: Look) -> Finding:
        """K3s brings one of its own, and takes the node's if there is one."""
        version = look.own.facts.get("version", "")
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
        legacy = values(look, "legacy")
        if legacy and "nf_tables" in version:
            return warning(
                f"{version}, and legacy tables are in use: {', '.join(legacy)}",
                "two sets of rules that do not see each other; some program uses the other kind",
                "find it (`iptables-legacy-save`), let it use nft as well, and reboot",
            )
        return ok(version)


@dataclass(frozen=True, slots=True)
class NoTwin:
    """No other node has this one's network card address or K3s password: cloned, they fight."""

    name: str = "twins"
    title: str = "its own network address and K3s password"

    def probe(self) -> Script:
        """Print what differs between machines; of the password, a digest.

        /sys is not asked for the cards: in a container it shows those of another machine.
        """
        return Script(
            "ip -o link | awk '$2 !~ /^(lo|cni|flannel|veth|docker|br-|kube|tun|tap|dummy|wg)/' "
            "| sed -n 's,.* link/ether \\([^ ]*\\).*,mac=\\1,p'\n"
            f"[ ! -r {NODE_PASSWORD} ] || "
            f'echo "password=$(sha256sum <{NODE_PASSWORD} | cut -c1-16)"'
        )

    def judge(self, look: Look) -> Finding:
        """Compare with every other node."""
        own_cards = set(values(look, "mac"))
        own_password = look.own.facts.get("password")
        for other, seen in look.across(self.name).items():
            if other == look.target:
                continue
            if own_password and seen.facts.get("password") == own_password:
                return problem(
                    f"the same {NODE_PASSWORD} as {other}",
                    "the card was copied after K3s was installed: the two will be taken for one",
                    f"on the copy: `picluster reset --node {look.target}`, and `picluster up`",
                )
            shared = own_cards & {line[4:] for line in seen.lines if line.startswith("mac=")}
            if shared:
                return problem(
                    f"the same network card address as {other}: {', '.join(sorted(shared))}",
                    "switches and DHCP take the two for one",
                    "find where it was set by hand (netplan, NetworkManager, cmdline.txt), and "
                    "take it out",
                )
        return ok(", ".join(sorted(own_cards)))
