"""One way to speak HTTP to Hadoop; requests, urllib3 and tenacity are known here and nowhere above.

Manners, all of them learnt from real clusters (real-hadoop-ha.md 2, 6):

- ``user.name`` goes with every request and no cookie is ever sent back: a cookie would win over ``user.name``.
- Redirects are not followed: a standby's 307 may point at itself or at a dead host.
- The environment's proxies and ``.netrc`` are ignored.
- Every request has a connect and a read time-out, and no answer is read beyond MAX_BODY bytes.
"""

from __future__ import annotations

import http.client
import json as json_module
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from random import Random
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlencode

import requests
import tenacity
import urllib3.exceptions
from requests import exceptions

from yarnserve.errors import (
    ConfigurationError,
    MalformedAnswerError,
    NotListeningError,
    RequestTimeoutError,
    UnreachableError,
    YarnserveError,
    first_line,
)
from yarnserve.hadoop.authentication import Authentication

#: Largest answer that is read into memory, in bytes.
MAX_BODY = 64 * 1024 * 1024

#: Methods that change nothing: when their connection breaks there is no outcome to be unsure about.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Longest pause before the first repetition of a GET, in seconds; it doubles with each one, up to MAX_PAUSE.
FIRST_PAUSE = 0.5
MAX_PAUSE = 5.0

# Logs are text/plain and nothing else, so JSON alone would be refused there. The CSRF filter wants its header
# to be present, with any value (yarn-services.md 1.2).
_HEADERS = {"Accept": "application/json, text/plain;q=0.5", "X-XSRF-HEADER": "yarnserve"}

_NOT_HTTP = "check that the address is that of a Hadoop web server; one that speaks TLS is written as https://host:port"

_BUSY = "repeat it; if that ends alike, look at the server's load and log"
_UNCLEAR = "look what became of it before it is repeated"

Params = Mapping[str, str | int]


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for a connection, and for the server's next bytes."""

    connect: float = 3.05
    read: float = 30.0


@dataclass(frozen=True)
class Reply:
    """An HTTP answer of any status, read whole; *location* is where a redirect points, else empty."""

    status: int
    reason: str
    content_type: str
    body: bytes
    url: str
    location: str = ""

    @property
    def text(self) -> str:
        """The body as UTF-8, bytes that are not UTF-8 replaced."""
        return self.body.decode("utf-8", errors="replace")

    def document(self) -> Any:
        """Read the body as JSON.

        Raises:
            MalformedAnswerError: an HTML page, truncated JSON, an empty body.
        """
        try:
            return json_module.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise MalformedAnswerError(
                f"the answer is not JSON (HTTP {self.status}, {self.content_type or 'no Content-Type'})",
                where=self.url,
                why=first_line(self.text, 120) or "the body is empty",
                fix="check that the address is that of a Hadoop web server, and not of a proxy or a login page",
            ) from error


class HadoopSession:
    """Requests to any number of Hadoop servers as one user; a context manager.

    Args:
        authentication: who is asking.
        timeouts: for every request that does not bring its own read time-out.
        sleep: how to wait between the attempts of :meth:`get`.
        random: the jitter of these waits.
        transport: what carries the requests; None is the network.
    """

    def __init__(
        self,
        authentication: Authentication,
        *,
        timeouts: Timeouts | None = None,
        sleep: Callable[[float], None] = time.sleep,
        random: Random | None = None,
        transport: requests.adapters.BaseAdapter | None = None,
    ) -> None:
        self.user = authentication.user
        self.authentication = authentication
        self.timeouts = timeouts or Timeouts()
        self._sleep = sleep
        self._random = random or Random()
        #: The same manners for the hdfs library, which says itself where it follows a redirect to a DataNode.
        self.requests_session: requests.Session = _ForgetfulSession()
        if transport is not None:
            for scheme in ("http://", "https://"):
                self.requests_session.mount(scheme, transport)
        authentication.attach(self.requests_session)

    def __enter__(self) -> HadoopSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self.requests_session.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        json: Any = None,
        read_timeout: float | None = None,
    ) -> Reply:
        """Send one request, once. Every HTTP status is a Reply, redirects included.

        Raises:
            UnreachableError: nobody listens (NotListeningError), or the connection of a GET broke.
            RequestTimeoutError: the request was sent and its outcome is unknown.
            MalformedAnswerError: the answer is not HTTP, or larger than MAX_BODY.
            ConfigurationError: *url* is not a URL.
        """
        timeout = (self.timeouts.connect, self.timeouts.read if read_timeout is None else read_timeout)
        with (
            translated(url, sent=method not in SAFE_METHODS),
            self.requests_session.request(
                method,
                url,
                params=params,
                json=json,
                headers=_HEADERS,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            return Reply(
                status=response.status_code,
                reason=response.reason or "",
                content_type=response.headers.get("Content-Type", ""),
                body=_read_body(response, url),
                url=response.url,
                location=response.headers.get("Location", ""),
            )

    def get(
        self,
        url: str,
        *,
        params: Params | None = None,
        read_timeout: float | None = None,
        attempts: int = 3,
    ) -> Reply:
        """GET, up to *attempts* times while nothing usable answers, with growing random pauses.

        A time-out is not repeated: the caller's patience is spent, and a services GET that blocks may do so
        for 15 minutes (yarn-services.md 1.5). Neither is a malformed answer.

        Raises:
            YarnserveError: that of the last attempt; see :meth:`request`.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(attempts),
            wait=self._pause,
            retry=tenacity.retry_if_exception(_worth_repeating),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self.request, "GET", url, params=params, read_timeout=read_timeout)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        longest = min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** (state.attempt_number - 1))
        return self._random.uniform(longest / 2, longest)


@contextmanager
def translated(url: str, *, sent: bool = True) -> Iterator[None]:
    """Turn every exception of requests and urllib3 inside the block into one of ours.

    Args:
        url: what is being asked, for the message.
        sent: whether the request may have changed something once it was sent. Then a connection that breaks
            before the answer is a RequestTimeoutError (outcome unknown); for a read it is a plain
            UnreachableError. A connection that was refused never sent anything, and is UnreachableError in both.
    """
    try:
        yield
    except (exceptions.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
        raise _translate(error, url, sent) from error


class _ForgetfulSession(requests.Session):
    """A session without cookies and without the environment's proxies, netrc and certificate settings."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(_NO_COOKIES)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """The same without what there is not here; requests spends half of its time on merging nothing into nothing."""
        prepared = _ForgetfulRequest()
        headers: dict[str, Any] = {**self.headers, **(request.headers or {})}
        always, given = cast("dict[str, Any]", self.params), cast("dict[str, Any]", request.params or {})
        prepared.prepare(
            method=request.method,
            url=request.url,
            files=request.files,
            data=request.data,
            json=request.json,
            headers={name: value for name, value in headers.items() if value is not None},
            params=urlencode({name: value for name, value in {**always, **given}.items() if value is not None}),
            auth=request.auth or self.auth,
            hooks={event: [*self.hooks.get(event, ()), *told] for event, told in request.hooks.items()},
        )
        return prepared

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """There is no environment."""
        return {
            "proxies": proxies or {},
            "stream": self.stream if stream is None else stream,
            "verify": self.verify if verify is None else verify,
            "cert": cert or self.cert,
        }


class _ForgetfulRequest(requests.PreparedRequest):
    """A request that carries no cookies."""

    def prepare_cookies(self, cookies: Any) -> None:
        # A followed redirect copies cookies from jar to jar of the requests, past the session's own jar.
        self._cookies = requests.cookies.RequestsCookieJar(policy=_NO_COOKIES)


_NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])


def _worth_repeating(error: BaseException) -> bool:
    return isinstance(error, UnreachableError) and not isinstance(error, MalformedAnswerError | RequestTimeoutError)


def _read_body(response: requests.Response, url: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > MAX_BODY:
            raise MalformedAnswerError(f"the answer is larger than {MAX_BODY >> 20} MiB", where=url)
    return bytes(body)


def _translate(error: Exception, url: str, sent: bool) -> YarnserveError:
    cause = _cause(error)
    why = _words(cause)
    if isinstance(error, exceptions.InvalidURL | exceptions.InvalidSchema | exceptions.MissingSchema) or isinstance(
        cause, urllib3.exceptions.LocationParseError
    ):
        return ConfigurationError(f"not a usable address: {url}", why=why, fix="write it as http://host:port")
    if isinstance(error, exceptions.ReadTimeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        what = "the server took the request and did not answer in time"
        return RequestTimeoutError(what, where=url, why=why, fix=_UNCLEAR if sent else _BUSY)
    if isinstance(error, exceptions.SSLError):
        return UnreachableError("no TLS connection comes about", where=url, why=why, fix=_tls_fix(why))
    if _never_connected(error, cause):
        kind = NotListeningError if _refused(cause) else UnreachableError
        return kind("cannot connect", where=url, why=why, fix="check that the server runs and the address")
    if _not_http(error, cause):
        return MalformedAnswerError("the answer is not usable HTTP", where=url, why=why, fix=_NOT_HTTP)
    if sent:
        return RequestTimeoutError(
            "the connection broke before the answer: the request may have been carried out",
            where=url,
            why=why,
            fix=_UNCLEAR,
        )
    return UnreachableError("the connection broke before the answer was complete", where=url, why=why, fix=_BUSY)


def _cause(error: Exception) -> Exception:
    # requests carries urllib3's exception as its first argument, MaxRetryError the last try's as reason. The
    # __context__ chain would not do: it runs on into whatever the caller was handling when it asked.
    inner = error.args[0] if error.args else None
    if isinstance(inner, urllib3.exceptions.MaxRetryError):
        inner = inner.reason
    return inner if isinstance(inner, Exception) else error


def _words(cause: Exception) -> str:
    deeper = next((arg for arg in reversed(cause.args) if isinstance(arg, Exception)), cause)
    # "HTTPConnection(host='h', port=1): Failed to establish ...": the address is in `where` already.
    return first_line(str(deeper).split("): ", 1)[-1]) or type(cause).__name__


def _tls_fix(why: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in why.upper():
        return "the certificates that this host trusts do not vouch for the server's; ask who runs it"
    return "a server that speaks plain HTTP is written as http://host:port"


def _never_connected(error: Exception, cause: Exception) -> bool:
    return isinstance(error, exceptions.ConnectTimeout) or isinstance(
        cause, urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.NewConnectionError
    )


def _refused(cause: Exception) -> bool:
    return isinstance(cause.__cause__ or cause.__context__, ConnectionRefusedError)


def _not_http(error: Exception, cause: Exception) -> bool:
    if isinstance(cause, urllib3.exceptions.ProtocolError):
        details = [arg for arg in (cause, *cause.args) if isinstance(arg, http.client.HTTPException)]
        return not all(
            isinstance(arg, http.client.RemoteDisconnected | http.client.IncompleteRead)
            and not isinstance(arg, urllib3.exceptions.InvalidChunkLength)
            for arg in details
        )
    return not isinstance(error, exceptions.ConnectionError | exceptions.Timeout | exceptions.ChunkedEncodingError)
