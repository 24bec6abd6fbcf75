"""How to log in to the applications: their addresses, and the passwords kept in the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from picluster import commands
from picluster.apps.opentakserver import credentials
from picluster.apps.rancher import charts as rancher_charts
from picluster.engine.phase import Phase, Stage
from picluster.engine.place import Tools
from picluster.engine.step import Fact
from picluster.engine.survey import CLUSTER, Look
from picluster.kube.api import Api
from picluster.kube.reach import api_of
from picluster.model import Cluster
from picluster.secret import Secret
from picluster.site import Site
from picluster.steps.manifests.secrets import read_secret


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
    asked = AskLogins(site.cluster)

    def build(_: Site, absent: frozenset[str]) -> Iterator[Phase]:
        fact = Fact(asked.name, "the logins are known", asked)
        yield Phase("credentials", fact.title, (Stage("API", {CLUSTER: [fact]}),))

    survey = commands.plan(site, build).plans[0].survey
    return list(Look(CLUSTER, asked.name, survey).find(asked) or ())


@dataclass(frozen=True, slots=True)
class AskLogins:
    """How to log in to each application of a cluster file."""

    cluster: Cluster
    name: str = "logins"
    secret: bool = True

    def ask(self, tools: Tools) -> tuple[Login, ...]:
        """Read what was generated. Raises `ApiUnavailable`."""
        return tuple(_logins(self.cluster, tools))


def _logins(cluster: Cluster, tools: Tools) -> Iterator[Login]:
    if cluster.opentakserver is None and cluster.rancher is None:
        return
    api = api_of(tools)
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
