"""Faults with a name: each would cost a user the cluster, the data or the trust. None may survive.

By name: the file below src/picluster, the text that is there once, and what stands there instead.
A place that is gone stops the run: a fault whose code moved has to move with it.
"""

from __future__ import annotations

NAMED: dict[str, tuple[str, str, str]] = {
    "the quorum guard never refuses": (
        "steps/k3s/guard.py",
        "_obey(may_disrupt(server, nodes, self._readiness(), self.servers), server)",
        "pass",
    ),
    "the removal guard never refuses": (
        "steps/k3s/guard.py",
        "_obey(self.on_removal(node), node)",
        "pass",
    ),
    "all servers are restarted at once": (
        "operations/restart.py",
        "width=one_at_a_time,",
        "",
    ),
    "all servers are changed at once": (
        "phases/k3s.py",
        "_JOINING if begins(survey) else one_at_a_time(survey)",
        "None",
    ),
    "the lock on a node is never taken": (
        "commands.py",
        "run.take_lock = _node_lock(site, run.absent).take",
        "pass",
    ),
    "the lock on the workstation is never taken": (
        "commands.py",
        "lock.take()",
        "pass",
    ),
    "a changed host key is accepted": (
        "ssh/host_keys.py",
        "if pinned:\n                raise self._changed(node, entry, key, pinned)",
        "",
    ),
    "a revoked host key is accepted": (
        "ssh/host_keys.py",
        "if revoked.blob == blob:",
        "if False:",
    ),
    "a server that moved is restarted at its new address": (
        "steps/preflight/member_address.py",
        "if not known or wanted is None or as_ip(known) == wanted:",
        "if True:",
    ),
    "what somebody else wrote into registries.yaml is lost": (
        "steps/k3s/registries.py",
        "theirs = bool(present.access) and not present.ours",
        "theirs = False",
    ),
    "a wrong pinned token is accepted": (
        "steps/k3s/config.py",
        "if token and self.pinned and passphrase(token) != passphrase(self.candidate):",
        "if False:",
    ),
    "a K3s older than its configuration is not restarted": (
        "steps/k3s/service.py",
        'return "" if state.settled else "what it read at start has changed since"',
        'return ""',
    ),
    "reset deletes volumes without --data": (
        "operations/reset.py",
        "    if data:\n        return [DataDeleted(local",
        "    if True:\n        return [DataDeleted(local",
    ),
    "the uninstall script does nothing": (
        "steps/k3s/uninstall.py",
        "(Run(self._removal(routes), timeout=_SECONDS),)",
        '(Run("true", timeout=_SECONDS),)',
    ),
    "the drain before an upgrade does nothing": (
        "steps/k3s/maintenance.py",
        "drain(api, self.node, timeout=self.timeout, progress=place.progress, "
        "staying=self.staying)",
        "pass",
    ),
    "the drain before a removal does nothing": (
        "steps/k3s/removal.py",
        '(DrainNode(self.node, "it leaves the cluster", self.timeout, _STAYING),)',
        "()",
    ),
    "an upgrade ends while what it drained is down": (
        "steps/k3s/back_again.py",
        "if not workloads or not look.changing(UNCORDONED):",
        "if True:",
    ),
    "uncordon does nothing": (
        "steps/k3s/maintenance.py",
        "uncordon(api_of(place.tools), self.node)",
        "pass",
    ),
    "the first server starts without cluster-init": (
        "steps/k3s/config.py",
        'options["cluster-init"] = True',
        "pass",
    ),
    "a server joins without `server:`": (
        "steps/k3s/config.py",
        'options["server"] = api_url(cluster, role.server)',
        "pass",
    ),
    "errors of evictions are swallowed": (
        "kube/drain.py",
        "if refused.status != _TOO_MANY_REQUESTS:\n            raise",
        "",
    ),
    "what was seen before a change is believed after it": (
        "engine/recollection.py",
        "self._trusted = False\n            self._foreseen.clear()\n            self._seen.clear()",
        "pass",
    ),
    "what was seen before the lock was ours is believed": (
        "engine/run.py",
        "self._locked = True\n            self.seen.forget()",
        "self._locked = True",
    ),
    "a file is renamed before its content is on the disk": (
        "engine/script.py",
        "'sync \"$tmp\"',",
        "",
    ),
    "servers and agents are upgraded in any order": (
        "steps/k3s/install.py",
        "and old < wanted",
        "and False",
    ),
    "max_unavailable is ignored by `up`": (
        "phases/k3s.py",
        "return site.cluster.limits.max_unavailable if running else None",
        "return None",
    ),
    "max_unavailable is ignored by restart": (
        "operations/restart.py",
        "width=lambda _: cluster.limits.max_unavailable,",
        "",
    ),
    "the VIP is not set": (
        "phases/k3s.py",
        "*([VipManifest(cluster.k3s.vip)] if node.is_server else []),",
        "",
    ),
    "no snapshot is taken before an upgrade": (
        "steps/k3s/snapshots.py",
        'if state.version not in ("", self.version) and state.in_cluster',
        "if False",
    ),
    "the checksum of a download is not compared": (
        "steps/k3s/artifacts.py",
        "if wanted is not None and found != wanted:\n            raise",
        "if False:\n            raise",
    ),
    "the checksum of an upload is not compared": (
        "engine/script.py",
        'return f"arriving() {{\\n{source}\\n}}\\n{script}"',
        'return f"arriving() {{\\n{source}\\n}}\\nsha256sum() {{ :; }}\\n{script}"',
    ),
    "secrets are not masked": (
        "secret.py",
        "found = [form for form in known if form in text]",
        "return text",
    ),
    "a secret that is written otherwise is not masked": (
        "secret.py",
        "return _unmasked(text, hidden) if hidden else text",
        "return text",
    ),
    "secrets are not masked in the journal": (
        "engine/journal.py",
        "if isinstance(value, str):\n        return redact(value)",
        "if isinstance(value, str):\n        return value",
    ),
    "--limit is ignored by an operation": (
        "site.py",
        "return None if self.only is None else self.only | {CLUSTER}",
        "return None",
    ),
    "an unsafe step is tried again": (
        "engine/apply.py",
        "or not all(task.change.retry_safe for task in rest):",
        "or False:",
    ),
    "a partial failure is reported as success": (
        "engine/run.py",
        "return min(codes, default=0)",
        "return 0",
    ),
    "a failed step is reported as success": (
        "engine/run.py",
        "if code in codes:\n                return code",
        "if code in codes:\n                return 0",
    ),
    "a node is rebooted without the guard": (
        "engine/runner.py",
        "self.stage.guard(self.target)",
        "pass",
    ),
    "a re-flashed machine is taken for the one that was": (
        "steps/k3s/service.py",
        "if not registered or state.password or state.joined or state.in_cluster:",
        "if True:",
    ),
    "two clusters are not noticed": (
        "steps/k3s/membership.py",
        "if split:\n        return split",
        "",
    ),
    "a re-imaged first server starts a second cluster": (
        "steps/k3s/membership.py",
        "if holders:\n        return Joins(_best(holders, states))",
        "",
    ),
}
