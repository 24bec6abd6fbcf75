"""Why the scheduler puts a pod on no node: each reason that it counts, by its own words."""

from __future__ import annotations

from picluster.causes.cause import Cause

SCHEDULING: tuple[Cause, ...] = (
    # A node that is just starting, or lost; https://kubernetes.io/docs/reference/labels-annotations-taints
    Cause(
        r"taint.*(node\.kubernetes\.io/(not-ready|unreachable|network-unavailable)|uninitialized)",
        "a node is not ready",
        "bring it back; `picluster status` says what it lacks",
        passing=True,
    ),
    Cause(
        r"taint.*node\.kubernetes\.io/disk-pressure",
        "a node's disk is nearly full",
        "free some space on it: `df -h` and `du -xhd1 /var` show where; it takes pods again five "
        "minutes later",
    ),
    Cause(
        r"taint.*node\.kubernetes\.io/(memory|pid)-pressure",
        "a node is short of memory or processes",
        "take something off it",
    ),
    Cause(
        r"(were unschedulable|taint.*node\.kubernetes\.io/unschedulable)",
        "a node is cordoned",
        "`kubectl uncordon` it",
    ),
    Cause(
        r"taint(?!.*(not-ready|unreachable|network-unavailable|uninitialized))",
        "a node keeps off all but some pods by a taint",
        "take the taint off (nodes[].taints), or give the pod a toleration",
    ),
    Cause(
        r"Insufficient (memory|cpu)",
        "a node has not enough left of what the pod requests",
        "free memory or CPU on a node, lower what its containers request, or add a node",
    ),
    Cause(
        r"Insufficient ephemeral-storage|not have enough free storage",
        "a node's disk has not enough left of what the pod requests",
        "free some space, or lower what it requests",
    ),
    Cause(
        r"Too many pods",
        "a node has as many pods as it may",
        "add a node, or raise max-pods in k3s.kubelet_args",
    ),
    Cause(
        r"node affinity/selector|requested node name",
        "a node is not one that the pod wants",
        "label a node as the pod wants it (nodes[].labels), or change what it wants",
    ),
    # Before and since Kubernetes 1.34.
    Cause(
        r"volume node affinity conflict|PersistentVolume's node affinity",
        "its volume is on another node",
        "bring back or uncordon the node that has the volume, or make room on it (`kubectl "
        "describe pv` says which); if it is gone for good, `picluster node remove` or `node "
        "replace` gives the volume up by name",
    ),
    Cause(
        r"find available persistent volumes to bind",
        "there is no volume for it",
        "name a StorageClass that makes volumes, or make a PersistentVolume that fits its claim",
    ),
    Cause(
        r"anti-affinity",
        "its pods must be on different nodes, and there are too few",
        "have fewer replicas, or add a node",
    ),
    Cause(
        r"pod affinity rules|topology spread",
        "the pods that it must be near to, or apart from, leave it no node",
        "change the rules in its manifest, or add a node",
    ),
    Cause(
        r"free ports",
        "another pod has its port on every node",
        "stop the other pod, or give one of them another hostPort",
    ),
    Cause(r"exceed max volume count", "a node carries as many volumes as it can", "add a node"),
    Cause(
        r'persistentvolumeclaim "[^"]*" not found',
        "the volume claim that it names is not there",
        "make the claim, or correct its name",
    ),
    Cause(
        r"unbound immediate PersistentVolumeClaims|waiting for.*volume",
        "its volume is not there yet",
        "`kubectl describe pvc` says why",
        passing=True,
    ),
)
