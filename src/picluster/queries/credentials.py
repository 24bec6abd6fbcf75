"""How to log in to the applications: their addresses, and the passwords kept in the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from picluster import commands
from picluster.apps.opentakserver import credentials
from picluster.apps.rancher import charts as rancher_charts
from picluster.engine.phase import Phase, Stage
from picluster.engine.step import Fact, Query
from picluster.engine.survey import CLUSTER, UNSEEN
from picluster.kube.api import Api
from picluster.model import Cluster
from picluster.secret import Secret
from picluster.site import Site
from picluster.steps.k3s.api import ClusterApi
from picluster.steps.manifests.secrets import read_secret

_LOGINS = "logins"


@dataclass(frozen=True, slots=True)
class Login:
    """One application: where it is, whom to log in as, and the password that was generated.

    `password` is empty if there is none yet. The user may have changed it since.
    """

    application: str
    url: str
    user: str
    password: Secret | None


def logins(site: Site) -> list[Login]:
    """Return how to log in to each application of the cluster file. Raises `ApiUnavailable`."""

    def build(site: Site, absent: frozenset[str]) -> Iterator[Phase]:
        read = Query(lambda: list(_logins(site.cluster, site.api)), secret=True)
        fact = Fact(_LOGINS, "the logins are known", read)
        yield Phase("credentials", "the logins are known", (Stage("API", {CLUSTER: [fact]}),))

    found = commands.plan(site, build).plans[0].survey.get(CLUSTER, {}).get(_LOGINS, UNSEEN).value
    return found if isinstance(found, list) else []


def _logins(cluster: Cluster, reach: ClusterApi) -> Iterator[Login]:
    if cluster.opentakserver is None and cluster.rancher is None:
        return
    api = reach.access()
    host = cluster.entrance
    ots, rancher = cluster.opentakserver, cluster.rancher
    if ots is not None:
        url = f"http://{host}:{ots.ports.web}"
        password = _password(
            api, ots.namespace, credentials.NAME, credentials.ADMINISTRATOR_PASSWORD
        )
        yield Login("OpenTAKServer", url, credentials.ADMINISTRATOR, password)
    if rancher is not None:
        url = f"https://{rancher.hostname}:{rancher.port}"
        names = rancher_charts.NAMESPACE, rancher_charts.SECRET, rancher_charts.PASSWORD
        yield Login("Rancher", url, "admin", _password(api, *names))


def _password(api: Api, namespace: str, secret: str, key: str) -> Secret | None:
    values = read_secret(api, namespace, secret) or {}
    return Secret(values[key]) if values.get(key) else None
