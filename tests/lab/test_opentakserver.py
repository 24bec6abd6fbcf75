"""The real OpenTAKServer, under picluster's launcher and behind its nginx configuration.

Releases before and after the source was formatted anew (1.7.5), with a real PostgreSQL, RabbitMQ
and nginx of Debian's, in a network namespace of the test's own: nothing leaves its loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from picluster.apps import opentakserver
from picluster.apps.opentakserver import credentials
from picluster.apps.opentakserver.manifests import listens, settings
from picluster.apps.opentakserver.reachable import doors, shortcomings
from picluster.apps.opentakserver.web import nginx_conf, tls_conf
from picluster.engine.probe import Observation
from picluster.model.opentakserver import OpenTakServer

VERSIONS = ("1.6.3", "1.7.4", "1.7.13")
LAUNCHER = Path(opentakserver.__file__).parent / "launcher.py"
CLIENT = Path(__file__).parent / "socketio_client.py"
PACKAGES = ["postgresql", "rabbitmq-server", "nginx-light", "openssl", "libpq5"]
PROGRAMS = ("initdb", "postgres")
DATABASE_PASSWORD, QUEUE_PASSWORD = "data base", "p@ss/w:rd%"
PORT = 31080
URL = f"http://127.0.0.1:{PORT}"
PATIENCE = 180.0
MOMENT = 3.0  # a handler of radios writes its traceback within one
# 1.6.3 writes its configuration at the first start and then fails over its own data model; it is
# started again, as Kubernetes does.
RESTARTS = 1


@dataclass
class Namespace:
    """A network of its own with nothing but a loopback, and the processes in it."""

    name: str
    directory: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def command(self, words: Sequence[str], user: str = "") -> list[str]:
        inside = ["ip", "netns", "exec", self.name]
        return [*inside, *(["runuser", "-u", user, "--"] if user else []), *words]

    def run(
        self, words: Sequence[str], env: Mapping[str, str] | None = None, user: str = ""
    ) -> str:
        done = subprocess.run(
            self.command(words, user), env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)[:300]}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(
        self, log: str, words: Sequence[str], env: Mapping[str, str] | None = None, user: str = ""
    ) -> subprocess.Popen[bytes]:
        with (self.directory / log).open("ab") as output:
            process = subprocess.Popen(
                self.command(words, user),
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def said(self, log: str) -> str:
        return (self.directory / log).read_text(errors="replace")

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Ask nginx; return status and body."""
        words = ["curl", "-s", "-m", "20", "-w", "\n%{http_code}", f"{URL}{path}"]
        for name, value in headers.items():
            words += ["-H", f"{name}: {value}"]
        body, _, status = self.run(words).rpartition("\n")
        return int(status), body


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started, by their group."""
    for number in (15, 9):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                continue


def wait_for(holds: Callable[[], bool], what: str, evidence: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what}:\n{evidence()[-4000:]}"
        time.sleep(0.5)


def postgresql() -> Path:
    return max(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def packages() -> None:
    """The servers' packages, installed without any of them being started."""
    if all(shutil.which(name) for name in ("nginx", "rabbitmq-server")) and list(
        Path("/usr/lib/postgresql").glob("*/bin/initdb")
    ):
        return
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends"]):
            subprocess.run(
                ["apt-get", *words, *(PACKAGES if words[0] == "install" else [])],
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                check=True,
                capture_output=True,
            )
    finally:
        if ours:
            policy.unlink()


@pytest.fixture(scope="module")
def net(packages: None) -> Iterator[Namespace]:
    """A network namespace with PostgreSQL, RabbitMQ and nginx in it."""
    name = f"picluster-ots-{os.getpid()}"
    directory = Path(tempfile.mkdtemp(prefix="picluster-ots-"))
    directory.chmod(0o755)
    subprocess.run(["ip", "netns", "add", name], check=True)
    net = Namespace(name, directory)
    try:
        net.run(["ip", "link", "set", "lo", "up"])
        start_postgresql(net)
        start_rabbitmq(net)
        start_nginx(net)
        yield net
    finally:
        for process in reversed(net.processes):
            stop(process)
        subprocess.run(net.command(["epmd", "-kill"]), check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", name], check=True)
        shutil.rmtree(directory)


def start_postgresql(net: Namespace) -> None:
    data, secret = net.directory / "postgresql", net.directory / "database-password"
    data.mkdir()
    secret.write_text(DATABASE_PASSWORD)
    for path in (data, secret):
        shutil.chown(path, "postgres")
        path.chmod(0o700)
    bin_ = postgresql()
    options = ["-U", "ots", "-A", "scram-sha-256", f"--pwfile={secret}", "-D", str(data)]
    net.run([str(bin_ / "initdb"), *options], user="postgres")
    serve = ["-D", str(data), "-h", "127.0.0.1", "-k", str(data)]
    net.start("postgresql.log", [str(bin_ / "postgres"), *serve], user="postgres")
    ready = [str(bin_ / "pg_isready"), "-q", "-h", "127.0.0.1"]
    wait_for(
        lambda: subprocess.run(net.command(ready), check=False).returncode == 0,
        "PostgreSQL does not start",
        lambda: net.said("postgresql.log"),
    )


def start_rabbitmq(net: Namespace) -> None:
    home = net.directory / "rabbitmq"
    home.mkdir()
    config = home / "rabbitmq.conf"
    config.write_text(
        "listeners.tcp.default = 127.0.0.1:5672\n"
        f"default_user = tak\ndefault_pass = {QUEUE_PASSWORD}\n"
    )
    shutil.chown(home, "rabbitmq")
    shutil.chown(config, "rabbitmq")
    home.chmod(0o700)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "RABBITMQ_NODENAME": "ots@localhost",
        "RABBITMQ_CONFIG_FILE": str(config),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    server = net.start("rabbitmq.log", ["rabbitmq-server"], environment, user="rabbitmq")

    def listens() -> bool:
        assert server.poll() is None, net.said("rabbitmq.log")
        return ":5672" in net.run(["ss", "-Hltn"])

    wait_for(listens, "RabbitMQ does not start", lambda: net.said("rabbitmq.log"))


def start_nginx(net: Namespace) -> None:
    site = net.directory / "site"
    (site / "assets").mkdir(parents=True)
    (site / "index.html").write_text("the page\n")
    (site / "assets/app-1234.js").write_text("script\n")
    config = net.directory / "nginx.conf"
    text = nginx_conf("127.0.0.1:8081", listen=f"127.0.0.1:{PORT}", root=str(site))
    config.write_text(text.replace("/tmp/nginx", f"{net.directory}/nginx"))
    net.start("nginx.log", ["nginx", "-c", str(config), "-g", "daemon off;"])


def installed(version: str) -> Path:
    """A virtual environment with that release; made once, and kept in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "picluster/ots"
    place = cache / f"{version}-{sys.version_info.major}.{sys.version_info.minor}"
    done = place / ".complete"
    if not done.exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(place / "bin/pip"), "install", "-q", "--disable-pip-version-check"]
        wanted = [f"opentakserver=={version}", "websocket-client"]
        result = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr[-4000:]
        done.touch()
    return place


@dataclass
class Server:
    """One release that runs."""

    version: str
    net: Namespace
    venv: Path
    environment: dict[str, str]

    @property
    def log(self) -> str:
        return f"ots-{self.version}.log"

    def script(self, *words: str) -> str:
        return self.net.run([str(self.venv / "bin/python"), str(CLIENT), *words], self.environment)


def fresh(net: Namespace, version: str) -> Path:
    """Make a database, and a home directory of the same name."""
    base = f"ots_{version.replace('.', '_')}_{len(net.processes)}"
    sql = {"PGPASSWORD": DATABASE_PASSWORD, "PATH": os.environ["PATH"]}
    net.run([str(postgresql() / "createdb"), "-h", "127.0.0.1", "-U", "ots", base], sql)
    home = net.directory / base
    home.mkdir()
    return home


@contextmanager
def running(net: Namespace, version: str, **more: str) -> Iterator[Server]:
    """Start a release with a fresh database and data folder."""
    venv = installed(version)
    home = fresh(net, version)
    base = home.name
    environment = {
        "PATH": f"{venv}/bin:{os.environ['PATH']}",
        "HOME": str(home),
        "OTS_DATA_FOLDER": str(home / "data"),
        "SQLALCHEMY_DATABASE_URI": f"postgresql+psycopg://ots:data%20base@127.0.0.1/{base}",
        "OTS_RABBITMQ_SERVER_ADDRESS": "127.0.0.1",
        "OTS_RABBITMQ_USERNAME": "tak",
        "OTS_RABBITMQ_PASSWORD": QUEUE_PASSWORD,
        "OTS_MEDIAMTX_ENABLE": "false",
        "PYTHONUNBUFFERED": "1",
        **more,
    }
    with serving(Server(version, net, venv, environment)) as server:
        yield server


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Start a release, and stop it at the end."""
    version, net, environment = server.version, server.net, server.environment
    words = [str(server.venv / "bin/python"), str(LAUNCHER), "server"]
    starts = [net.start(server.log, words, environment)]

    def healthy() -> bool:
        if starts[-1].poll() is not None:
            assert len(starts) <= RESTARTS, net.said(server.log)[-4000:]
            starts.append(net.start(server.log, words, environment))
        return net.get("/api/health")[0] == 200

    try:
        wait_for(healthy, f"OpenTAKServer {version} does not start", lambda: net.said(server.log))
        yield server
    finally:
        stop(starts[-1])


def test_other_settings_are_in_force_too(net: Namespace) -> None:
    """First of all, while no other release listens."""
    settings = {
        "PICLUSTER_SOCKETIO_PING_TIMEOUT": "90",
        "PICLUSTER_SOCKETIO_CORS_ORIGINS": "http://map.example",
        "PICLUSTER_MESSAGE_QUEUE": "off",
    }
    with running(net, VERSIONS[-1], **settings):
        status, body = net.get("/socket.io/?EIO=4&transport=polling", Origin="http://map.example")
        assert status == 200, body
        assert '"pingTimeout":90000' in body


@dataclass
class Pod:
    """What Kubernetes gives a pod of OpenTAKServer, as files and environment."""

    server: Server
    files: Path

    def run(self, *words: str) -> str:
        """Do what pod.py does, with its files in a place of the test's own."""
        places = {"MANAGED": "config.json", "SECRETS": "secrets", "PASSWORD": "password"}
        lines = [
            f"pod.{name} = pathlib.Path({str(self.files / at)!r})" for name, at in places.items()
        ]
        code = "; ".join(["import pathlib, sys, pod", *lines, "sys.exit(pod.main(sys.argv[1:]))"])
        environment = self.server.environment | {"PYTHONPATH": str(LAUNCHER.parent)}
        python = str(self.server.venv / "bin/python")
        return self.server.net.run([python, "-c", code, *words], environment)

    def log_in(self, password: str) -> str:
        """Try a password; return the status that is answered."""
        words = [str(self.server.venv / "bin/python"), str(CLIENT), "login", URL]
        done = subprocess.run(
            self.server.net.command(words),
            env=self.server.environment,
            input=password,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def pod_of(net: Namespace, version: str) -> Pod:
    """Lay down the files that the manifests would mount, for this database and broker."""
    home = fresh(net, version)
    files, data = home / "mounted", home / "data"
    (files / "secrets").mkdir(parents=True)
    ots = OpenTakServer(version=version)
    text = json.dumps(settings(ots)).replace("/var/lib/ots/data", str(data))
    config = json.loads(text) | {"OTS_RABBITMQ_SERVER_ADDRESS": "127.0.0.1"}
    config["OTS_RABBITMQ_USERNAME"] = "tak"
    (files / "config.json").write_text(json.dumps(config))
    made = {key: value.reveal() for key, value in credentials.Generated().make({}).items()}
    made["OTS_RABBITMQ_PASSWORD"] = QUEUE_PASSWORD
    database = f"postgresql+psycopg://ots:data%20base@127.0.0.1/{home.name}"
    made["SQLALCHEMY_DATABASE_URI"] = database
    for key in credentials.CONFIG_KEYS:
        (files / "secrets" / key).write_text(made[key])
    (files / "password").write_text(made[credentials.ADMINISTRATOR_PASSWORD])
    environment = {
        "PATH": f"{installed(version)}/bin:{os.environ['PATH']}",
        "HOME": str(home),
        "OTS_DATA_FOLDER": str(data),
        "OTS_RABBITMQ_USERNAME": "tak",
        "OTS_RABBITMQ_PASSWORD": QUEUE_PASSWORD,
        "PYTHONUNBUFFERED": "1",
    }
    return Pod(Server(f"{version}", net, installed(version), environment), files)


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_a_pod_of_the_manifests_serves_and_its_administrator_has_the_generated_password(
    net: Namespace, version: str
) -> None:
    pod = pod_of(net, version)
    assert "was written" in pod.run("configure")
    with serving(pod.server):
        assert pod.run("healthy").strip() == "healthy"
        clients_with_certificates_get_in(pod)
        password = (pod.files / "password").read_text()
        assert pod.log_in("password") == "200", "the one that every release starts with"
        assert "was set" in pod.run("password", "administrator")
        assert pod.log_in(password) == "200"
        assert pod.log_in("password") == "400"
        handlers = [listening(pod.server, [], 31088), listening(pod.server, ["--ssl"], 31089)]
        is_asked_without_a_mark(pod)
        for handler in handlers:
            stop(handler)
    config = Path(pod.server.environment["OTS_DATA_FOLDER"]) / "config.yml"
    own = config.read_text()
    pod.run("configure")
    assert set(own.splitlines()) >= set(config.read_text().splitlines()), "nothing is lost or new"


def is_asked_without_a_mark(pod: Pod) -> None:
    """Ask as picluster and the kubelet do, all at once; the logs have to be as they were."""
    net, ots = pod.server.net, OpenTakServer(version=pod.server.version)
    data = Path(pod.server.environment["OTS_DATA_FOLDER"])
    logs = [*(net.directory.glob(f"*{pod.server.version}*.log")), *data.glob("logs/eud_*.log")]
    handlers = {f"{pod.server.version}-{port}.log" for port in (31088, 31089)}
    assert handlers < {log.name for log in logs}, "the server's log, and those of its handlers"
    before = [log.read_text() for log in logs]
    probe = doors(ots, "127.0.0.1")
    seen = probe.parse(Observation(out=net.run(["sh", "-c", probe.text])))
    assert shortcomings(ots, seen) == []
    for port in (ots.ports.tcp, ots.ports.ssl):
        net.run(listens(port))
    time.sleep(MOMENT)
    marks = [log.read_text().removeprefix(old) for log, old in zip(logs, before, strict=True)]
    assert "Traceback" not in "".join(marks)
    assert not any(new for log, new in zip(logs, marks, strict=True) if log.name in handlers)


def clients_with_certificates_get_in(pod: Pod) -> None:
    """Serve TLS with the certificates that this server has made, and try its doors."""
    net = pod.server.net
    ca = f"{pod.server.environment['OTS_DATA_FOLDER']}/ca"
    tls = tls_conf("127.0.0.1:8081", ca=ca, marti="127.0.0.1:8443", enrolment="127.0.0.1:8446")
    text = nginx_conf("127.0.0.1:8081", listen="127.0.0.1:31081", root="/nowhere", tls=tls)
    place = pod.files / "nginx"
    config = pod.files / "nginx-tls.conf"
    config.write_text(text.replace("/tmp/nginx", str(place)))
    web = net.start("nginx-tls.log", ["nginx", "-c", str(config), "-g", "daemon off;"])
    try:
        listens = "ss -Hltn sport = :8446 | grep -q ."
        wait_for(
            lambda: subprocess.run(net.command(["sh", "-c", listens]), check=False).returncode == 0,
            "nginx does not serve TLS",
            lambda: net.said("nginx-tls.log"),
        )
        ask = ["curl", "-sk", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"]
        assert net.run([*ask, "https://127.0.0.1:8446/Marti/api/tls/config"]) == "200"
        sign = ["-X", "POST", "https://127.0.0.1:8446/Marti/api/tls/signClient/v2"]
        assert net.run([*ask, *sign]) == "401", "certificates are for those who log in"
        assert net.run([*ask, "https://127.0.0.1:8446/api/health"]) == "404", "enrolment only"
        assert net.run([*ask, "https://127.0.0.1:8443/Marti/api/version/config"]) == "400", (
            "no certificate"
        )
        own = f"{ca}/certs/opentakserver/opentakserver"
        shown = ["--cert", f"{own}.pem", "--key", f"{own}.nopass.key"]
        status = net.run([*ask, *shown, "https://127.0.0.1:8443/Marti/api/version/config"])
        assert status == "200"
    finally:
        stop(web)


def listening(server: Server, options: list[str], port: int) -> subprocess.Popen[bytes]:
    """Start a handler of radios, and wait until it listens on a port."""
    log = f"{server.version}-{port}.log"
    words = [str(server.venv / "bin/python"), str(LAUNCHER), "eud_handler", *options]
    process = server.net.start(log, words, server.environment)

    def listens() -> bool:
        assert process.poll() is None, server.net.said(log)[-3000:]
        return f":{port} " in server.net.run(["ss", "-Hltn"])

    wait_for(listens, f"nobody listens on {port}", lambda: server.net.said(log))
    return process


@pytest.fixture(scope="module", params=VERSIONS)
def server(net: Namespace, request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(net, request.param) as server:
        yield server


def handshake(net: Namespace) -> dict[str, object]:
    """Begin a Socket.IO connection as a browser does that has loaded the page from nginx."""
    status, body = net.get("/socket.io/?EIO=4&transport=polling", Origin=URL)
    assert status == 200, body
    found: dict[str, object] = json.loads(body[body.index("{") :])
    return found


def test_the_launchers_names_are_there(server: Server) -> None:
    words = [str(server.venv / "bin/python"), str(LAUNCHER), "check"]
    scratch = server.environment | {"OTS_DATA_FOLDER": server.environment["HOME"] + "/check"}
    server.net.run(words, scratch)


def test_a_browser_gets_through_with_the_times_of_a_field_network(server: Server) -> None:
    found = handshake(server.net)
    assert (found["pingTimeout"], found["pingInterval"]) == (60000, 25000)
    refused, _ = server.net.get(
        "/socket.io/?EIO=4&transport=polling", Origin="http://elsewhere.example"
    )
    assert refused == 400, "another origin was not asked for"


def test_a_websocket_hears_what_another_process_emits(server: Server) -> None:
    assert "heard 42 over websocket" in server.script("listen", URL)


@pytest.mark.parametrize(
    ("words", "port"), [(["eud_handler"], 8088), (["eud_handler", "--ssl"], 8089)]
)
def test_radios_are_answered_by_the_same_image(server: Server, words: list[str], port: int) -> None:
    stop(listening(server, words[1:], port))


def test_the_cot_parser_takes_from_the_queue_with_the_login(server: Server) -> None:
    log = f"{server.version}-parser.log"
    python = str(server.venv / "bin/python")
    process = server.net.start(log, [python, str(LAUNCHER), "cot_parser"], server.environment)
    connections = "ss -Htnp state established dport = :5672"

    def consumes() -> bool:
        assert process.poll() is None, server.net.said(log)[-3000:]
        group = {str(pid) for pid in members(process.pid)}
        lines = server.net.run(["sh", "-c", connections]).splitlines()
        return any(f"pid={pid}," in line for line in lines for pid in group)

    try:
        wait_for(consumes, "it does not connect", lambda: server.net.said(log))
    finally:
        stop(process)


def members(group: int) -> list[int]:
    """Return the processes of a group."""
    found = subprocess.run(["pgrep", "-g", str(group)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def test_an_api_path_is_never_answered_with_a_page(server: Server) -> None:
    for path in ("/api/no-such-thing", "/Marti/no-such-thing", "/socket.io/no-such-thing"):
        _, body = server.net.get(path)
        assert "the page" not in body, path
    assert server.net.get("/some/page/of/the/interface") == (200, "the page\n")
    assert server.net.get("/assets/app-1234.js") == (200, "script\n")
    assert server.net.get("/assets/gone.js")[0] == 404


def test_the_password_is_told_to_nobody(server: Server) -> None:
    assert QUEUE_PASSWORD not in server.net.said(server.log)
    arguments = b"".join(
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)
    )
    assert QUEUE_PASSWORD.encode() not in arguments


def readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False
