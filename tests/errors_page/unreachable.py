"""Clusters that do not answer, answer late, or answer what no Hadoop says."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

from tests.errors_page.runs import Bench, Sample, sample_of
from tests.sandbox.cluster_support import send
from tests.sandbox.doctor_support import GOOD
from tests.unit.hadoop.wire import SILENCE, Responder, answer, free_port, serving
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.storage.client import Storage
from yarnserve.yarn.resource_managers import ResourceManagers
from yarnserve.yarn.services import ServicesApi

_INFO = "/ws/v1/cluster/info"

#: Seconds that a silent server is waited for here, in place of PROBE_TIMEOUT and the like.
_IMPATIENT = Timeouts(connect=1.0, read=0.05)


def info(state: str) -> bytes:
    """A ResourceManager in *state* says so."""
    return answer(200, {"clusterInfo": {**GOOD[_INFO]["clusterInfo"], "haState": state}})


def always(raw: bytes | None) -> Responder:
    """Answer everything with *raw*."""
    return lambda asked: raw


def active_but(raw: bytes | None) -> Responder:
    """An active ResourceManager, which answers everything but that with *raw*."""
    return lambda asked: info("ACTIVE") if asked.path == _INFO else raw


def refusal(status: int, exception: str, message: str) -> bytes:
    """HDFS refuses."""
    return answer(status, {"RemoteException": {"exception": exception, "javaClassName": exception, "message": message}})


_LAUNCH = ("launch", "--name", "digits", "--model", "/models/digits", "--memory", "512m", "--serving-version", "2.6")
_LOGIN = answer(200, "<html>Please log in</html>", "text/html")
_NO_SERVICE = answer(404, {"diagnostics": "Service digits not found", "code": 404003})
_TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x32"
_UNASKED = answer(200, {"clusterInfo": {**GOOD[_INFO]["clusterInfo"], "haState": 7}})
_STANDBY = refusal(403, "StandbyException", "Operation category READ is not supported in state standby. Visit https:")
_SAFE = refusal(403, "SafeModeException", "Cannot create directory /user/alice/.yarnserve. Name node is in safe mode.")

#: What is wrong, and who answers at the addresses of the ResourceManagers; None: nobody listens there.
MANAGERS: tuple[tuple[str, tuple[Responder | None, ...]], ...] = (
    ("nobody listens at the ResourceManager's address", (None,)),
    ("neither of two ResourceManagers listens", (None, None)),
    ("the only ResourceManager is a standby", (always(info("STANDBY")),)),
    ("a standby, and a ResourceManager that is down", (always(info("STANDBY")), None)),
    ("two ResourceManagers say that they are active", (active_but(_NO_SERVICE), active_but(_NO_SERVICE))),
    ("a ResourceManager that wants to know who we are", (always(answer(401, "")),)),
    ("a ResourceManager that was active and is not any more", (active_but(answer(307, "This is standby RM.")),)),
    ("a login page in place of JSON", (always(_LOGIN),)),
    ("half of an answer", (always(answer(200, '{"clusterInfo": {"ha')),)),
    ("an empty answer", (always(answer(200, "")),)),
    ("JSON that YARN would not send", (always(_UNASKED),)),
    ("a server that closes the connection", (always(b""),)),
    ("`http://` to a server that speaks TLS", (always(_TLS_ALERT),)),
)

#: The same for the NameNode.
NAMENODES: tuple[tuple[str, Responder | None], ...] = (
    ("nobody listens at the NameNode's address", None),
    ("the only NameNode is a standby", always(_STANDBY)),
    ("a login page in place of HDFS", always(_LOGIN)),
    ("a web server of another kind", always(answer(502, ""))),
    ("a NameNode that wants to know who we are", always(answer(401, ""))),
)


def samples(bench: Bench) -> Iterator[Sample]:
    """Yield what a command says of each."""
    for title, managers in MANAGERS:
        with _addresses(managers, "rm", 8088) as (urls, names):
            yield bench.sample(title, *_command(managers), "--resource-manager", ",".join(urls), names=names)
    tls = bench.sandbox.resource_manager_url.replace("http:", "https:")
    title = "`https://` to a server that speaks none"
    yield bench.sample(title, "list", "--resource-manager", tls, names={tls: "https://rm:8088"})
    with _nobody_is_known():
        title = "the name of the ResourceManager is not known"
        yield bench.sample(title, "list", "--resource-manager", "http://rm:8088")
    yield from _silent()
    yield from _switched_off(bench)
    for title, namenode in NAMENODES:
        with _addresses((namenode,), "nn", 9870) as ((url,), names):
            yield bench.sample(title, "history", "digits", "--namenode", url, names=names)


def _command(managers: tuple[Responder | None, ...]) -> tuple[str, ...]:
    # Reads are content with the first that is active; only a write has to be sure.
    two_active = len(managers) == 2 and None not in managers
    return _LAUNCH if two_active else ("list",)


def denied(bench: Bench) -> Iterator[Sample]:
    """Yield what HDFS does not let us do."""
    yield bench.sample("no home directory on HDFS", *_LAUNCH, "--user", "mallory")
    _permit(bench, "700")
    yield bench.sample("a model that may not be read", *_LAUNCH, "--user", "mallory")
    _permit(bench, "755")
    with _addresses((always(_SAFE),), "nn", 9870) as ((url,), names):
        yield bench.sample("HDFS in safe mode", "history", "digits", "--namenode", url, names=names)


def _permit(bench: Bench, permission: str) -> None:
    url = f"{bench.sandbox.namenode_url}/webhdfs/v1/models/digits?op=SETPERMISSION&permission={permission}"
    assert send("PUT", f"{url}&user.name=alice").status == 200


def _silent() -> Iterator[Sample]:
    """Servers that take a request and do not answer: what the clients of the commands say, with less patience."""
    silence: dict[str, tuple[Responder, Callable[[HadoopSession, str], object]]] = {
        "a ResourceManager that hangs": (always(SILENCE), _active),
        "an ApplicationMaster that hangs: YARN does not answer for its service": (active_but(SILENCE), _service),
        "a NameNode that hangs": (always(SILENCE), _home),
    }
    for title, (responder, ask) in silence.items():
        with serving(responder) as wire, HadoopSession(SimpleAuthentication("alice"), timeouts=_IMPATIENT) as session:
            stands = "http://nn:9870" if "NameNode" in title else "http://rm:8088"
            yield sample_of(title, partial(ask, session, wire.url), {wire.url: stands})


def _active(session: HadoopSession, url: str) -> object:
    return ResourceManagers(session, (url,), probe_timeout=_IMPATIENT.read).active()


def _service(session: HadoopSession, url: str) -> object:
    return ServicesApi(session, ResourceManagers(session, (url,)), read_timeout=_IMPATIENT.read).get("digits")


def _home(session: HadoopSession, url: str) -> object:
    return Storage(session, (url,), sweeps=1).home()


def _switched_off(bench: Bench) -> Iterator[Sample]:
    """The services API is off."""
    url = f"{bench.sandbox.environment['YARNSERVE_SANDBOX']}/faults/api-off"
    assert send("PUT", url).status == 204
    yield bench.sample("the services API is switched off", *_LAUNCH)
    send("DELETE", url)


@contextmanager
def _addresses(
    responders: tuple[Responder | None, ...], host: str, port: int
) -> Iterator[tuple[list[str], Mapping[str, str]]]:
    """Yield the URLs of *responders*, and what stands for each of them on the page."""
    with ExitStack() as stack:
        urls = [
            stack.enter_context(serving(each)).url if each else f"http://127.0.0.1:{free_port()}" for each in responders
        ]
        stands = [f"http://{host}:{port}"] if len(urls) == 1 else [f"http://{host}{n}:{port}" for n in (1, 2)]
        yield urls, dict(zip(urls, stands, strict=True))


@contextmanager
def _nobody_is_known() -> Iterator[None]:
    """A resolver that knows this host alone."""
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "rm":
            raise socket.gaierror(-2, "Name or service not known")
        return real(host, *arguments, **options)

    with mock.patch("socket.getaddrinfo", resolve):
        yield
