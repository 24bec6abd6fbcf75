"""A field that nothing reads is a promise that nobody keeps: every field is used somewhere.

The search goes through the syntax of all of picluster outside the model. A field counts as
consumed where it is read as an attribute of something that is known, by its name in the code or
by its annotation, to be the section the field belongs to: `cluster.limits.reboot`,
`settings.swap` after `settings = cluster.prepare_for(node)`, `self.node.address` where `node:
Node`. A bare `.port` on anything else proves nothing, and does not count.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import picluster
from picluster.model import Cluster, fields

ROOT = Path(picluster.__file__).parent

# What code calls a section when it says nothing else: `cluster.ssh`, `node.k3s`, ...
USUAL_NAMES = {
    "cluster": {"Cluster"},
    "ssh": {"Ssh", "SshOverride"},
    "bootstrap": {"Bootstrap"},
    "node": {"Node"},
    "prepare": {"Prepare", "PrepareOverride"},
    "k3s": {"K3s", "K3sOverride"},
    "etcd": {"Etcd"},
    "registry": {"Registry"},
    "mirror": {"Mirror"},
    "access": {"RegistryAccess"},
    "images": {"Images"},
    "opentakserver": {"OpenTakServer"},
    "socketio": {"SocketIo"},
    "ui": {"Ui"},
    "longhorn": {"Longhorn"},
    "disk": {"Disk"},
    "rancher": {"Rancher"},
    "ports": {"Ports"},
    "sizes": {"Sizes"},
    "app": {"App"},
    "ots": {"OpenTakServer"},
    "limits": {"Limits"},
}
RESULTS = {
    "ssh_for": {"NodeSsh"},
    "prepare_for": {"Prepare"},
    "k3s_for": {"NodeK3s"},
    "nodes": {"Node"},
    "servers": {"Node"},
    "agents": {"Node"},
}
# What the model itself merges or derives: reading the left consumes the right.
DERIVED = {
    ("Cluster", "fqdn"): {"Cluster.domain"},
    ("Cluster", "registry_endpoints"): {"Registry.node", "Registry.port", "Registry.tls"},
    ("Cluster", "proxy_environment"): {"Proxy.http", "Proxy.https", "Proxy.no_proxy"},
    ("Cluster", "servers"): {"Cluster.nodes", "Node.role"},
    ("Cluster", "agents"): {"Cluster.nodes", "Node.role"},
    ("Cluster", "node"): {"Cluster.nodes", "Node.name"},
    ("Cluster", "replicas"): {"Longhorn.replicas"},
    ("Cluster", "builder"): {"Images.builder", "Images.build"},
    ("BuiltImage", "reference"): {"BuiltImage.name", "BuiltImage.tag"},
    ("Node", "is_server"): {"Node.role"},
    ("NodeK3s", "node_ip"): {"K3sOverride.node_ip"},
    ("NodeK3s", "flannel_iface"): {"K3sOverride.flannel_iface", "K3s.flannel_iface"},
    ("NodeK3s", "options"): {"K3sOverride.options", "K3s.server_options", "K3s.agent_options"},
}
SECTIONS = {field.section.__name__ for field in fields()} | {"NodeSsh", "NodeK3s"}


def last_name(expression: ast.expr) -> str | None:
    """The name that an expression ends in: `a.b.c` -> c, `f(x)` -> f, `xs[0]` -> xs."""
    if isinstance(expression, ast.Name):
        return expression.id
    if isinstance(expression, ast.Attribute):
        return expression.attr
    if isinstance(expression, ast.Call):
        return last_name(expression.func)
    if isinstance(expression, ast.Subscript):
        return last_name(expression.value)
    return None


class Reader(ast.NodeVisitor):
    """Collects what one module reads of the model."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[str]] = defaultdict(set)
        self.consumed: set[str] = set()

    def kinds_of(self, expression: ast.expr) -> set[str]:
        name = last_name(expression)
        if name is None:
            return set()
        return self.kinds.get(name, set()) | USUAL_NAMES.get(name, set()) | RESULTS.get(name, set())

    def learn(self, target: ast.expr, value: ast.expr) -> None:
        name = last_name(target)
        if name is not None:
            self.kinds[name] |= self.kinds_of(value)

    def learn_annotation(self, name: str | None, annotation: ast.expr | None) -> None:
        if name is not None and annotation is not None:
            words = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
            words |= {node.attr for node in ast.walk(annotation) if isinstance(node, ast.Attribute)}
            self.kinds[name] |= words & SECTIONS

    def visit_arg(self, node: ast.arg) -> None:
        self.learn_annotation(node.arg, node.annotation)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.learn_annotation(last_name(node.target), node.annotation)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self.learn_pairwise(target, node.value)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.learn(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self.learn(node.target, node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.learn(node.target, node.iter)
        self.generic_visit(node)

    def learn_pairwise(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its_value in zip(target.elts, value.elts, strict=False):
                self.learn(one, its_value)
        else:
            self.learn(target, value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            for kind in self.kinds_of(node.value):
                self.consumed |= {f"{kind}.{node.attr}"} | DERIVED.get((kind, node.attr), set())
        self.generic_visit(node)


def consumed_by(source: str) -> set[str]:
    tree = ast.parse(source)
    reader = Reader()
    reader.visit(tree)
    reader.visit(tree)  # names may be used above the place that tells what they are
    consumed = reader.consumed
    for merged, parts in (
        ("NodeSsh", ("Ssh", "SshOverride")),
        ("Prepare", ("PrepareOverride",)),
    ):
        names = {item.split(".")[1] for item in consumed if item.startswith(f"{merged}.")}
        consumed |= {f"{part}.{name}" for part in parts for name in names}
    return consumed


def unconsumed(consumed: set[str]) -> list[str]:
    return [
        field.path
        for field in fields()
        if not field.is_section and f"{field.section.__name__}.{field.name}" not in consumed
    ]


def test_every_field_is_consumed_outside_the_model():
    consumed: set[str] = set()
    for path in ROOT.rglob("*.py"):
        if "model" not in path.relative_to(ROOT).parts:
            consumed |= consumed_by(path.read_text())
    left = unconsumed(consumed)
    assert not left, "nothing outside picluster.model reads " + ", ".join(left)


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("f(cluster.limits.reboot)", "Limits.reboot"),
        ("def f(c: Cluster): return c.name", "Cluster.name"),
        ("def f(c: 'model.Cluster | None'): return c.name", None),
        ("def f(c: model.Cluster | None): return c.name", "Cluster.name"),
        ("wanted = cluster.prepare_for(n)\nwanted.swap", "PrepareOverride.swap"),
        ("wanted = cluster.prepare_for(n)\nwanted.swap", "Prepare.swap"),
        ("cluster.ssh_for(node).port", "SshOverride.port"),
        ("[n.labels for n in cluster.servers]", "Node.labels"),
        ("for n in cluster.nodes[1:]: print(n.taints)", "Node.taints"),
        ("class A:\n  def f(self): return self.it.address\n  it: Node", "Node.address"),
        ("cluster.registry_endpoints", "Registry.port"),
        ("a, b = cluster.k3s, cluster.limits\nb.parallel", "Limits.parallel"),
        ("if (e := cluster.k3s.etcd): e.expose_metrics", "Etcd.expose_metrics"),
    ],
)
def test_reading_a_field_of_its_section_counts(source, field):
    assert field is None or field in consumed_by(source)


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("url.port", "Registry.port"),
        ("limits.reboot = 5", "Limits.reboot"),
        ("'cluster.limits.reboot'", "Limits.reboot"),
        ("node.port", "Registry.port"),
        ("cluster.k3s.node", "Registry.node"),
    ],
)
def test_anything_else_does_not_count(source, field):
    assert field not in consumed_by(source)


def test_the_derived_values_exist():
    for owner, name in DERIVED:
        if owner == "Cluster":
            assert hasattr(Cluster, name)
