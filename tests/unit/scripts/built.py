"""Every script that the product can build for a cluster file: probes, actions, and what acts ask.

Phases and operations are built as commands build them. Nodes answer at random, with the keys that a
probe asks for and hostile values among ordinary ones, so that every step comes to decide for
everything that it can; what is decided is done, with sessions that only write down.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import functools
import io
import json
import random
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from tests.doubles.api_in_memory import ApiInMemory
from tests.doubles.progress import ProgressDouble
from tests.unit.scripts.values import Tried

import picluster
from picluster.engine.lock import NodeLock
from picluster.engine.phase import Phase, Stage
from picluster.engine.place import Place, Tools
from picluster.engine.pool import Sessions
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.script import (
    compile_actions,
    compile_probes,
    receiving_script,
    write_file_snippet,
)
from picluster.engine.session import Completed, OnOutput, Traffic
from picluster.engine.shell import shell
from picluster.engine.step import (
    Act,
    Change,
    Run,
    Step,
    Upload,
    WriteFile,
)
from picluster.engine.survey import Look
from picluster.errors import PiclusterError, Unreachable
from picluster.operations import membership, registry, reset, restart, snapshot, upgrade
from picluster.paths import Here
from picluster.phases.catalog import PHASES, wanted
from picluster.phases.deploy import inspection, repair
from picluster.phases.preflight import preflight
from picluster.queries.doctor import borrowed_from, checks_of
from picluster.queries.status import _looks as status_looks
from picluster.queries.support import _phases as support
from picluster.secret import Secret
from picluster.site import Site, make_site
from picluster.steps.download import digest_of
from picluster.steps.k3s.bundle import Bundle, Origin
from picluster.steps.spread import Copy, give_script, take_script

EVIL = "x';canary;'\"$(canary)`canary`"
_SOURCE = Path(picluster.__file__).parent
_KEYS = re.compile(r"(?<![\w$])([A-Za-z_][A-Za-z_.]*)=")
_WORDS = re.compile(r"/[\w./-]{3,40}|[a-z]+/[a-z]+|[A-Za-z][A-Za-z-]{2,15}")
_ORDINARY = (
    *("yes", "no", "", "0", "1", "2", "64", "active", "inactive", "enabled", "root", "arm64"),
    *("amd64", "etcd", "sqlite", "none", "k3s", "k3s-agent", "v1.33.4+k3s1", "v1.33.5+k3s1"),
    *("/swapfile", "/dev/sda1", "eth0", "10.0.0.11", "2048000", "a" * 40, "f" * 64),
    base64.b64encode(b"{}").decode(),
    base64.b64encode(f"{EVIL}\n".encode()).decode(),
)
_HOSTILE = (
    EVIL,
    "-canary",
    "$(canary)",
    "`canary`",
    ";canary;",
    "x*",
    "²",
    f"/{EVIL}",
    f"{EVIL} {EVIL}",
)


@dataclass
class Writing:
    """A connector whose sessions write down what they are given, and answer at random."""

    random: random.Random
    scripts: set[str] = field(default_factory=set)
    traffic: Traffic = field(default_factory=Traffic)
    node: str = "pi1"

    def connect(self, node: str) -> Writing:
        return self

    def run(self, script: str, *, timeout: float, on_output: OnOutput | None = None) -> Completed:
        self.scripts.add(script)
        out = answer(script, self.random).encode()
        if on_output is not None:
            on_output("stdout", out)
        return Completed(self.random.choice((0, 0, 1)), out, f"{EVIL}\n".encode())

    def upload(
        self, source: Path, path: str, *, sha256: str, mode: int, owner: str, timeout: float
    ) -> None:
        self.scripts.add(receiving_script("head -c 1 <&4", path, sha256, mode, owner))

    def forward(self, host: str, port: int) -> Any:
        raise Unreachable("nothing is forwarded here")

    def close(self) -> None:
        """There is nothing to close."""


class Reaching(ApiInMemory):
    """The API in memory, as a site has it."""

    saved = Path("/nonexistent/kubeconfig")

    def nodes(self) -> None:
        return None

    def close(self) -> None:
        """There is nothing to close."""


@functools.cache
def _vocabulary(text: str) -> tuple[list[str], list[str]]:
    """Return the keys that a script prints, and its words: some of them are good answers."""
    return sorted(set(_KEYS.findall(text))), sorted(set(_WORDS.findall(text)))


def answer(text: str, chance: random.Random) -> str:
    """Say something to a script: lines of the keys that it prints, of values good and bad."""
    keys, words = _vocabulary(text)
    lines = []
    for key in keys:
        for _ in range(chance.choice((0, 1, 1, 1, 2))):
            pool = chance.choice((_ORDINARY, _ORDINARY, _HOSTILE, words or _ORDINARY))
            lines.append(f"{key}={chance.choice(pool)}")
    if not keys or chance.random() < 0.2:
        lines += chance.choices((*_ORDINARY, *_HOSTILE, "f" * 40 + f"\trefs/{EVIL}"), k=3)
    return "".join(f"{line}\n" for line in lines)


@dataclass
class Builder:
    """Builds everything for one cluster file, and keeps the scripts."""

    tried: Tried
    seed: int = 1
    scripts: set[str] = field(default_factory=set)
    crashes: list[str] = field(default_factory=list)
    """What ended otherwise than by an error of picluster's own."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.sessions = Writing(self.chance, self.scripts)
        self.api = Reaching(*(node.name for node in self.tried.cluster.nodes))

    def site(self, here: Path) -> Site:
        made = make_site(
            self.tried.cluster,
            Sessions(self.sessions),
            file=self.tried.file,
            here=Here(here / "state", here / "cache"),
            user_kubeconfig=here / "kubeconfig",
            token=Secret(f"K10{EVIL}::server:{EVIL}"),
            registry_password=Secret(EVIL),
            mirror_passwords={
                each.host: Secret(EVIL) for each in self.tried.cluster.k3s.registry_access
            },
            by_key=self.sessions.connect,
        )
        # The first of a kind is what is handed out.
        return replace(made, api=self.api, tools=Tools(self.api, *made.tools._tools))

    def build(self, here: Path, worlds: int) -> None:
        """Build all there is, each with so many different answers of the nodes."""
        site = self.site(here)
        for phase in phases_of(site, here):
            for _ in range(worlds):
                self._judge(phase, site)
        for node in site.cluster.nodes:
            for check in checks_of(site.cluster, node):
                probe = check.probe
                if isinstance(probe, ShellProbe):
                    self.scripts.add(compile_probes([probe.text], "m"))
        giver = Copy("pi1", f"/var/{EVIL}", f"/usr/{EVIL}")
        self.scripts |= {give_script(giver, EVIL, EVIL, 1, EVIL), take_script(EVIL, 1, EVIL, 1)}
        with contextlib.suppress(PiclusterError):
            NodeLock(site.sessions, "pi1", f"/run/{EVIL}/lock").take()

    def _judge(self, phase: Phase, site: Site) -> None:
        survey: dict[str, dict[str, object]] = {}
        for target in phase.targets():
            seen = survey.setdefault(target, {})
            for step in phase.steps_for(target):
                self._look(step, seen, site)
        for target in phase.targets():
            planned: frozenset[tuple[str, str]] = frozenset()
            for step in phase.steps_for(target):
                if self.chance.random() < 0.3:
                    planned |= {(target, each.name) for each in phase.steps_for(target)}
                look = Look(target, step.name, survey, planned)
                with self._errors(step):
                    decision = step.decide(look)
                    if isinstance(decision, Change):
                        self._do(decision, target, site)

    def _look(self, step: Step, seen: dict[str, object], site: Site) -> None:
        with self._errors(step):
            probe = step.probe()
            if probe is None or probe.name in seen:
                return
            if isinstance(probe, ShellProbe):
                self.scripts.add(compile_probes([probe.text], "m"))
                status = self.chance.choice((0, 0, 0, 1))
                facts = self._parsed(probe, status)
                if facts is not None:
                    seen[probe.name] = facts
            else:
                seen[probe.name] = probe.ask(site.tools)

    def _parsed(self, probe: ShellProbe[Any], status: int) -> Any:
        for _ in range(30):
            with contextlib.suppress(PiclusterError):
                return probe.parse(Observation(status, answer(probe.text, self.chance)))
        return None

    def _do(self, change: Change, target: str, site: Site) -> None:
        place = Place(target, site.sessions, site.tools, ProgressDouble(stop_after=3))
        texts = [
            each.script if isinstance(each, Run) else write_file_snippet(each)
            for each in change.actions
            if isinstance(each, Run | WriteFile)
        ]
        self.scripts.add(compile_actions(texts, "m"))
        for each in change.actions:
            if isinstance(each, Upload):
                self.scripts.add(
                    receiving_script("head -c 1 <&4", each.path, each.sha256, each.mode, each.owner)
                )
            elif isinstance(each, Act):
                with self._errors(each):
                    each.perform(place)

    @contextlib.contextmanager
    def _errors(self, what: object) -> Iterator[None]:
        """Note what is no error of picluster's own; a look that was not made is none of these."""
        try:
            yield
        except (PiclusterError, LookupError, KeyboardInterrupt):
            pass
        except Exception as error:
            self.crashes.append(f"{what}: {type(error).__name__}: {error}")


def phases_of(site: Site, here: Path) -> Iterator[Phase]:
    """Yield every phase of every command."""
    cluster, nobody = site.cluster, frozenset[str]()
    yield preflight(cluster)
    for name in wanted(list(PHASES), cluster):
        yield PHASES[name](site)
    yield inspection(site)
    yield repair(site)
    last, first = cluster.nodes[-1].name, cluster.servers[0].name
    builds = [
        upgrade.upgrade,
        restart.restart,
        *(reset.reset(data=data) for data in (True, False)),
        *(membership.replace(name) for name in (first, last)),
        *(membership.remove(name, data=data) for name in (first, last) for data in (True, False)),
        *(snapshot.save(label) for label in ("", EVIL)),
        snapshot.pull(EVIL),
        snapshot.restore(a_bundle(here)),
        support,
    ]
    if cluster.registry is not None:
        builds += [registry.collection(untagged=True)]
    for build in builds:
        yield from build(site, nobody)
    for name, steps in (("doctor", borrowed_from), ("status", status_looks)):
        looks = {node.name: steps(cluster, node) for node in cluster.nodes}
        yield Phase(name, "what is looked at", (Stage(name, looks),))


def a_bundle(here: Path) -> Bundle:
    """Return a snapshot whose manifest nobody checked: every text in it is hostile."""
    directory = here / "bundle';canary;'$(canary)"
    directory.mkdir(exist_ok=True)
    for name in ("token", "config.yaml", "k3s-version", EVIL.replace("/", "")):
        (directory / name).write_text(EVIL)
    origin = Origin("home", EVIL, EVIL.replace("/", ""), EVIL, 0.0, "f" * 64)
    return Bundle(directory, EVIL, origin, 1, EVIL)


def furnish(tried: Tried) -> None:
    """Make the files of this computer that a cluster file names, with hostile names and texts."""
    cluster = tried.cluster
    for image in cluster.images.build:
        if image.context is not None and image.context.is_relative_to(tried.file.parent):
            image.context.mkdir(parents=True, exist_ok=True)
            text = 'FROM a$(canary):1\nFROM "b;canary":2\nFROM -canary:3\nCOPY . .\n'
            (image.context / image.dockerfile).write_text(text)
    for node in cluster.nodes:
        key = cluster.ssh_for(node).key
        if key is not None and key.is_relative_to(tried.file.parent):
            key.parent.mkdir(parents=True, exist_ok=True)
            key.with_name(f"{key.name}.pub").write_text(f"ssh-ed25519 {''.join(EVIL.split())} x")
    archive = cluster.images.archive
    if archive is not None and archive.is_relative_to(tried.file.parent):
        archive.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate((f"{EVIL}.tar", "-canary.tar")):
            _archive(archive / name, ["tak/map:1.0", f"{EVIL}:1", f"-canary{number}:1"])
    airgap = cluster.k3s.airgap_dir
    if airgap is not None and airgap.is_relative_to(tried.file.parent):
        airgap.mkdir(parents=True, exist_ok=True)
        (airgap / "install.sh").write_text("#!/bin/sh\n")
        for name in ("k3s", "k3s-arm64"):
            (airgap / name).write_text("")
        images = airgap / "k3s-airgap-images-arm64.tar"
        _archive(images, [f"{EVIL}:2"])
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        for arch, name in (("amd64", "k3s"), ("arm64", "k3s-arm64")):
            sums = f"{empty}  {name}\n{digest_of(images)}  {images.name}\n"
            (airgap / f"sha256sum-{arch}.txt").write_text(sums)


def _archive(path: Path, tags: list[str]) -> None:
    text = json.dumps([{"RepoTags": tags}]).encode()
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))


_MAKERS = {"Run", "ShellProbe", "shell"}


@functools.cache
def places_of_scripts() -> frozenset[str]:
    """Return where in the source a function makes a script: `steps/files.py:12`."""
    found = set()
    for path in _SOURCE.rglob("*.py"):
        short = str(path.relative_to(_SOURCE))
        if not short.startswith("lab/"):
            tree = ast.parse(path.read_text())
            functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
            calls = (node for function in functions for node in ast.walk(function))
            found |= {f"{short}:{node.lineno}" for node in calls if _makes_a_script(node)}
    return frozenset(found)


def _makes_a_script(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in _MAKERS


@contextlib.contextmanager
def noting_places(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Note where scripts are made while the block lasts."""
    seen: set[str] = set()

    def note(frame: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_SOURCE):
            seen.add(f"{path.relative_to(_SOURCE)}:{frame.f_lineno}")

    def wrapped(maker: Any) -> Any:
        def made(*args: Any, **kwargs: Any) -> Any:
            note(sys._getframe(1))
            return maker(*args, **kwargs)

        return made

    with monkeypatch.context() as patch:
        for kind in (Run, ShellProbe):
            patch.setattr(kind, "__init__", wrapped(kind.__init__))
        for name, module in list(sys.modules.items()):
            if name.startswith("picluster.") and getattr(module, "shell", None) is shell:
                patch.setattr(module, "shell", wrapped(shell))
        yield seen
