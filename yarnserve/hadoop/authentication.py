"""Who we are to Hadoop: put on the session once, so that no request can be sent without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import requests
from requests.auth import AuthBase

from yarnserve.errors import AccessError


@dataclass(frozen=True)
class Credentials:
    """What one request has to carry: in its query, and in its headers. Neither is shown, for tokens are in them."""

    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Authentication(Protocol):
    """A way to say who is asking; *user* is the short name the cluster will see."""

    @property
    def user(self) -> str:
        """The short user name."""

    def attach(self, session: requests.Session) -> None:
        """Make *session* say who we are on every request."""

    def credentials(self, url: str) -> Credentials:
        """What a request to *url* that goes past the session has to carry."""


class Signed(AuthBase):
    """Puts what *credentials* gives for its address on each request of a session.

    An address that holds a token already is left as it is: a NameNode has made it for a DataNode.
    """

    def __init__(self, credentials: Callable[[str], Credentials]) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one request."""
        url = request.url or ""
        if "delegation" not in parse_qs(urlsplit(url).query):
            signed = self._credentials(url)
            if signed.query:
                request.prepare_url(url, dict(signed.query))
            request.headers.update(signed.headers)
        return request


class SimpleAuthentication:
    """Hadoop's "simple" authentication: the cluster believes ``user.name`` (yarn-services.md 1.3).

    Without it the ResourceManager acts as ``dr.who``, and a running service reads as "not found".
    """

    def __init__(self, user: str) -> None:
        self.user = user

    def attach(self, session: requests.Session) -> None:
        """Send ``user.name`` on every request, and tell where that is not believed."""
        session.params = {"user.name": self.user}
        session.hooks["response"].append(_explain)

    def credentials(self, url: str) -> Credentials:
        """The user's name."""
        return Credentials(query={"user.name": self.user})


def _explain(response: requests.Response, **_: Any) -> None:
    if response.status_code == 401 and response.headers.get("WWW-Authenticate", "").startswith("Negotiate"):
        raise AccessError(
            "the cluster wants Kerberos, and we only said who we are",
            where=response.url,
            why=f"HTTP 401 {response.reason}",
            fix="set HADOOP_CONF_DIR to its configuration (hadoop.security.authentication=kerberos), and run kinit",
        )
