"""Why a pod does not run: its containers, its volumes, and what its own log says."""

from __future__ import annotations

from picluster.causes.cause import Cause

_NO_ISCSI = Cause(
    r"Invalid Initiatorname|initiatorname\.iscsi|failed to execute iscsiadm|"
    r"iscsiadm: (command )?not found|make sure you have iscsiadm",
    "the node lacks open-iscsi, or it has no initiator name",
    "`picluster phase prepare` installs it and makes the name",
)

_WEBHOOK = Cause(
    r"^(?!.*failing open).*failed calling webhook",
    "a webhook that has to agree does not answer",
    "`kubectl get pods -A` shows whether what it belongs to runs",
    passing=True,
)

CONTAINERS: tuple[Cause, ...] = (
    Cause(
        r"exec format error",
        "its image is not for this machine's processor",
        "build it for it (images.build does, on a node), or pin the pod to other nodes",
    ),
    Cause(
        r"(secret|configmap) \S+ not found|couldn't find key|non-existent (secret|config) key",
        "it names a Secret, ConfigMap or key that is not there",
        "make it, or correct the name",
    ),
    Cause(
        r"apparmor_parser\"?: executable file not found",
        "the node has AppArmor in its kernel and not its tools",
        "`apt-get install apparmor` on the node, or add it to prepare.packages and `picluster "
        "phase prepare`",
    ),
    Cause(
        r'exec: "[^"]*": (stat .*: no such file or directory|executable file not found)',
        "its image does not have the program that it is to run",
        "correct `command` in its manifest, or the image",
    ),
    Cause(
        r"container has runAsNonRoot and image",
        "it must not run as root, and its image does",
        "set securityContext.runAsUser, or use an image with a user of its own",
    ),
    Cause(
        r"failed to reserve container name",
        "the node is still busy with an earlier start of it",
        "a disk that is too slow does that; wait",
        passing=True,
    ),
)

VOLUMES: tuple[Cause, ...] = (
    Cause(
        r"already mounted or mount point busy",
        "another program on the node holds the volume's device; multipathd does",
        "`picluster phase prepare` keeps multipathd off Longhorn's devices; then restart the pod",
    ),
    Cause(
        r"hostPath type check failed",
        "the node does not have the directory that the pod wants",
        "make it on the node, or correct the manifest",
    ),
    Cause(
        r"storageclass\S* \"?\S+ not found|no storage class is set|no persistent volumes available",
        "there is no such storage class",
        "name a StorageClass that the cluster has; `picluster phase longhorn` makes Longhorn's",
    ),
    Cause(
        r"create process timeout after",
        "the provisioner's helper pod did not end on the node",
        "its image (rancher/mirrored-library-busybox) has to be there: `kubectl get events -n "
        "kube-system` says; without the internet it comes with K3s's own images in k3s.airgap_dir",
    ),
    Cause(
        r"insufficient storage|precheck new replica failed|No available disk candidates|"
        r"does not have enough storage available",
        "no disk has room for a replica of it, by Longhorn's count",
        "free some space or add a disk (nodes[].data_disks); or ask for a smaller volume",
    ),
    Cause(
        r"nodes are unavailable|hard affinity cannot be satisfied|tags not fulfilled",
        "Longhorn finds too few nodes for its replicas",
        "set longhorn.replicas to no more than there are nodes with disks, or bring the missing "
        "ones back",
    ),
    _NO_ISCSI,
    Cause(
        r"bad option; for several filesystems \(e\.g\. nfs, cifs\)|"
        r"mount\.nfs: (command )?not found",
        "the node lacks the programs for NFS",
        "`picluster phase prepare` installs nfs-common",
    ),
    Cause(
        r"wrong fs type, bad option, bad superblock|can't read superblock",
        "the file system on the volume is damaged, as by a power cut",
        "stop what uses it, and check it: attach it in Longhorn's page and run `fsck` on "
        "/dev/longhorn/VOLUME, or go back to a backup",
    ),
    Cause(
        r"Multi-Attach error",
        "the volume is still attached to another node, where the old pod was",
        "it is let go when that pod has ended; if that node is gone for good: `picluster node "
        "remove` it",
        passing=True,
    ),
    Cause(
        r"is not ready for workloads",
        "Longhorn has not got the volume ready yet",
        "look at the volume in Longhorn's page: too little space is the usual cause",
        passing=True,
    ),
    Cause(
        r"not found in the list of registered CSI drivers",
        "the storage system does not run on that node yet",
        "`kubectl get pods -n longhorn-system -o wide` shows what keeps it from it",
        passing=True,
    ),
)

SANDBOXES: tuple[Cause, ...] = (
    Cause(
        r'"?cni0"? already has an IP address different from',
        "the node has a bridge of a cluster that was before",
        "`ip link delete cni0` on the node; it is made anew",
    ),
    Cause(
        r"no IP addresses available in range set",
        "the node's addresses for pods are used up, by what ended pods left behind",
        "reboot the node (`picluster restart` is not enough)",
    ),
    Cause(
        r"flannel/subnet\.env: no such file",
        "the network between pods does not run on the node yet",
        "`picluster doctor` says what keeps K3s from it",
        passing=True,
    ),
)

LOGS: tuple[Cause, ...] = (
    _NO_ISCSI,
    _WEBHOOK,
    Cause(
        r"is not valid interface, reason",
        "kube-vip is to use a network interface that this server does not have",
        "correct k3s.vip.interface; where servers differ, leave it out: it takes the default "
        "route's",
    ),
    Cause(
        r"unable to detect default interface",
        "kube-vip finds no default route, and so no interface",
        "set k3s.vip.interface, or give the servers a default route",
    ),
    Cause(
        r'leases\.coordination\.k8s\.io "plndr-\S+" is forbidden',
        "kube-vip may not use the lease by which one server is chosen",
        "`picluster phase k3s` lays its rights down anew",
    ),
)

ADMISSION: tuple[Cause, ...] = (
    Cause(
        r"exceeded quota",
        "its namespace has used up what its quota allows",
        "raise the ResourceQuota, or lower what the pod requests",
    ),
    Cause(
        r"error looking up service account",
        "its ServiceAccount is not there",
        "make it, or correct serviceAccountName",
    ),
    Cause(
        r"violates PodSecurity",
        "its namespace forbids what the pod wants",
        "correct its securityContext, or the namespace's pod-security.kubernetes.io labels",
    ),
    _WEBHOOK,
)

SETTING_UP = (*CONTAINERS, *VOLUMES, *SANDBOXES)
ENDING = (*CONTAINERS, *LOGS)
PODS = (*CONTAINERS, *VOLUMES, *SANDBOXES, *ADMISSION, *LOGS)
