"""What the user wants: the cluster file as frozen, validated objects, and its loader."""

from picluster.model.cluster import Cluster, NodeK3s
from picluster.model.explain import FieldDoc, fields
from picluster.model.k3s import Etcd, K3s, K3sOverride
from picluster.model.limits import Limits
from picluster.model.load import Loaded, load, parse
from picluster.model.node import Node
from picluster.model.origins import Setting
from picluster.model.prepare import Prepare, PrepareOverride
from picluster.model.problems import ClusterFileInvalid, Problem
from picluster.model.registry import Registry
from picluster.model.schema import json_schema
from picluster.model.secret_ref import SecretRef
from picluster.model.ssh import JumpHost, NodeSsh, Ssh, SshOverride
from picluster.model.vip import Vip

__all__ = [
    "Cluster",
    "ClusterFileInvalid",
    "Etcd",
    "FieldDoc",
    "JumpHost",
    "K3s",
    "K3sOverride",
    "Limits",
    "Loaded",
    "Node",
    "NodeK3s",
    "NodeSsh",
    "Prepare",
    "PrepareOverride",
    "Problem",
    "Registry",
    "SecretRef",
    "Setting",
    "Ssh",
    "SshOverride",
    "Vip",
    "fields",
    "json_schema",
    "load",
    "parse",
]
