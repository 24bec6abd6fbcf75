"""Why K3s does not start or does not join, by the lines of its journal.

Where each line is from is told beside the line itself, in tests/unit/causes.
"""

from __future__ import annotations

from picluster.causes.cause import Cause

JOINING: tuple[Cause, ...] = (
    Cause(
        r"Node password rejected",
        "the cluster knows another machine by this node's name: the card was re-flashed, or "
        "two nodes have the same name",
        "if this machine is to be the one: `picluster node replace NODE`; if there are two, "
        "give one of them another name",
    ),
    Cause(
        r"token CA hash does not match|token is not valid|/v1-k3s/\S+ 401 Unauthorized|"
        r"bootstrap data already found and encrypted with different token|"
        r"invalid token (CA hash length|format)|failed to normalize token",
        "the node's join token is not the cluster's",
        "run `picluster phase k3s` again; if k3s.token is set, compare it with "
        "/var/lib/rancher/k3s/server/token on a server",
    ),
    Cause(
        r"no bootstrap data found in datastore",
        "the first start of this server was cut off before the cluster's keys were saved, and K3s "
        "does not get over that",
        "if this server never worked, start anew: `picluster reset` where it is the only one, else "
        "`picluster reset --node NODE`, then `picluster up`; if it did, `picluster snapshot "
        "restore` takes the cluster back to a snapshot",
    ),
    Cause(
        r"newer than datastore and could cause a cluster outage",
        "the node has keys of K3s that are newer than the cluster's: it once was a server of "
        "another cluster, or its clock ran ahead",
        "move the files that it names away on NODE, and `picluster restart --node NODE`: K3s "
        "makes them anew from the cluster's",
    ),
    Cause(
        r"critical configuration value mismatch",
        "a setting that all servers must share is another one on this server: a network, the DNS "
        "address, flannel's backend or a disabled component",
        "`picluster diff` shows what differs; give this server what the running ones have, and "
        "`picluster up`",
    ),
    Cause(
        r"duplicate node name found",
        "a server of this name is still a member of the cluster's etcd, from before this one was "
        "installed anew",
        "`picluster node replace NODE` takes the old member out and this machine in",
    ),
    Cause(
        r"too many learner members in cluster",
        "another server is just joining etcd, which takes one at a time",
        "wait; K3s tries again by itself. If it stays so, `picluster status` says which server "
        "does not get ready",
        passing=True,
    ),
    Cause(
        r"x509: certificate is valid for .*, not ",
        "the server's certificate does not have the name or address by which it is called",
        "add it to k3s.tls_san, and `picluster phase k3s`",
    ),
    # The API server also tells of clients whose certificates are too old; that is no cause.
    Cause(
        r"^(?!.*Unable to authenticate).*x509: certificate has expired or is not yet valid: "
        r"current time \S+ is after",
        "a certificate has run out: those of K3s last a year, and are renewed by a start in "
        "their last months (or this node's clock is ahead)",
        "compare `timedatectl` on the nodes; if the time is right, `picluster restart` renews the "
        "certificates, and `picluster doctor` shows until when each is valid",
    ),
    Cause(
        r"^(?!.*Unable to authenticate).*certificate has expired or is not yet valid",
        "the clocks of the nodes differ: a certificate is not valid yet",
        "check `timedatectl` on the nodes and that they reach a time server",
    ),
    Cause(
        r"(cacerts|/v1-k3s/|:644[34]/).*x509: certificate signed by unknown authority",
        "the server belongs to another cluster than the one this node joined before",
        "if this node is to change over: `picluster reset --node NODE`, then `picluster up`; if "
        "not, correct the addresses in the cluster file",
    ),
    # K3s's own parts wait for each other on the loopback at every start; that is no cause.
    Cause(
        r"dial tcp (?!127\.|\[::1\])\S+:6443: (connect: (connection refused|no route to host|"
        r"network is unreachable)|i/o timeout)|Failed to validate connection to cluster at ",
        "the node cannot reach the server that it joins through",
        "check that the server is up and that no firewall closes ports 6443 and 2379-2380",
        passing=True,
    ),
)

SETTINGS: tuple[Cause, ...] = (
    Cause(
        r"failed to parse kubelet flag: unknown flag|(kubelet|kube-proxy|apiserver|scheduler|"
        r"controller-manager) exited: unknown flag",
        "a part of Kubernetes does not know an argument that it is given",
        "correct k3s.kubelet_args and its like, or server_options and agent_options, in the "
        "cluster file, and `picluster phase k3s`",
    ),
    Cause(
        r"flag provided but not defined|unknown flag",
        "this version of K3s does not know an option",
        "check server_options, agent_options and options in the cluster file",
    ),
    Cause(
        r"(level=fatal msg=\"|failed to load config from .*: )yaml: ",
        "a file of settings that K3s reads is not YAML",
        "`picluster phase k3s` writes /etc/rancher/k3s/config.yaml anew; look for others in "
        "/etc/rancher/k3s/config.yaml.d on NODE",
    ),
    Cause(
        r"yaml: unmarshal errors:.* into registries\.|cannot unmarshal .* into .*registries\.",
        "/etc/rancher/k3s/registries.yaml is not what K3s understands",
        "`picluster phase k3s` lays it down anew; what was added to it by hand is in its backup "
        "beside it",
    ),
    Cause(
        r"must share the same IP version",
        "the node's address and the cluster's networks are not of the same kind (IPv4 or IPv6)",
        "correct k3s.cluster_cidr and k3s.service_cidr, or the node's k3s.node_ip",
    ),
    Cause(
        r"unable to find interface|failed to find interface|error looking up interface",
        "the network interface that flannel is to use is not there",
        "correct k3s.flannel_iface, or the node's own; `ip -br link` on NODE lists what there is",
    ),
    Cause(
        r"embedded registry mirror requires embedded containerd",
        "the embedded registry works with K3s's own containerd only",
        "leave `docker` or `container-runtime-endpoint` out of the options, or the embedded "
        "registry",
    ),
    Cause(
        r"cannot perform cluster-reset while server URL is set|please remove the cluster-reset "
        r"flag",
        "K3s was left in the middle of a restore",
        "`picluster snapshot restore` again, with the same snapshot, takes it to its end",
    ),
)
