"""What programs really say when they fail: each line with where it is from.

`k3s-io/k3s#N` and the like are issues that quote the line from a machine; other sources are files
of the program's own repository, at the version named first, from which the line is put together as
the program does it. Names and addresses are changed.
"""

from __future__ import annotations

from typing import NamedTuple

from picluster.causes.cause import Cause
from picluster.causes.etcd import DATABASE
from picluster.causes.images import IMAGES
from picluster.causes.k3s import JOINING, SETTINGS
from picluster.causes.machine import MACHINE
from picluster.causes.packages import PACKAGES
from picluster.causes.pods import PODS
from picluster.causes.scheduling import SCHEDULING
from picluster.causes.sudo import SUDO

JOURNAL = (*JOINING, *SETTINGS, *DATABASE, *MACHINE)


class Quote(NamedTuple):
    """A line, where it is from, among which causes it is looked up, and a word of the right one."""

    source: str
    line: str
    means: str
    among: tuple[Cause, ...]


def _fatal(message: str) -> str:
    """As logrus writes it (sirupsen/logrus text_formatter.go)."""
    return f'time="2026-11-28T08:00:00Z" level=fatal msg="{message}"'


def _shutdown(message: str) -> str:
    """As K3s tells why it ends since 1.33 (k3s pkg/signals/signals.go)."""
    told = f'Shutdown request received: \\"{message}\\"'
    return f'time="2026-11-28T08:00:00Z" level=error msg="{told}"'


def _waiting(message: str) -> str:
    """As an agent tells why it asks again (k3s pkg/agent/config/config.go)."""
    told = f"Waiting to retrieve agent configuration; server is not ready: {message}"
    return f'time="2026-11-28T08:00:00Z" level=info msg="{told}"'


def _pull(message: str) -> str:
    """As a pod's status has it (kubernetes pkg/kubelet/images, containerd client/pull.go)."""
    return (
        'failed to pull and unpack image "docker.io/library/postgres:16": failed to resolve '
        f'reference "docker.io/library/postgres:16": {message}'
    )


_K3S = [
    (
        "k3s pkg/cgroups/cgroups_linux.go",
        _fatal(
            'failed to find memory cgroup, you may need to add \\"cgroup_memory=1 '
            'cgroup_enable=memory\\" to your linux cmdline (/boot/cmdline.txt on a Raspberry Pi)'
        ),
        "without the memory cgroup",
    ),
    (
        "k3s pkg/cgroups/cgroups_linux.go",
        _fatal("Error: failed to find memory cgroup (v2)"),
        "without the memory cgroup",
    ),
    (
        "k3s pkg/cgroups/cgroups_linux.go",
        _fatal("Error: failed to find cpuset cgroup (v2)"),
        "a cgroup that K3s needs",
    ),
    (
        "k3s pkg/agent/config/config.go",
        _waiting(
            "Node password rejected, duplicate hostname or contents of "
            "'/etc/rancher/node/password' may not match server node-passwd entry, try enabling "
            "a unique node name with the --with-node-id flag"
        ),
        "another machine by this node's name",
    ),
    (
        "k3s pkg/clientaccess/token.go",
        'level=error msg="Failed to validate connection to cluster at https://10.0.0.11:6443: '
        'token CA hash does not match the Cluster CA certificate hash: 3ab9 != 77c1"',
        "join token is not the cluster's",
    ),
    (
        "k3s pkg/clientaccess/token.go",
        _fatal("starting kubernetes: preparing server: invalid token CA hash length"),
        "join token is not the cluster's",
    ),
    (
        "k3s pkg/clientaccess/token.go",
        _waiting(
            "failed to retrieve configuration from server: "
            "https://127.0.0.1:6444/v1-k3s/config: 401 Unauthorized"
        ),
        "join token is not the cluster's",
    ),
    (
        "k3s-io/k3s#4640",
        _fatal(
            "starting kubernetes: preparing server: bootstrap data already found and encrypted "
            "with different token"
        ),
        "join token is not the cluster's",
    ),
    (
        "k3s pkg/cluster/cluster.go",
        _shutdown(
            "failed to save bootstrap data: bootstrap data already found and encrypted with "
            "different token"
        ),
        "join token is not the cluster's",
    ),
    (
        "k3s pkg/cluster/bootstrap.go (v1.33), as a Raspberry Pi's journal has it",
        _fatal(
            "Error: preparing server: failed to bootstrap cluster data: failed to reconcile with "
            "local datastore: no bootstrap data found in datastore - check server token value "
            "and verify datastore integrity"
        ),
        "first start of this server was cut off",
    ),
    (
        "k3s pkg/cluster/bootstrap.go",
        _fatal(
            "/var/lib/rancher/k3s/server/cred/passwd newer than datastore and could cause a "
            "cluster outage. Remove the file(s) from disk and restart to be recreated from "
            "datastore."
        ),
        "keys of K3s that are newer",
    ),
    (
        "k3s pkg/cluster/bootstrap.go",
        _fatal(
            "starting kubernetes: preparing server: failed to validate server configuration: "
            "critical configuration value mismatch"
        ),
        "setting that all servers must share",
    ),
    (
        "k3s pkg/etcd/etcd.go",
        _fatal(
            "ETCD join failed: duplicate node name found, please use a unique name for this node"
        ),
        "still a member of the cluster's etcd",
    ),
    (
        "etcd api/v3rpc/rpctypes/error.go, k3s pkg/etcd/etcd.go",
        _fatal("ETCD join failed: etcdserver: too many learner members in cluster"),
        "takes one at a time",
    ),
    (
        "go crypto/x509/verify.go, k3s pkg/clientaccess/token.go",
        'level=error msg="Failed to validate connection to cluster at https://10.0.0.10:6443: '
        'failed to get CA certs: Get \\"https://127.0.0.1:6444/cacerts\\": tls: failed to verify '
        "certificate: x509: certificate is valid for 10.43.0.1, 127.0.0.1, 10.0.0.11, not "
        '10.0.0.10"',
        "does not have the name or address",
    ),
    (
        "go crypto/x509/verify.go, k3s pkg/clientaccess/token.go",
        'level=error msg="Failed to validate connection to cluster at https://10.0.0.11:6443: '
        "CA cert validation failed: tls: failed to verify certificate: x509: certificate has "
        "expired or is not yet valid: current time 2026-11-28T08:00:00Z is after "
        '2026-11-03T09:00:00Z"',
        "a certificate has run out",
    ),
    (
        "go crypto/x509/verify.go, k3s pkg/clientaccess/token.go",
        'level=error msg="Failed to validate connection to cluster at https://10.0.0.11:6443: '
        "CA cert validation failed: tls: failed to verify certificate: x509: certificate has "
        "expired or is not yet valid: current time 1970-01-01T00:03:12Z is before "
        '2026-11-03T09:00:00Z"',
        "clocks of the nodes differ",
    ),
    (
        "go crypto/x509/verify.go, k3s pkg/clientaccess/token.go",
        _waiting(
            'Get \\"https://127.0.0.1:6444/v1-k3s/config\\": tls: failed to verify certificate: '
            "x509: certificate signed by unknown authority"
        ),
        "another cluster than the one",
    ),
    (
        "k3s-io/k3s pkg/agent/run.go",
        'level=error msg="Failed to validate connection to cluster at https://10.0.0.11:6443: '
        'failed to get CA certs: Get \\"https://127.0.0.1:6444/cacerts\\": EOF"',
        "cannot reach the server that it joins",
    ),
    (
        "k3s-io/k3s pkg/agent/tunnel/tunnel.go",
        'level=error msg="Failed to connect to proxy" error="dial tcp 10.0.0.11:6443: connect: '
        'no route to host"',
        "cannot reach the server that it joins",
    ),
    (
        "urfave/cli v1.22 (Go's flag package), k3s pkg/cli/cmds",
        "Incorrect Usage: flag provided but not defined: -no-such-option",
        "does not know an option",
    ),
    (
        "kubernetes v1.35.0 cmd/kubelet/app/server.go, k3s pkg/daemons/executor/embed.go",
        _fatal("kubelet exited: failed to parse kubelet flag: unknown flag: --max-podz"),
        "an argument that it is given",
    ),
    (
        "k3s pkg/configfilearg/parser.go, go-yaml",
        _fatal("yaml: line 3: mapping values are not allowed in this context"),
        "settings that K3s reads is not YAML",
    ),
    (
        "rancher/wharfie v0.7.0 pkg/registries/registries.go, go-yaml",
        _waiting(
            "yaml: unmarshal errors: line 2: cannot unmarshal !!seq into "
            "map[string]registries.Mirror into registries.Registry"
        ),
        "registries.yaml is not what K3s understands",
    ),
    (
        "k3s pkg/agent/run.go",
        _fatal(
            "cluster-cidr: [10.42.0.0/16] and node-ip: [fd00::11], must share the same IP "
            "version (IPv4, IPv6 or dual-stack)"
        ),
        "not of the same kind",
    ),
    (
        "k3s pkg/agent/config/config.go",
        _waiting("unable to find interface eth9: route ip+net: no such network interface"),
        "interface that flannel is to use",
    ),
    (
        "k3s pkg/agent/run.go",
        _fatal("Error: embedded registry mirror requires embedded containerd"),
        "K3s's own containerd only",
    ),
    (
        "k3s pkg/cluster/managed.go",
        _fatal(
            "starting kubernetes: preparing server: start managed database: cluster-reset was "
            "successfully performed, please remove the cluster-reset flag and start k3s normally"
        ),
        "middle of a restore",
    ),
    (
        "k3s pkg/etcd/etcd.go",
        'level=info msg="Failed to test data store connection: this server is a not a member of '
        "the etcd cluster. Found [pi1-b19343fd=https://10.0.0.21:2380], expect: "
        'pi1-b19343fd=10.0.0.11"',
        "by another address or name",
    ),
    (
        "etcd server v3.6.7 etcdserver/server.go, k3s pkg/daemons/executor/etcd.go",
        _fatal("etcd exited: the member has been permanently removed from the cluster"),
        "taken out of the cluster",
    ),
    (
        "etcd server v3.6.7 etcdserver/api/rafthttp/http.go",
        '{"level":"warn","caller":"rafthttp/http.go:501","msg":"request cluster ID mismatch",'
        '"local-member-cluster-id":"5a1e","remote-peer-cluster-id":"77c1"}',
        "data of different clusters",
    ),
    (
        "etcd api v3.6.7 v3rpc/rpctypes/error.go",
        _fatal("starting kubernetes: etcdserver: mvcc: database space exceeded"),
        "has reached its size limit",
    ),
    (
        "etcd server v3.6.7 storage/wal/walpb/record.go, k3s pkg/cluster/bootstrap.go",
        _fatal("Failed to reconcile with temporary etcd: walpb: crc mismatch"),
        "etcd's data on this server is damaged",
    ),
    (
        "etcd server v3.6.7 etcdserver/bootstrap.go, api/snap/db.go",
        '{"level":"panic","caller":"etcdserver/bootstrap.go:420","msg":"failed to recover v3 '
        'backend from snapshot","error":"failed to find database snapshot file (snap: snapshot '
        "file doesn't exist)\"}",
        "etcd's data on this server is damaged",
    ),
    (
        "etcd server v3.6.7 etcdserver/raft.go",
        "panic: tocommit(107) is out of range [lastIndex(84)]. Was the raft log corrupted, "
        "truncated, or lost?",
        "etcd's data on this server is damaged",
    ),
    (
        "go.etcd.io/bbolt v1.4.3 db.go",
        "panic: freepages: failed to get all reachable pages (page 1045: multiple references)",
        "etcd's data on this server is damaged",
    ),
    (
        "SQLite result code 11, k3s pkg/cluster/cluster.go",
        _fatal(
            "starting kubernetes: preparing server: creating storage endpoint: building kine: "
            "database disk image is malformed"
        ),
        "K3s's database on this server is damaged",
    ),
    (
        "k3s-io/k3s#11269",
        'level=error msg="Compact failed: failed to compact to revision 2002: database is locked"',
        "too slow for K3s's database",
    ),
    (
        "etcd server v3.6.7 etcdserver/api/rafthttp/stream.go",
        '{"level":"warn","msg":"lost TCP streaming connection with remote peer","error":"dial tcp '
        '10.0.0.12:2380: connect: connection refused"}',
        "too few servers",
    ),
    (
        "etcd server v3.6.7 etcdserver/errors/errors.go",
        'level=error msg="Failed to get etcd status: etcdserver: unhealthy cluster"',
        "too few servers",
    ),
    (
        "k3s-io/k3s#5042",
        _fatal("leaderelection lost for k3s"),
        "too slow for etcd",
    ),
    (
        "etcd server v3.6.7 storage/wal/wal.go",
        '{"level":"warn","caller":"wal/wal.go:841","msg":"slow fdatasync","took":"3.1s",'
        '"expected-duration":"1s"}',
        "too slow for etcd",
    ),
    (
        "k3s cmd/k3s/main.go",
        _fatal(
            "extracting data: write /var/lib/rancher/k3s/data/4373-tmp/bin/k3s: no space left "
            "on device"
        ),
        "the disk is full",
    ),
    (
        "k3s cmd/k3s/main.go",
        _fatal("extracting data: mkdir /var/lib/rancher/k3s/data/4373-tmp: read-only file system"),
        "the disk became read-only",
    ),
    (
        "kubernetes v1.35.0 pkg/kubelet/apis/config/validation/validation_linux.go",
        _shutdown(
            "kubelet exited: kubelet is configured to not run on a host using cgroup v1. cgroup "
            "v1 support is unsupported and will be removed in a future release"
        ),
        "cgroup v1, which Kubernetes takes no more",
    ),
    (
        "google/cadvisor manager, kubernetes v1.35.0 pkg/kubelet/kubelet.go",
        'E1128 08:00:00.000000 901 kubelet.go:1728] "Failed to start cAdvisor" err="inotify_init: '
        'too many open files"',
        "limit of file watchers",
    ),
    (
        "inotify_add_watch(2): ENOSPC is the limit of watches, and no full disk",
        'E1128 08:00:00.000000 901 manager.go:294] "Failed to watch" err="inotify_add_watch '
        '/sys/fs/cgroup/kubepods: no space left on device"',
        "limit of file watchers",
    ),
    (
        "rancher/rancher issues, kubernetes cmd/kube-proxy/app/server.go",
        "F1128 08:00:00.000000 27 server.go:495] open /proc/sys/net/netfilter/nf_conntrack_max: "
        "permission denied",
        "table of connections",
    ),
    (
        "k3s-io/k3s#5355",
        _fatal("flannel exited: operation not supported"),
        "no vxlan module",
    ),
    (
        "flannel v0.27.4 pkg/backend/vxlan/vxlan.go",
        _shutdown(
            "flannel exited: failed to register flannel network: failed to create vxlan device: "
            "operation not supported"
        ),
        "no vxlan module",
    ),
    (
        "seen with K3s v1.36.3 on a kernel without it; flannel pkg/backend/wireguard/device.go",
        _shutdown(
            "flannel exited: failed to register flannel network: could not create wireguard "
            "interface: operation not supported"
        ),
        "no wireguard module",
    ),
    (
        "k3s pkg/agent/config/config.go",
        _waiting(
            '\\"overlayfs\\" snapshotter cannot be enabled for '
            '\\"/var/lib/rancher/k3s/agent/containerd\\", try using \\"fuse-overlayfs\\" or '
            '\\"native\\": failed to mount overlay: invalid argument'
        ),
        "cannot carry overlays",
    ),
    (
        "k3s pkg/agent/syssetup/setup.go",
        'level=error msg="Failed to set sysctl: open '
        '/proc/sys/net/bridge/bridge-nf-call-iptables: no such file or directory"',
        "br_netfilter is not loaded",
    ),
    (
        "systemd src/core/service.c",
        "k3s.service: Failed with result 'oom-kill'.",
        "too little memory",
    ),
    (
        "k3s-io/k3s: Go's net package",
        _fatal("listen tcp :6443: bind: address already in use"),
        "taken by another program",
    ),
    (
        "NVIDIA/OpenShell#125, apimachinery v0.35.0 pkg/util/net/interface.go",
        _fatal('no default routes found in \\"/proc/net/route\\" or \\"/proc/net/ipv6_route\\"'),
        "no default route",
    ),
    (
        "flannel v0.27.4 pkg/ip/iface.go, pkg/ipmatch/match.go",
        _shutdown("flannel exited: failed to get default interface: Unable to find default route"),
        "no default route",
    ),
    (
        "kubernetes v1.35.0 pkg/kubelet/kubelet_node_status.go",
        'E1128 08:00:00.000000 901 kubelet_node_status.go:494] "Failed to set some node status '
        'fields" err="failed to validate nodeIP: node IP: \\"10.0.0.11\\" not found in the '
        "host's network interfaces\"",
        "does not have the address",
    ),
    (
        "k3s-io/k3s#2599",
        _fatal(
            "flannel exited: failed to configure interface flannel.1: failed to ensure address "
            "of interface flannel.1: link has incompatible addresses. Remove additional "
            "addresses and try again"
        ),
        "left over from other settings",
    ),
    (
        "flannel v0.27.4 pkg/trafficmngr/iptables/iptables.go, Go's os/exec",
        _shutdown(
            "flannel exited: failed to setup IPTables. iptables binary was not found: exec: "
            '\\\\\\"iptables\\\\\\": executable file not found in $PATH'
        ),
        "iptables is not installed",
    ),
    (
        "k3s pkg/agent/containerd/containerd.go",
        "containerd: exit status 1",
        "containerd, which runs the containers, ended",
    ),
]

_IMAGES = [
    (
        "a Kubernetes event, containerd core/remotes/docker",
        'Failed to pull image "docker.io/bitnami/etcd:3.6": rpc error: code = NotFound desc = '
        + _pull("docker.io/library/postgres:16: not found"),
        "does not have it",
    ),
    (
        "the Docker Registry's error codes (distribution/distribution registry/api/errcode)",
        _pull("unexpected status from HEAD request to https://pi1:5000/v2/a: manifest unknown"),
        "does not have it",
    ),
    (
        "containerd v2.1.5 core/remotes/docker/resolver.go",
        _pull(
            "pull access denied, repository does not exist or may require authorization: server "
            "message: insufficient_scope: authorization failed"
        ),
        "no such image that anybody may pull",
    ),
    (
        "containerd v2.1.5 core/remotes/errors/errors.go",
        _pull(
            "failed to authorize: failed to fetch oauth token: unexpected status from GET "
            "request to https://pi1:5000/token: 401 Unauthorized"
        ),
        "wants a login",
    ),
    (
        "Docker Hub's answer above its limit (docs.docker.com/docker-hub/usage)",
        _pull("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit"),
        "limits how much",
    ),
    (
        "k3s nodes without internet: musl-built containerd's resolver",
        _pull(
            'failed to do request: Head "https://registry-1.docker.io/v2/library/postgres/'
            'manifests/16": dial tcp: lookup registry-1.docker.io: Try again'
        ),
        "no DNS, or no internet",
    ),
    (
        "Go's net package",
        _pull(
            'failed to do request: Head "https://registry-1.docker.io/v2/library/postgres/'
            'manifests/16": dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: read udp '
            "10.0.0.12:41234->10.0.0.1:53: i/o timeout"
        ),
        "no DNS, or no internet",
    ),
    (
        "an event of a node without internet, Go's net package",
        _pull(
            'failed to do request: Head "https://registry-1.docker.io/v2/library/postgres/'
            'manifests/16": dial tcp 54.83.42.45:443: i/o timeout'
        ),
        "cannot reach the registry",
    ),
    (
        "Go's net package",
        _pull(
            'failed to do request: Head "http://pi1:5000/v2/a/manifests/1": dial tcp '
            "10.0.0.11:5000: connect: connection refused"
        ),
        "cannot reach the registry",
    ),
    (
        "Go's net/http package",
        _pull(
            'failed to do request: Head "https://pi1:5000/v2/a/manifests/1": http: server gave '
            "HTTP response to HTTPS client"
        ),
        "speaks HTTPS",
    ),
    (
        "Go's crypto/x509 package",
        _pull(
            'failed to do request: Head "https://pi1:5000/v2/a/manifests/1": tls: failed to '
            "verify certificate: x509: certificate signed by unknown authority"
        ),
        "does not trust the registry's",
    ),
    (
        "Go's crypto/x509 package",
        _pull(
            'failed to do request: Head "https://pi1:5000/v2/a/manifests/1": tls: failed to '
            "verify certificate: x509: certificate has expired or is not yet valid: current time "
            "1970-01-01T00:05:00Z is before 2026-11-03T09:00:00Z"
        ),
        "expired or not yet valid",
    ),
    (
        "containerd v2.1.5 core/images/image.go",
        "no match for platform in manifest sha256:9a0c: not found",
        "not for this machine's processor",
    ),
    (
        "kubernetes v1.35.0 pkg/kubelet/images/image_manager.go",
        'Container image "web:1" is not present with pull policy of Never',
        "forbids pulling it",
    ),
    (
        "kubernetes v1.35.0 pkg/kubelet/images/image_manager.go",
        'Failed to apply default image tag "Web:1": couldn\'t parse image name "Web:1": invalid '
        "reference format: repository name must be lowercase",
        "no image's name",
    ),
    (
        "kubernetes v1.35.0 pkg/kubelet/images/image_manager.go",
        "image pull failed for web:1 because the signature validation failed: rejected by policy",
        "its signature",
    ),
    (
        "containerd, a full card",
        "failed to extract layer sha256:77: write /var/lib/rancher/k3s/agent/containerd/io"
        ".containerd.snapshotter.v1.overlayfs/snapshots/9/fs/a: no space left on device",
        "disk is full",
    ),
    (
        "k3s-io/k3s#2961",
        _pull(
            'failed to do request: Head "https://registry-1.docker.io/v2/a/manifests/1": read '
            "tcp 10.0.0.12:43958->35.174.73.84:443: read: connection reset by peer"
        ),
        "does not hold",
    ),
]

_PODS = [
    (
        "a container's log, exec(2): ENOEXEC",
        "exec /usr/local/bin/docker-entrypoint.sh: exec format error",
        "not for this machine's processor",
    ),
    (
        "kubernetes v1.35.0 pkg/kubelet/kubelet_pods.go",
        'secret "database" not found',
        "not there",
    ),
    (
        "kubernetes v1.35.0 pkg/kubelet/kubelet_pods.go",
        "couldn't find key password in Secret default/database",
        "not there",
    ),
    (
        "kubernetes v1.35.0 pkg/volume/util/operationexecutor/operation_generator.go",
        'MountVolume.SetUp failed for volume "settings" : configmap "settings" not found',
        "not there",
    ),
    (
        "rancher/k3os#702",
        "failed to create containerd container: get apparmor_parser version: exec: "
        '"apparmor_parser": executable file not found in $PATH',
        "AppArmor",
    ),
    (
        "runc v1.3.0, Go's os/exec",
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        'runc create failed: unable to start container process: exec: "/srv/run": stat /srv/run: '
        "no such file or directory: unknown",
        "does not have the program",
    ),
    (
        "kubernetes v1.35.0 pkg/kubelet/kuberuntime/security_context_others.go",
        'container has runAsNonRoot and image will run as root (pod: "web", container: web)',
        "must not run as root",
    ),
    (
        "containerd v2.1.5 internal/cri/server/container_create.go",
        'failed to reserve container name "web_web-0_default_1": name is reserved for "9a0c"',
        "busy with an earlier start",
    ),
    (
        "longhorn/longhorn#1819",
        'MountVolume.MountDevice failed for volume "pvc-8ff" : rpc error: code = Internal desc = '
        "mount failed: exit status 32 Output: mount: /dev/longhorn/pvc-8ff already mounted or "
        "mount point busy.",
        "multipathd",
    ),
    (
        "kubernetes v1.35.0 pkg/volume/hostpath/host_path.go",
        'MountVolume.SetUp failed for volume "data" : hostPath type check failed: /srv/data is '
        "not a directory",
        "does not have the directory",
    ),
    (
        "kubernetes v1.35.0 pkg/controller/volume/persistentvolume/pv_controller.go",
        'storageclass.storage.k8s.io "longhorn" not found',
        "no such storage class",
    ),
    (
        "kubernetes v1.35.0 pkg/controller/volume/persistentvolume/pv_controller.go",
        "no persistent volumes available for this claim and no storage class is set",
        "no such storage class",
    ),
    (
        "rancher/local-path-provisioner v0.0.30 provisioner.go",
        'failed to provision volume with StorageClass "local-path": failed to create volume '
        "pvc-1: create process timeout after 120 seconds",
        "helper pod did not end",
    ),
    (
        "longhorn/longhorn#11460",
        "precheck new replica failed: insufficient storage",
        "no disk has room",
    ),
    (
        "longhorn/longhorn#9441",
        'level=warning msg="Unable to create new replica web-r-1" error="No available disk '
        'candidates to create a new replica of size 2147483648"',
        "no disk has room",
    ),
    (
        "longhorn/website#1175 (the reasons that Longhorn gives)",
        "nodes are unavailable; hard affinity cannot be satisfied",
        "too few nodes",
    ),
    (
        "aws-samples/rancher-on-aws-workshop#23",
        'level=fatal msg="Error starting manager: environment check failed: failed to execute: '
        "nsenter [--mount=/host/proc/1/ns/mnt --net=/host/proc/1/ns/net iscsiadm --version], "
        'output , stderr nsenter: failed to execute iscsiadm: No such file or directory"',
        "lacks open-iscsi",
    ),
    (
        "longhorn/longhorn#59",
        "iscsiadm: Cannot perform discovery. Invalid Initiatorname.",
        "lacks open-iscsi",
    ),
    (
        "util-linux libmount/src/context_mount.c",
        'MountVolume.SetUp failed for volume "share" : mount failed: exit status 32 Output: '
        "mount: bad option; for several filesystems (e.g. nfs, cifs) you might need a "
        "/sbin/mount.<type> helper program.",
        "lacks the programs for NFS",
    ),
    (
        "util-linux libmount/src/context_mount.c",
        "mount: /var/lib/kubelet/plugins/a: wrong fs type, bad option, bad superblock on "
        "/dev/longhorn/pvc-1, missing codepage or helper program, or other error.",
        "file system on the volume is damaged",
    ),
    (
        "kubernetes v1.35.0 pkg/controller/volume/attachdetach/reconciler/reconciler.go",
        'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node '
        "and can't be attached to another",
        "still attached to another node",
    ),
    (
        "longhorn-manager csi/node_server.go",
        'AttachVolume.Attach failed for volume "pvc-1" : rpc error: code = Aborted desc = volume '
        "pvc-1 is not ready for workloads",
        "not got the volume ready",
    ),
    (
        "kubernetes v1.35.0 pkg/volume/csi/csi_client.go",
        'MountVolume.MountDevice failed for volume "pvc-1" : kubernetes.io/csi: attacher.Mount'
        "Device failed to create newCsiDriverClient: driver name driver.longhorn.io not found in "
        "the list of registered CSI drivers",
        "storage system does not run",
    ),
    (
        "containernetworking/plugins bridge.go, an event of FailedCreatePodSandBox",
        'plugin type="flannel" failed (add): failed to delegate add: failed to set bridge addr: '
        '"cni0" already has an IP address different from 10.42.1.1/24',
        "a cluster that was before",
    ),
    (
        "containernetworking/plugins ipam/host-local",
        "failed to allocate for range 0: no IP addresses available in range set: "
        "10.42.1.1-10.42.1.254",
        "used up",
    ),
    (
        "k3s-io/k3s#122",
        'plugin type="flannel" failed (add): loadFlannelSubnetEnv failed: open '
        "/run/flannel/subnet.env: no such file or directory",
        "network between pods does not run",
    ),
    (
        "kube-vip/kube-vip#559",
        'level=fatal msg="eth0 is not valid interface, reason: get eth0 failed, error: Link not '
        'found"',
        "a network interface that this server does not have",
    ),
    (
        "ionos-cloud/cluster-api-provider-proxmox#144",
        'level=fatal msg="unable to detect default interface -> [Unable to find default route]"',
        "finds no default route",
    ),
    (
        "client-go tools/leaderelection, as kube-vip's log has it",
        "error retrieving resource lock kube-system/plndr-cp-lock: leases.coordination.k8s.io "
        '"plndr-cp-lock" is forbidden: User "system:serviceaccount:kube-system:kube-vip" cannot '
        "get resource",
        "may not use the lease",
    ),
]

_ADMISSION = [
    (
        "kubernetes pkg/admission/plugin/resourcequota",
        'Error creating: pods "web-1" is forbidden: exceeded quota: small, requested: cpu=300m, '
        "used: cpu=600m, limited: cpu=800m",
        "used up what its quota allows",
    ),
    (
        "kubernetes v1.35.0 plugin/pkg/admission/serviceaccount/admission.go",
        'Error creating: pods "web-1" is forbidden: error looking up service account own/web: '
        'serviceaccount "web" not found',
        "ServiceAccount is not there",
    ),
    (
        "kubernetes pod-security-admission admission/admission.go",
        'Error creating: pods "web-1" is forbidden: violates PodSecurity "restricted:latest": '
        "privileged",
        "forbids what the pod wants",
    ),
    (
        "kubernetes apiserver pkg/admission/plugin/webhook",
        'Error creating: Internal error occurred: failed calling webhook "validator.longhorn.io": '
        'failed to call webhook: Post "https://longhorn-admission-webhook": connection refused',
        "a webhook that has to agree",
    ),
]

_SCHEDULING = [
    ("kubernetes v1.34 tainttoleration", "1 node(s) had untolerated taint {node.kubernetes.io/"
     "not-ready: }", "not ready"),
    ("kubernetes v1.34 tainttoleration", "1 node(s) had untolerated taint {node.kubernetes.io/"
     "disk-pressure: }", "disk is nearly full"),
    ("kubernetes v1.34 tainttoleration", "1 node(s) had untolerated taint {node.kubernetes.io/"
     "memory-pressure: }", "short of memory"),
    ("kubernetes v1.34 tainttoleration", "1 node(s) had untolerated taint {dedicated: storage}",
     "by a taint"),
    ("kubernetes v1.35 nodeunschedulable", "1 node(s) were unschedulable", "is cordoned"),
    ("kubernetes v1.35 noderesources", "2 Insufficient memory", "not enough left"),
    ("kubernetes v1.35 noderesources", "1 Insufficient ephemeral-storage", "disk has not enough"),
    ("kubernetes v1.35 noderesources", "1 Too many pods", "as many pods as it may"),
    ("kubernetes v1.35 nodeaffinity", "3 node(s) didn't match Pod's node affinity/selector",
     "not one that the pod wants"),
    ("kubernetes v1.33 volumebinding", "3 node(s) had volume node affinity conflict",
     "volume is on another node"),
    ("kubernetes v1.35 volumebinding", "3 node(s) didn't match PersistentVolume's node affinity",
     "volume is on another node"),
    ("kubernetes v1.35 volumebinding", "3 node(s) didn't find available persistent volumes to bind",
     "no volume for it"),
    ("kubernetes v1.35 interpodaffinity", "3 node(s) didn't match pod anti-affinity rules",
     "must be on different nodes"),
    ("kubernetes v1.35 podtopologyspread", "3 node(s) didn't match pod topology spread constraints",
     "leave it no node"),
    ("kubernetes v1.35 nodeports", "3 node(s) didn't have free ports for the requested pod ports",
     "has its port on every node"),
    ("kubernetes v1.35 nodevolumelimits", "1 node(s) exceed max volume count", "as many volumes"),
    ("kubernetes v1.35 volumebinding", 'persistentvolumeclaim "data" not found',
     "claim that it names is not there"),
    ("kubernetes v1.35 volumebinding", "pod has unbound immediate PersistentVolumeClaims",
     "volume is not there yet"),
]  # fmt: skip

_PACKAGES = [
    (
        "apt 2.6 apt-pkg/contrib/fileutl.cc",
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1201 "
        "(unattended-upgr)",
        "another program",
    ),
    (
        "dpkg 1.21 lib/dpkg/dbmodify.c",
        "dpkg: error: dpkg frontend lock was locked by another process with pid 1201",
        "another program",
    ),
    (
        "apt 2.6 apt-pkg/deb/debsystem.cc",
        "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the "
        "problem.",
        "was cut off",
    ),
    (
        "apt 2.6 apt-pkg/acquire-item.cc",
        "E: Release file for http://deb.debian.org/debian/dists/bookworm-updates/InRelease is not "
        "valid yet (invalid for another 4h 34min 33s). Updates for this repository will not be "
        "applied.",
        "clock is behind",
    ),
    (
        "apt 2.6 apt-pkg/acquire-item.cc",
        "E: Release file for http://deb.debian.org/debian/dists/bookworm-updates/InRelease is "
        "expired (invalid since 12d 3h 1min 2s). Updates for this repository will not be applied.",
        "out of date",
    ),
    (
        "https://github.com/RPi-Distro/pi-gen/issues/546",
        "E: Repository 'http://raspbian.raspberrypi.org/raspbian buster InRelease' changed its "
        "'Suite' value from 'stable' to 'oldstable'",
        "is not what it was",
    ),
    (
        "apt 2.6 apt-pkg/acquire-item.cc",
        "E: The repository 'http://raspbian.raspberrypi.org/raspbian buster Release' no longer "
        "has a Release file.",
        "no longer has this system's release",
    ),
    (
        "apt 2.6 methods/connect.cc",
        "Err:1 http://deb.debian.org/debian bookworm InRelease Temporary failure resolving "
        "'deb.debian.org'",
        "by its name",
    ),
    (
        "apt 2.6 methods/connect.cc",
        "Could not connect to deb.debian.org:80 (151.101.2.132), connection timed out",
        "cannot reach the mirror",
    ),
    (
        "apt 2.6 methods/gpgv.cc",
        "W: GPG error: http://archive.raspberrypi.com/debian bookworm InRelease: The following "
        "signatures couldn't be verified because the public key is not available: NO_PUBKEY "
        "82B129927FA3303E",
        "signed by a key",
    ),
    (
        "apt 2.6 apt-pkg/acquire-item.cc",
        "E: Failed to fetch http://deb.debian.org/debian/pool/main/c/curl/curl.deb  Hash Sum "
        "mismatch",
        "just being updated",
    ),
    (
        "apt 2.6 apt-private/private-install.cc",
        "E: You don't have enough free space in /var/cache/apt/archives/.",
        "disk is full",
    ),
    (
        "apt 2.6 apt-private/private-cacheset.cc",
        "E: Unable to locate package htopp",
        "no such package",
    ),
    (
        "apt 2.6 apt-pkg/algorithms.cc",
        "E: Unable to correct problems, you have held broken packages.",
        "held or half installed",
    ),
]

_SUDO = [
    ("sudo 1.9.13 plugins/sudoers", "sudo: 3 incorrect password attempts", "does not accept"),
    (
        "sudo-rs src/common/error.rs",
        "sudo: Maximum 3 incorrect authentication attempts",
        "does not accept",
    ),
    ("sudo 1.9.13 plugins/sudoers", "sudo: a password is required", "asks for a password"),
    (
        "sudo-rs src/common/error.rs",
        "sudo: interactive authentication is required",
        "asks for a password",
    ),
    (
        "sudo 1.9.13 plugins/sudoers",
        "pi is not in the sudoers file.",
        "may not use sudo",
    ),
    (
        "sudo 1.9.13 plugins/sudoers",
        "pi is not allowed to run sudo on pi1.",
        "may not use sudo",
    ),
    (
        "sudo-rs src/common/error.rs",
        "sudo: I'm sorry pi. I'm afraid I can't do that",
        "may not use sudo",
    ),
    (
        "sudo 1.9.13 plugins/sudoers",
        "sudo: Account or password is expired, reset your password and try again",
        "has expired",
    ),
    (
        "sudo 1.9.13 src/sudo.c, sudo-rs src/common/error.rs",
        "sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set",
        "lost its rights",
    ),
    ("dash: command not found", "sh: 1: sudo: not found", "not installed"),
]

QUOTES = [
    Quote(*quote, among)
    for quotes, among in (
        (_K3S, JOURNAL),
        (_IMAGES, IMAGES),
        (_PODS, PODS),
        (_ADMISSION, PODS),
        (_SCHEDULING, SCHEDULING),
        (_PACKAGES, PACKAGES),
        (_SUDO, SUDO),
    )
    for quote in quotes
]
