"""K3s leaves a node: everything that it or picluster put there for it, except volumes.

The uninstall script that K3s's own installer leaves behind is not used: it deletes the volumes of
local-path together with the rest. Its `k3s-killall.sh`, which stops containers and takes the
network down, is (https://docs.k3s.io/upgrades/killall).
"""

from __future__ import annotations

from dataclasses import dataclass

from picluster.engine.step import Change, Decision, Risk, Run, Satisfied, Script
from picluster.engine.survey import Look
from picluster.steps.k3s import paths
from picluster.steps.k3s.state import STATE, read_state

UNINSTALLED = "k3s-uninstalled"
VOLUMES = f"{paths.DATA_DIR}/storage"
"""Where local-path keeps its volumes."""

_SECONDS = 600.0
_UNITS = "/etc/systemd/system"
_KUBELET = "/var/lib/kubelet"
_FILES = (
    *(
        f"{_UNITS}/{unit}.service{part}"
        for unit in ("k3s", "k3s-agent")
        for part in ("", ".env", ".d")
    ),
    "/etc/systemd/system/multi-user.target.wants/k3s.service",
    "/etc/systemd/system/multi-user.target.wants/k3s-agent.service",
    *(
        f"{paths.BINARY}{part}"
        for part in ("", ".new", "-killall.sh", "-uninstall.sh", "-agent-uninstall.sh")
    ),
    paths.CONFIG_DIR,
    "/etc/rancher/node",
    "/run/k3s",
    "/run/flannel",
    "/var/lib/cni",
    paths.LOADED_DIR,
    paths.STAGING_DIR,
    paths.RECORDER,
)
_TOOLS = "kubectl crictl ctr"
_LINKS = r"flannel\.1|flannel-v6\.1|flannel-wg|flannel-wg-v6|cni0|kube-ipvs0"
_TABLES = "iptables ip6tables iptables-legacy ip6tables-legacy"
# A chain is named where it is made, where a rule is added to it, and where a rule jumps to it.
_CHAINS = "(^:|-A |-j |-g )(KUBE|CNI|FLANNEL)-"
_MOUNTS = f"^(/run/k3s|{_KUBELET}/|/run/netns/cni-|{paths.DATA_DIR}/)"
_PROCESSES = f"^{paths.DATA_DIR}/data/"

_LOOK = f"""
for path in {" ".join(_FILES)}; do
  [ ! -e "$path" ] && [ ! -L "$path" ] || echo "left=$path"
done
for tool in {_TOOLS}; do
  [ "$(readlink /usr/local/bin/$tool)" != k3s ] || echo "left=/usr/local/bin/$tool"
done
for path in {_KUBELET} {paths.DATA_DIR}; do
  [ -d "$path" ] || continue
  rest=$(find "$path" -mindepth 1 -maxdepth 1 ! -path {VOLUMES} | head -n 1)
  [ -z "$rest" ] || echo "left=$path"
done
awk '{{print $2}}' /proc/self/mounts | grep -E '{_MOUNTS}' | grep -v '^{VOLUMES}' |
  sed 's/^/left=mount /'
ip -o link show 2>/dev/null | grep -oE ': ({_LINKS})[:@]' | tr -d ':@ ' | sed 's/^/left=link /'
for tool in {_TABLES}; do
  rules=$($tool-save 2>/dev/null | grep -cE -e '{_CHAINS}')
  [ "${{rules:-0}}" = 0 ] || echo "left=$tool: $rules rules of Kubernetes"
done
pgrep -f '{_PROCESSES}' 2>/dev/null | sed 's/^/left=process /'
[ ! -d {paths.SERVER_DIR}/db ] || echo "database=yes"
echo "snapshots=$(ls {paths.SERVER_DIR}/db/snapshots 2>/dev/null | wc -l)"
true
"""

_REMOVE = f"""
for unit in k3s k3s-agent; do
  systemctl disable --now --quiet $unit 2>/dev/null || true
done
[ ! -x {paths.BINARY}-killall.sh ] || {paths.BINARY}-killall.sh >/dev/null 2>&1 || true
pkill -KILL -f '{_PROCESSES}' 2>/dev/null || true
if command -v iscsiadm >/dev/null; then
  iscsiadm -m session 2>/dev/null |
    sed -n 's/^[a-z]*: \\[\\([0-9]*\\)\\].*:iqn[^ ]*longhorn.*/\\1/p;
            s/^[a-z]*: \\[\\([0-9]*\\)\\].* iqn[.]2019-10[.]io[.]longhorn.*/\\1/p' |
    while read -r session; do iscsiadm -m session -r "$session" -u || true; done
fi
awk '{{print $2}}' /proc/self/mounts | grep -E '{_MOUNTS}' | grep -v '^{VOLUMES}' | sort -r |
  while read -r at; do umount "$at" || umount -l "$at"; done
find /run/netns -name 'cni-*' -delete 2>/dev/null || true
ip -o link show 2>/dev/null | grep -oE ': ({_LINKS})[:@]' | tr -d ':@ ' |
  while read -r link; do ip link delete "$link" || true; done
for tool in {_TABLES}; do
  rules=$($tool-save 2>/dev/null) || continue
  printf '%s\\n' "$rules" | grep -qE -e '{_CHAINS}' || continue
  printf '%s\\n' "$rules" | grep -vE -e '{_CHAINS}' | $tool-restore
done
for tool in {_TOOLS}; do
  [ "$(readlink /usr/local/bin/$tool)" != k3s ] || rm -f /usr/local/bin/$tool
done
for path in {_KUBELET} {paths.DATA_DIR}; do
  [ -d "$path" ] || continue
  find "$path" -mindepth 1 -maxdepth 1 ! -path {VOLUMES} -exec rm -rf --one-file-system {{}} +
  [ "$path" != {paths.DATA_DIR} ] || rmdir {VOLUMES} 2>/dev/null || true
  rmdir "$path" 2>/dev/null || true
done
rm -rf --one-file-system {" ".join(_FILES)}
for path in /etc/rancher /var/lib/rancher /var/lib/picluster /usr/local/lib/picluster; do
  rmdir "$path" 2>/dev/null || true
done
systemctl daemon-reload
systemctl reset-failed k3s k3s-agent 2>/dev/null || true
"""


@dataclass(frozen=True, slots=True)
class Uninstalled:
    """Nothing of K3s is on the node, but the volumes that its pods wrote to.

    Of the host's firewall only the chains of Kubernetes, CNI and flannel go, and of its iSCSI
    sessions only Longhorn's.
    """

    name: str = UNINSTALLED
    title: str = "nothing of K3s is on the node"

    def probe(self) -> Script:
        """List what is there of it."""
        return Script(_LOOK)

    def decide(self, look: Look) -> Decision:
        """Want nothing left."""
        found = left(look)
        if not found:
            return Satisfied()
        state = read_state(look.beside(STATE))
        what = f"uninstall K3s {state.version}".rstrip()
        costs = self._costs(look)
        return Change(
            f"{what}, and delete {costs}" if costs else what,
            (Run(_REMOVE, timeout=_SECONDS),),
            reason=f"there {'are' if len(found) > 1 else 'is'} {_some(found)}",
            risk=Risk.DATA_LOSS if costs else Risk.RESTART,
            retry_safe=True,
        )

    def _costs(self, look: Look) -> str:
        facts = look.own.facts
        snapshots = int(facts.get("snapshots") or 0)
        parts = ["its copy of the cluster's database"] if facts.get("database") else []
        parts += [f"{snapshots} etcd snapshots on it"] if snapshots else []
        return " and ".join(parts)


def left(look: Look, node: str = "") -> list[str]:
    """Return what is left of K3s on a node, by default the one that is looked at."""
    seen = look.at(node or look.target, UNINSTALLED)
    return [line.removeprefix("left=") for line in seen.lines if line.startswith("left=")]


def _some(found: list[str], most: int = 3) -> str:
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
