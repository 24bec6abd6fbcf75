"""From a command's options to its site, which is made once, and to the runs that it makes there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from picluster.cli.options import Options, Overwritten, file_option
from picluster.cli.prompts import Prompts, at_a_terminal
from picluster.cli.sinks import Sinks, open_sinks
from picluster.cli.terms import agreed, limited, whoever_is_there
from picluster.engine.pool import Sessions
from picluster.kube.kubefile import default_path
from picluster.local_names import with_addresses
from picluster.model import Cluster, SecretRef, load
from picluster.paths import Here, kept_of
from picluster.secret import Secret
from picluster.site import EVERYWHERE, NOTHING_SPECIAL, Consents, Scope, Site, make_site
from picluster.ssh.connector import SshConnector
from picluster.ssh.endpoint import endpoints_of
from picluster.ssh.host_keys import HostKeys, accept_new, refuse_new

_NOTICE_FILE = "lab-notice.txt"


@dataclass(frozen=True, slots=True)
class Asked:
    """One command as it was typed: its options, and the site that it is about."""

    given: Options
    site: Site
    prompts: Prompts

    @contextmanager
    def run(self, command: str, *, progress: bool = True) -> Iterator[tuple[Site, Sinks]]:
        """Begin a run that the journal calls so; its journal and screen are closed afterwards.

        `progress` shows what happens as it happens.
        """
        with open_sinks(self.site.here, command, self.given, progress=progress) as sinks:
            self.prompts.pause = sinks.paused
            yield replace(self.site, command=command, emit=sinks.emit), sinks


def invocation(
    given: Options,
    cluster: Cluster,
    scope: Scope = EVERYWHERE,
    consents: Consents = NOTHING_SPECIAL,
    token: Secret | None = None,
) -> Asked:
    """Put a command's site together; the `token` is used where the cluster file refers to none.

    Asks for what the file has prompted for. Raises `ConfigInvalid`.
    """
    here, prompts = kept_of(cluster.name), Prompts()
    cluster = with_addresses(cluster, here.addresses)
    connector = _connector(cluster, here, given, prompts)
    password = cluster.registry.password if cluster.registry else None
    made = make_site(
        cluster,
        Sessions(connector, given.parallel or cluster.limits.parallel),
        file=given.file,
        here=here,
        user_kubeconfig=default_path(),
        token=_secret(cluster.k3s.token, "cluster's token", prompts) or token,
        registry_password=_secret(password, "registry's password", prompts),
        mirror_passwords=_mirror_passwords(cluster, prompts),
        by_key=connector.connect_by_key,
    )
    made = replace(
        made,
        scope=scope,
        consents=consents,
        notices=_notices(given.file),
        file_option=file_option(given.file),
    )
    return Asked(given, made, prompts)


def asked_of(
    given: Options, nodes: Sequence[str] | None = None, allowed: Overwritten | None = None
) -> Asked:
    """Read the cluster file; the command is about these nodes, all if none are named.

    Raises `ConfigInvalid`, `UsageError`.
    """
    cluster = load(given.file).cluster
    consents = agreed(cluster, given.file, allowed or Overwritten())
    return invocation(given, cluster, limited(cluster, nodes), consents)


def asked_of_whoever_is_there(given: Options) -> Asked:
    """Read the cluster file; the command can do without any one node. Raises `ConfigInvalid`."""
    cluster = load(given.file).cluster
    return invocation(given, cluster, whoever_is_there(cluster))


def _notices(file: Path) -> tuple[str, ...]:
    """Return what every output about this cluster has to say, such as that K3s is a stand-in."""
    beside = file.absolute().parent / _NOTICE_FILE
    return tuple(beside.read_text().splitlines()) if beside.is_file() else ()


def _mirror_passwords(cluster: Cluster, prompts: Prompts) -> dict[str, Secret]:
    return {
        access.host: access.password.resolve(label=f"password for {access.host}", ask=prompts.ask)
        for access in cluster.k3s.registry_access
        if access.password is not None
    }


def _secret(reference: SecretRef | None, label: str, prompts: Prompts) -> Secret | None:
    return reference.resolve(label=label, ask=prompts.ask) if reference else None


def _connector(cluster: Cluster, here: Here, given: Options, prompts: Prompts) -> SshConnector:
    agree = refuse_new
    if given.accept_new_host_keys:
        agree = accept_new
    elif at_a_terminal():
        agree = prompts.agree
    return SshConnector(
        endpoints_of(cluster, prompts.ask),
        HostKeys(here.known_hosts, agree),
        prompts.ask if at_a_terminal() else None,
    )
