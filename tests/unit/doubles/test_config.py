"""The stand-in's reading of config.yaml, against a real YAML parser and picluster's own files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.doubles.k3s import config
from tests.doubles.k3s.log import Fatal

from picluster.steps.k3s import config as rendered

OPTIONS: dict[str, rendered.Value] = {
    "cluster-init": True,
    "etcd-expose-metrics": False,
    "etcd-snapshot-retention": 5,
    "etcd-snapshot-schedule-cron": "0 */12 * * *",
    "write-kubeconfig-mode": "0600",
    "server": "https://[fd00::1]:6443",
    "node-name": "pi-1",
    "node-ip": "10.0.0.1",
    "flannel-backend": "host-gw",
    "tls-san": ["pi.local", "10.0.0.1", "fd00::1", "no", "it's", 'a "b"', "# x", "1"],
    "kubelet-arg": ["eviction-hard=memory.available<100Mi", "max-pods=20"],
    "disable": ["traefik"],
    "bind-address": "null",
}


def test_reads_what_picluster_renders() -> None:
    text = rendered.render(OPTIONS)
    assert config.parse_yaml(text) == yaml.safe_load(text) == OPTIONS


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: x # why\nc: 'y: z' # why\n",
        "---\na:\n  - x\n  - 'y'\n# note\nb: [p, \"q, r\", 's']\n",
        "a: yes\nb: Off\nc: 0600\nd: ~\ne: http://x:1/#y\n",
        "a: []\n",
        "",
    ],
)
def test_agrees_with_pyyaml(text: str) -> None:
    assert config.parse_yaml(text) == (yaml.safe_load(text) or {})


@pytest.mark.parametrize("text", ["a:\n  b: c\n", "just words\n", "- a\n"])
def test_refuses_what_it_cannot_read(text: str) -> None:
    with pytest.raises(ValueError, match="yaml: line"):
        config.parse_yaml(text)


def test_drop_ins_and_arguments(tmp_path: Path) -> None:
    main = tmp_path / "config.yaml"
    main.write_text("node-name: a\ndisable: [x]\ntls-san: [p]\n")
    (tmp_path / "config.yaml.d").mkdir()
    (tmp_path / "config.yaml.d/1.yaml").write_text("disable+: [y]\nnode-name: b\n")
    options = config.load("server", ["--tls-san", "q", "--tls-san=r", "--cluster-init"], main)
    assert options.text("node-name") == "b"
    assert options.items("disable") == ["x", "y"]
    assert options.items("tls-san") == ["q", "r"]
    assert options.flag("cluster-init")


@pytest.mark.parametrize(
    ("role", "text"), [("server", "nonsense: 1\n"), ("agent", "cluster-init: true\n")]
)
def test_unknown_options_are_fatal(tmp_path: Path, role: str, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(Fatal, match="flag provided but not defined: -"):
        config.load(role, [], tmp_path / "config.yaml")
