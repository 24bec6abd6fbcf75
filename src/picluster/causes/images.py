"""Why an image cannot be had, by what containerd told the kubelet of it."""

from __future__ import annotations

from picluster.causes.cause import Cause

_OFFLINE = (
    "give the node a way to it; or put the image where the node can get it: the cluster's own "
    "registry, under a name there, or `docker save` of it in /var/lib/rancher/k3s/agent/images of "
    "every node and `picluster restart`"
)

IMAGES: tuple[Cause, ...] = (
    Cause(
        r"no space left on device",
        "the node's disk is full",
        "free some space on it: `df -h` and `du -xhd1 /var` show where",
    ),
    Cause(
        r"HTTP response to HTTPS client",
        "the node takes the registry for one that speaks HTTPS",
        "lay registries.yaml down anew: `picluster phase k3s`",
    ),
    Cause(
        r"certificate has expired or is not yet valid",
        "the node takes the registry's certificate for expired or not yet valid",
        "compare `timedatectl` on the node with the certificate; the cluster's own is made anew "
        "by `picluster phase registry`",
    ),
    Cause(
        r"x509: |certificate",
        "the node does not trust the registry's certificate",
        "lay the authority down anew: `picluster phase k3s`; or set the node's clock",
    ),
    # Ends in "not found", and so has to come before that.
    Cause(
        r"no match for platform",
        "the image is not for this machine's processor",
        "build it for it, or pin the pod to other nodes",
    ),
    Cause(
        r"pull access denied, repository does not exist|name unknown|NAME_UNKNOWN",
        "the registry has no such image that anybody may pull",
        "correct its name: one in the cluster's own registry begins with that registry's address, "
        "and comes there by `picluster phase build`; a private one needs a login",
    ),
    Cause(
        r"toomanyrequests|429 Too Many Requests|rate limit",
        "the registry limits how much may be pulled",
        "wait for the limit to pass (Docker Hub counts six hours), or put the image into the "
        "cluster's own registry",
        passing=True,
    ),
    Cause(
        r"unauthorized|authentication required|authorization failed|no basic auth|403 Forbidden|"
        r"\bdenied\b",
        "the registry wants a login that the node does not have",
        "check registry.username and password, then `picluster phase k3s`; or the image's name",
    ),
    Cause(
        r"no such host|\blookup \S+( on \S+)?: |failure in name resolution",
        "the node cannot find the registry's address by its name: no DNS, or no internet",
        _OFFLINE,
    ),
    Cause(
        r"dial tcp \S+: (connect: |i/o timeout)|no route to host|network is unreachable|"
        r"connection refused",
        "the node cannot reach the registry",
        f"check that it runs, and {_OFFLINE}",
    ),
    Cause(
        r"not found|manifest unknown|MANIFEST_UNKNOWN|does not exist",
        "the registry does not have it",
        "push the image, or correct its name; picluster's own come by `picluster phase build`",
    ),
    Cause(
        r"not present with pull policy of Never",
        "it is not on the node, and its pod forbids pulling it",
        "put it into /var/lib/rancher/k3s/agent/images of the node, or change imagePullPolicy",
    ),
    Cause(
        r"signature validation failed",
        "its signature is not one that the node accepts",
        "sign it, or correct the node's policy for images",
    ),
    Cause(
        r"invalid reference format|parse image name|default image tag",
        "that is no image's name",
        "correct its name",
    ),
    Cause(
        r"unexpected EOF|connection reset|TLS handshake timeout|deadline exceeded|i/o timeout|"
        r"registry is unavailable|\b50[0-4] ",
        "the connection to the registry does not hold",
        "check the node's way to the registry; a slow one needs a longer limits.rollout",
        passing=True,
    ),
)
