"""What no image in the registry uses is removed from its disk, by the registry's own collector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from picluster.engine.pool import Sessions
from picluster.engine.quote import quote
from picluster.engine.step import Blocked, Call, Change, Decision, Progress, Satisfied, Script
from picluster.engine.survey import Look
from picluster.errors import ActionFailed
from picluster.steps.registry import paths
from picluster.steps.registry.container import LABEL, Definition, start_script

COLLECTED = "garbage-collected"

_NOTE = "/run/picluster/registry-collected"
_COMMAND_SECONDS = 30.0
_COLLECT_SECONDS = 3600.0
_EVIDENCE_LINES = 15
_ANSWER_TRIES = 60


@dataclass(frozen=True, slots=True)
class Freed:
    """How many bytes the registry's directory took before and after."""

    before: int
    after: int

    @property
    def size(self) -> int:
        """How many bytes were freed."""
        return max(0, self.before - self.after)


@dataclass(frozen=True, slots=True)
class GarbageCollected:
    """Unused data was removed for this request.

    Nothing may be pushed meanwhile, or what is being pushed would be taken for unused: a read-only
    container stands in for the registry, so that nodes can go on pulling. `report` is told what was
    freed. As with a restart, the node notes the request that was served, where a reboot empties it.
    """

    node: str
    definition: Definition
    request: str
    untagged: bool
    sessions: Sessions
    report: Callable[[Freed], None]
    name: str = COLLECTED
    title: str = "the registry holds nothing that no image uses"

    def probe(self) -> Script:
        """Read which request was served last, and which container there is."""
        return Script(
            f'echo "served=$(cat {_NOTE} 2>/dev/null)"\n'
            f"docker container inspect -f 'definition={{{{index .Config.Labels \"{LABEL}\"}}}}' "
            f"{paths.CONTAINER} 2>/dev/null || true"
        )

    def decide(self, look: Look) -> Decision:
        """Want this request served, by the registry of this cluster file."""
        facts = look.own.facts
        if facts.get("served") == self.request:
            return Satisfied()
        if facts.get("definition") != self.definition.digest:
            return Blocked(
                "the registry is not as the cluster file says"
                if facts.get("definition")
                else "there is no registry yet",
                "bring it up first: `picluster phase registry`",
            )
        return Change(
            "remove what no image uses, with pushes refused meanwhile",
            (Call("collecting garbage", self._collect),),
            reason="asked for",
        )

    def _collect(self, progress: Progress) -> None:
        progress.report("pushes are refused, pulls go on")
        session = self.sessions.get(self.node)
        done = session.run(self._script, timeout=_COLLECT_SECONDS)
        said = done.out.decode("utf-8", "replace").splitlines()
        facts = dict(line.split("=", 1) for line in said if line.startswith(("before=", "after=")))
        if done.status != 0 or len(facts) != len(("before", "after")):
            errors = done.err.decode("utf-8", "replace").strip().splitlines()
            raise ActionFailed(
                "removing unused data from the registry failed",
                where=self.node,
                why=errors[-1] if errors else f"it ended with status {done.status}",
                fix="the registry itself is started again; `picluster phase registry` checks it",
                evidence="\n".join([*said, *errors][-_EVIDENCE_LINES:]),
            )
        self.report(Freed(int(facts["before"]), int(facts["after"])))
        session.run(
            f"mkdir -p /run/picluster && printf %s {quote(self.request)} >{_NOTE}",
            timeout=_COMMAND_SECONDS,
        )

    @property
    def _script(self) -> str:
        wanted, volume = self.definition, quote(self.definition.volume)
        # The registry reads this setting as YAML; as one word `true` it takes it for a mistake.
        read_only = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": '{"enabled": true}'}
        option = "--delete-untagged" if self.untagged else ""
        return f"""set -e
back() {{
{start_script()}
{_answered(wanted)}
}}
trap back EXIT
trap 'exit 1' TERM INT HUP
echo "before=$(du -sb {volume} | cut -f1)"
docker stop -t 30 {paths.CONTAINER} >/dev/null
docker rm -f {paths.COLLECTOR} >/dev/null 2>&1 || true
{wanted.run(paths.COLLECTOR, **read_only)} >/dev/null
{_answered(wanted)}
config=$(docker container inspect -f '{{{{range .Config.Cmd}}}}{{{{println .}}}}{{{{end}}}}' \
{paths.COLLECTOR} | grep -E '[.]ya?ml$' | tail -n 1)
docker exec {paths.COLLECTOR} registry garbage-collect {option} "$config" >&2
echo "after=$(du -sb {volume} | cut -f1)"
"""


def _answered(wanted: Definition) -> str:
    """Return shell that waits until the registry answers, a minute at most.

    It is no wait of this computer's: the registry has to come back even if that goes away.
    """
    return f"""
tries=0
until case $({wanted.code}) in 200|401) true ;; *) false ;; esac; do
  tries=$((tries + 1))
  [ $tries -lt {_ANSWER_TRIES} ] || {{
    echo "the registry does not answer at {wanted.url}" >&2
    docker logs --tail 15 {paths.CONTAINER} >&2; exit 1
  }}
  sleep 1
done
"""
