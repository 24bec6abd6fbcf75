"""Whatever the file holds, it loads or it is refused; and no value can smuggle in a command."""

from __future__ import annotations

import contextlib
import string

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from picluster.errors import ConfigInvalid
from picluster.model import Loaded, fields, load, parse

from_examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

NAMES = sorted({field.name for field in fields()} | {"<<", "longhorn", "a", ""})
WORDS = ["server", "agent", "pi1", "10.0.0.1", "10.0.0.0/8", "env:A", "prompt", "no", "0600", "~"]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(WORDS),
    st.text(max_size=9),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)


def loads_or_is_refused(text: str) -> Loaded | None:
    try:
        loaded = parse(text)
    except ConfigInvalid as error:
        refused = str(error)
    else:
        assert loaded.rows()
        return loaded
    assert refused
    return None


@from_examples
@given(st.text())
@example("\ud800")
@example("a: \x00")
@example("%YAML 9.9\n---\na: b")
@example("%TAG ! !x\n---\na: b")
@example("&a")
@example("*a")
@example("? [")
@example("<<: [1, {a: b}]")
@example("nodes: [&x {<<: *x}]")
@example("\ufeff")
@example("- " * 10_000)
@example("{" * 10_000)
@example("a:\n" + "".join(" " * i + "a:\n" for i in range(400)))
def test_any_text(text):
    loads_or_is_refused(text)


@from_examples
@given(st.text(alphabet=":-[]{}&*!|>'\"%@`#,?<~ \n\tab01", max_size=60))
def test_any_text_made_of_what_yaml_is_made_of(text):
    loads_or_is_refused(text)


@from_examples
@given(values)
def test_any_yaml(value):
    loads_or_is_refused(yaml.safe_dump(value, allow_unicode=True))


@from_examples
@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=5), st.lists(values, max_size=3))
def test_any_values_in_a_cluster(sections, nodes):
    sound = {"name": "pi1", "address": "10.0.0.1", "role": "server"}
    loads_or_is_refused(yaml.safe_dump({"name": "x", **sections, "nodes": [sound, *nodes]}))


@from_examples
@given(st.sampled_from([f for f in fields() if not f.path.startswith("nodes")]), values)
def test_any_value_in_any_field(field, value):
    data: object = value
    for name in reversed(field.path.split(".")):
        data = {name: data}
    sound = {"name": "pi1", "address": "10.0.0.1", "role": "server"}
    assert isinstance(data, dict)
    loads_or_is_refused(yaml.safe_dump({"name": "x", "nodes": [sound], **data}))


@from_examples
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigInvalid):
        load(path)


METACHARACTERS = [
    "$(id)",
    "`id`",
    ";id",
    "|id",
    "&id",
    ">x",
    "<x",
    "\nid",
    "'",
    '"',
    "\\",
    "\x1b[0m",
]
TEXT_FIELDS = [
    "{name: VALUE}",
    "{domain: VALUE}",
    "{ssh: {user: VALUE}}",
    "{ssh: {key: VALUE}}",
    "{ssh: {jump: VALUE}}",
    "{ssh: {password: VALUE}}",
    "{ssh: {sudo_password: 'file:VALUE'}}",
    "{prepare: {packages: [VALUE]}}",
    "{prepare: {timezone: VALUE}}",
    "{prepare: {locale: VALUE}}",
    "{prepare: {swap: VALUE}}",
    "{prepare: {extra_modules: [VALUE]}}",
    "{prepare: {sysctls: {VALUE: 1}}}",
    "{prepare: {sysctls: {vm.x: VALUE}}}",
    "{prepare: {apt_cache_max_age: VALUE}}",
    "{k3s: {version: VALUE}}",
    "{k3s: {token: 'env:VALUE'}}",
    "{k3s: {cluster_cidr: VALUE}}",
    "{k3s: {service_cidr: VALUE}}",
    "{k3s: {cluster_dns: VALUE}}",
    "{k3s: {disable: [VALUE]}}",
    "{k3s: {flannel_backend: VALUE}}",
    "{k3s: {flannel_iface: VALUE}}",
    "{k3s: {tls_san: [VALUE]}}",
    "{k3s: {kubeconfig_mode: VALUE}}",
    "{k3s: {etcd: {snapshot_schedule: VALUE}}}",
    "{k3s: {kubelet_args: {a: VALUE}}}",
    "{k3s: {kubelet_args: {VALUE: a}}}",
    "{k3s: {system_reserved: {cpu: VALUE}}}",
    "{k3s: {kube_reserved: {VALUE: 1}}}",
    "{k3s: {eviction_hard: {memory.available: VALUE}}}",
    "{k3s: {server_options: {a: VALUE}}}",
    "{k3s: {agent_options: {VALUE: a}}}",
    "{k3s: {agent_options: {a: [VALUE]}}}",
    "{k3s: {airgap_dir: VALUE}}",
    "{k3s: {install_url: VALUE}}",
    "{k3s: {release_url: VALUE}}",
    "{registry: {node: VALUE}}",
    "{registry: {node: pi1, image: VALUE}}",
    "{registry: {node: pi1, volume: VALUE}}",
    "{registry: {node: pi1, username: VALUE, password: prompt}}",
    "{registry: {node: pi1, username: me, password: 'file:VALUE'}}",
    "NODE {name: VALUE}",
    "NODE {address: VALUE}",
    "NODE {role: VALUE}",
    "NODE {labels: {a: VALUE}}",
    "NODE {labels: {VALUE: a}}",
    "NODE {taints: [VALUE]}",
    "NODE {k3s: {node_ip: VALUE}}",
    "NODE {k3s: {flannel_iface: VALUE}}",
    "NODE {k3s: {options: {a: VALUE}}}",
    "NODE {ssh: {user: VALUE}}",
]


def with_value(shape: object, value: str) -> object:
    if isinstance(shape, dict):
        return {str(with_value(k, value)): with_value(v, value) for k, v in shape.items()}
    if isinstance(shape, list):
        return [with_value(item, value) for item in shape]
    return shape.replace("VALUE", value) if isinstance(shape, str) else shape


@pytest.mark.parametrize("where", TEXT_FIELDS)
@pytest.mark.parametrize(
    "start", ["", "a", "10.0.0.1", "v1.33.5+k3s1", "https://x/y", "a=b:NoSchedule"]
)
def test_shell_metacharacters_are_refused_or_kept_verbatim(where, start):
    sound = {"name": "pi1", "address": "10.0.0.9", "role": "server"}
    for meta in METACHARACTERS:
        value = start + meta
        shape = with_value(yaml.safe_load(where.removeprefix("NODE ")), value)
        node = sound | shape if where.startswith("NODE") else sound
        rest = {} if where.startswith("NODE") else shape
        loaded = loads_or_is_refused(yaml.safe_dump({"name": "x", **rest, "nodes": [node]}))
        if loaded is not None:
            held = [str(part) for row in loaded.rows() for part in (row.path, row.value)]
            as_path = value.replace("//", "/")
            assert any(text in shown for shown in held for text in (value, as_path, repr(value)))
            assert all(char in string.printable and char.isprintable() for char in value)
