"""Why the cluster's database does not come up: etcd, or SQLite on a single server."""

from __future__ import annotations

from picluster.causes.cause import Cause

DATABASE: tuple[Cause, ...] = (
    Cause(
        r"this server is a not a member of the etcd cluster",
        "etcd knows this server by another address or name: its address changed, or its data is "
        "of another cluster",
        "give it back the address that etcd has (in `Found [...]`); if that is not possible, "
        "re-flash it and `picluster node replace NODE`",
    ),
    Cause(
        r"member has been permanently removed from the cluster|"
        r"this (server|node) has been removed from the (etcd )?cluster",
        "this server was taken out of the cluster, and still has its data",
        "K3s moves that away and joins anew when it starts again; if it does not, re-flash the "
        "machine and `picluster node replace NODE`",
        passing=True,
    ),
    Cause(
        r"cluster ID mismatch",
        "this server and another one hold the data of different clusters",
        "keep the cluster that has your applications; `picluster reset --node NODE` on the other "
        "server deletes its data, then `picluster up` joins it",
    ),
    Cause(
        r"mvcc: database space exceeded|alarm:NOSPACE",
        "etcd's database has reached its size limit, and takes no more changes",
        "find what writes so much (`kubectl get events -A`, and objects by the thousand), delete "
        "it, and `picluster restart --node NODE`: K3s makes room at start. A larger limit: "
        "etcd-arg: [quota-backend-bytes=4294967296] in k3s.server_options",
    ),
    Cause(
        r"walpb: crc mismatch|wal: crc mismatch|snap: crc mismatch|"
        r"snap: snapshot file doesn't exist|failed to recover v3 backend from snapshot|"
        r"failed to read WAL, cannot be repaired|tocommit\(\d+\) is out of range|"
        r"freepages: failed to get all reachable pages|page \d+ already freed|"
        r"assertion failed: Page expected",
        "etcd's data on this server is damaged, as by a power cut",
        "with other servers alive: re-flash it (or delete /var/lib/rancher/k3s/server/db on it) "
        "and `picluster node replace NODE`; alone: `picluster snapshot restore`",
    ),
    Cause(
        r"database disk image is malformed|file is not a database",
        "K3s's database on this server is damaged, as by a power cut",
        "bring back a copy of /var/lib/rancher/k3s/server/db, or start anew: `picluster reset`, "
        "then `picluster up`",
    ),
    Cause(
        r"(kine|sqlite|server/db|compact|lease|level=fatal).*database is locked|"
        r"database is locked.*(kine|sqlite)",
        "the disk is too slow for K3s's database, or two K3s use it at once",
        "put the server's root on an SSD; `pgrep -a k3s` on NODE shows whether an old one is left",
        passing=True,
    ),
    Cause(
        r"etcdserver: (unhealthy cluster|no leader)|dial tcp \S+:2380: |"
        r"etcdserver: request timed out, possibly due to (connection|previous leader)",
        "too few servers of the cluster answer each other to decide anything",
        "`picluster status` says which are away; a majority has to run, and ports 2379-2380 have "
        "to be open between servers",
        passing=True,
    ),
    Cause(
        r"slow fdatasync|leaderelection lost|apply request took too long",
        "the disk is too slow for etcd",
        "put the server's root on an SSD, or use one server without HA",
        passing=True,
    ),
)
