"""Every node can pull: tried with a real image, not only with a question to the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from picluster.engine.place import Place
from picluster.engine.probe import Observation, ShellProbe
from picluster.engine.quote import quote
from picluster.engine.step import Change, Decision, Inferred, Run, Satisfied
from picluster.engine.survey import Look
from picluster.engine.waiting import Done, Verdict, Wait, Waiting
from picluster.steps.registry.api import RegistryEndpoint, reach
from picluster.steps.registry.container import CONTAINER
from picluster.steps.registry.credentials import Credentials, curl_quoted
from picluster.steps.registry.probe_image import MANIFEST_TYPE, REPOSITORY, ProbeImage, digest_of

PUSHED = "test-image"
PULLED = "image-pulled"

_SOCKET = "/run/k3s/containerd/containerd.sock"
_FETCH_SECONDS = 60.0
_PULL_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class PullSource:
    """What a node needs for pulling: the URL that registries.yaml gives, and the image's name.

    `image` is how a pod would name it; `authority` is the CA's file on the node, empty for plain
    HTTP.
    """

    url: str
    image: str
    authority: str = ""
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class PushImage:
    """Put the image into the registry, whatever of it is there already."""

    image: ProbeImage
    endpoint: RegistryEndpoint

    @property
    def title(self) -> str:
        return f"pushing {self.image.name}"

    def perform(self, place: Place) -> None:
        """Push it. Raises `StepFailed`."""
        with reach(self.endpoint, place.sessions) as api:
            api.push(self.image)


@dataclass(frozen=True, slots=True)
class PullTried:
    """How a node's try to fetch the image ended; `why_not` is what was said if it failed.

    `containerd`: K3s's containerd could be asked; `pulled`: it has the image.
    """

    fetched: bool = False
    containerd: bool = False
    pulled: bool = False
    why_not: str = ""


def read_tried(seen: Observation) -> PullTried:
    """Read what the try printed."""
    errors = seen.err.strip().splitlines()
    return PullTried(
        seen.flag("fetched"),
        seen.flag("containerd"),
        bool(seen.text("image", "")),
        errors[0] if errors else "",
    )


TRIED = ShellProbe(PULLED, "", read_tried)
"""The key to what any node's try showed; the shell depends on the image and the way to it."""


@dataclass(frozen=True, slots=True)
class ImagePushed(Inferred):
    """The registry has the image that nodes try to pull.

    The node's own try says whether it is there, so this has no probe of its own.
    """

    image: ProbeImage
    endpoint: RegistryEndpoint
    name: str = PUSHED
    title: str = "the registry has an image to try pulls with"

    def decide(self, look: Look) -> Decision:
        """Want it pullable on the registry's own node; pushing it again harms nothing."""
        tried = look.find(TRIED)
        if tried is not None and tried.fetched and not look.changing(CONTAINER):
            return Satisfied()
        return Change(
            f"push {self.image.name}",
            (PushImage(self.image, self.endpoint),),
            reason="the registry does not have it",
        )


@dataclass(frozen=True, slots=True)
class Pulled:
    """This node can pull from the registry: manifest and layers come, with the right digests.

    K3s pulls it by name, through registries.yaml, where its containerd can be asked; that is done
    once for each change of the registry. Over plain HTTP requests it is tried at every look.
    """

    image: ProbeImage
    source: PullSource
    name: str = PULLED

    @property
    def title(self) -> str:
        return f"images can be pulled from {self.source.url}"

    def probe(self) -> ShellProbe[PullTried]:
        return replace(
            TRIED,
            text=f"{self._fetch}\nfetch && echo fetched=yes\n"
            f"[ -S {_SOCKET} ] || return 0\n"
            # Only a containerd that answers is asked anything more.
            f"images=$(k3s crictl images -q {quote(self.source.image)} 2>/dev/null) || return 0\n"
            "echo containerd=yes\n"
            'for image in $images; do echo "image=$image"; done',
        )

    def decide(self, look: Look) -> Decision:
        """Want it fetched now, and pulled by containerd where there is one."""
        tried = look.read(TRIED)
        lacks = tried.containerd and not tried.pulled
        if tried.fetched and not lacks and not look.changing(PUSHED):
            return Satisfied(detail=_how(containerd=tried.containerd))
        return Change(
            f"pull {self.source.image}",
            (self._fetched, Run(self._pull, timeout=_PULL_SECONDS)),
            reason=self._reason(look, tried),
        )

    def _reason(self, look: Look, tried: PullTried) -> str:
        if look.changing(PUSHED):
            return "the registry changes"
        if not tried.fetched:
            return tried.why_not or "it was not tried yet"
        return "K3s has not pulled it yet"

    @property
    def _fetch(self) -> str:
        """Shell that defines `fetch`: true if every part comes with its digest.

        The password goes to curl over its standard input, so that no list of processes shows it.
        """
        authority = f"--cacert {quote(self.source.authority)} " if self.source.authority else ""
        blobs = [digest_of(self.image.config), digest_of(self.image.layer)]
        parts = [(f"manifests/{self.image.tag}", digest_of(self.image.manifest))]
        parts += [(f"blobs/{digest}", digest) for digest in blobs]
        tries = "".join(f"  part {path} {_hex(digest)} || return 1\n" for path, digest in parts)
        return f"""part() {{
  got=$(curl -fsSL -m 20 {authority}-H 'Accept: {MANIFEST_TYPE}' -K - \
{quote(f"{self.source.url}/v2/{REPOSITORY}")}/"$1" <<'PICLUSTER_EOF' | sha256sum
{self._login}
PICLUSTER_EOF
)
  [ "${{got%% *}}" = "$2" ] || {{ echo "$1 did not come whole" >&2; return 1; }}
}}
fetch() {{
{tries}}}"""

    @property
    def _login(self) -> str:
        known = self.source.credentials
        if known is None:
            return "# no user"
        return f"user = {curl_quoted(f'{known.username}:{known.password.reveal()}')}"

    @property
    def _fetched(self) -> Wait[str]:
        return Wait(
            f"waiting until {self.image.name} can be fetched",
            f"{self.image.name} cannot be fetched from {self.source.url}",
            ShellProbe("fetching", f"{self._fetch}\nfetch", why_not, secret=True),
            _fetchable,
            timeout=_FETCH_SECONDS,
            fix="check the node's way to the registry; `picluster phase registry` sets up the rest",
        )

    @property
    def _pull(self) -> str:
        return f"""
if [ -S {_SOCKET} ] && k3s crictl version >/dev/null 2>&1; then
  k3s crictl pull {quote(self.source.image)}
fi
"""


def why_not(seen: Observation) -> str:
    """Read why a try to fetch did not work; empty if it did."""
    said = seen.err.strip().splitlines()
    return "" if seen.status == 0 else said[0] if said else f"it ended with status {seen.status}"


def _fetchable(why: str) -> Verdict:
    return Waiting(why) if why else Done()


def _how(*, containerd: bool) -> str:
    if containerd:
        return "pulled by K3s's containerd, and fetched with curl"
    return "fetched with curl; this K3s has no containerd to ask, as a stand-in has none"


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def tag_for(parts: Sequence[object]) -> str:
    """Return a tag for what pulls depend on; another registry or login is tried anew."""
    text = "\n".join(str(part) for part in parts).encode()
    return digest_of(text).removeprefix("sha256:")[:12]
