"""Who we are inside a container of a cluster with Kerberos: the token that YARN has put there.

YARN asks the NameNode for it when the service is submitted and renews it there every day, which changes nothing in
the file. After ``dfs.namenode.delegation.token.max-lifetime``, 7 days by default, nobody can renew it; a container
that YARN starts again gets the same one, for the ApplicationMaster has kept those of its own start (ServiceMaster's
recordTokensForContainers). Only a new submission gives another, so nothing here can outlive it.

A NameNode takes it as ``delegation=`` in the query and in no header; HttpFS gives and takes tokens of its own alone
(real-hadoop-kerberos.md 6, 9).
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from yarnserve.errors import AccessError, YarnserveError, first_line
from yarnserve.hadoop import remote
from yarnserve.hadoop.authentication import Credentials, Signed
from yarnserve.hadoop.tokens import Token, read_tokens

#: Where YARN tells a container the path of its tokens.
VARIABLE = "HADOOP_TOKEN_FILE_LOCATION"

#: The kind that a NameNode gives by RPC, as YARN asks for it.
HDFS_KIND = "HDFS_DELEGATION_TOKEN"

#: The kinds that a web server gives: HttpFS of today and of old, or a NameNode's WebHDFS; each is for that server.
WEB_KINDS = frozenset({"WEBHDFS delegation", "SWEBHDFS delegation", "HTTPFS delegation"})

_LOGICAL = "ha-hdfs:"
_RPC_PORT = "8020"

Resolve = Callable[[str], Collection[str]]


class DelegationTokenAuthentication:
    """The container's token on every request, never a user's name.

    The file is read for each request, so that another one put there counts at once: it is small and local.

    Args:
        file: the file of tokens; None where nobody named one.
        file_systems: by base URL of a NameNode or HttpFS, the authority of the file system behind it (``prod``,
            ``host:8020``), empty or left out where that is not known.
        renewal: what gives the container another token, or makes it need none, for whoever reads an error.
        next: the command that does.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        file: Path | None,
        *,
        file_systems: Mapping[str, str] | None = None,
        renewal: Callable[[], str] = lambda: "launch the service again",
        next: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._file_systems = file_systems or {}
        self._renewal = renewal
        self._next = next
        self._clock = clock

    @property
    def user(self) -> str:
        """Whose token it is; empty while there is none."""
        with suppress(YarnserveError):
            return next((token.owner for token in self._tokens() if token.owner), "")
        return ""

    def attach(self, session: requests.Session) -> None:
        """Send the token with every request, and tell why one is refused."""
        session.auth = Signed(self.credentials)
        session.hooks["response"].append(self._explain)

    def credentials(self, url: str) -> Credentials:
        """The token for the server at *url*.

        Raises:
            AccessError: there is none; says what gives one.
            ConfigurationError: the file is none of Hadoop's tokens.
        """
        base = max(filter(url.startswith, self._file_systems), key=len, default="")
        try:
            token = token_for(self._tokens(), url, self._file_systems.get(base, ""))
        except NoTokenError as error:
            raise self._error(error.what, where=str(self._file), why=error.why) from None
        return Credentials(query={"delegation": token.to_url()})

    def _tokens(self) -> Sequence[Token]:
        if self._file is None:
            what = "this container has no Hadoop tokens, and the cluster wants Kerberos"
            raise self._error(what, where=VARIABLE, why="the variable is not set: YARN sets it in its containers")
        try:
            content = self._file.read_bytes()
        except OSError as error:
            what = "this container's file of Hadoop tokens cannot be read"
            raise self._error(what, where=str(self._file), why=error.strerror or str(error)) from error
        return read_tokens(content, str(self._file))

    def _explain(self, response: requests.Response, **_: Any) -> None:
        """Raise what the refusal of our token means; any other refusal is left to whoever asked."""
        if response.status_code not in (401, 403):
            return
        sent = parse_qs(urlsplit(response.url or "").query).get("delegation", [""])[0]
        ours = self._token_in(sent)
        error = self._refusal(ours, response) if ours is not None else None
        if error is not None:
            raise error

    def _token_in(self, sent: str) -> Token | None:
        """Our token, where it is what was sent; a NameNode's redirect may hold one of another."""
        with suppress(YarnserveError):
            return next((token for token in self._tokens() if token.to_url() == sent), None)
        return None

    def _refusal(self, token: Token, response: requests.Response) -> AccessError | None:
        """What the refusal of *token* means; None where it is not the token that is refused."""
        told = _exception(response.text)
        why = first_line(told.message) if told else f"HTTP {response.status_code} {response.reason}"
        where = (response.url or "").partition("?")[0]
        if response.status_code == 401 or (told and told.exception == "AuthenticationException"):
            if token.kind == HDFS_KIND:
                return self._error("HttpFS does not take HDFS's token, and this container has no other", where, why)
        elif told is None or not remote.refuses_token(told):
            return None
        return self._error(self._ended(token) or "the server does not take this container's token", where, why)

    def _ended(self, token: Token) -> str:
        """That *token* has ended, in words; empty while it should be good."""
        if token.ends_at is None or token.ends_at > self._clock():
            return ""
        try:
            ended = datetime.fromtimestamp(token.ends_at, timezone.utc)
        except (OverflowError, OSError, ValueError):
            return ""
        return f"this container's HDFS token ended on {ended:%Y-%m-%d %H:%M} UTC: the service has to be launched again"

    def _error(self, what: str, where: str, why: str) -> AccessError:
        return AccessError(what, where=where, why=why, fix=self._renewal(), next=self._next)


class NoTokenError(Exception):
    """None of a container's tokens is for a server: *what* is the case, and *why*."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what)
        self.what, self.why = what, why


def token_for(tokens: Sequence[Token], url: str, file_system: str, *, resolve: Resolve | None = None) -> Token:
    """Return the one of *tokens* for the server at *url*, behind which *file_system* is.

    A web server's own token goes before HDFS's. Of several of HDFS's the one of this file system counts; a single one
    is taken as ours, since a NameNode has more addresses than a token says, unless both name a nameservice.

    Args:
        tokens: those of the container.
        url: the server.
        file_system: an authority such as ``prod`` or ``host:8020``; empty where it is not known.
        resolve: a host's IP addresses.

    Raises:
        NoTokenError: there is none, or which one cannot be told.
    """
    parts = urlsplit(url)
    resolve = resolve or _addresses
    for token in tokens:
        if token.kind in WEB_KINDS and _is_at(token.service, parts.netloc, resolve):
            return token
    # Clients of older Hadoops save copies of a nameservice's token for each of its NameNodes.
    ours = list({(token.identifier, token.password): token for token in tokens if token.kind == HDFS_KIND}.values())
    if not ours:
        held = ", ".join(sorted({token.kind for token in tokens})) or "none at all"
        raise NoTokenError("this container has no token for HDFS", f"its file holds {held}")
    matching = [token for token in tokens if token.kind == HDFS_KIND and _is_of(token.service, file_system, resolve)]
    if matching:
        return matching[0]
    services = ", ".join(token.service or "(unnamed)" for token in ours)
    if len(ours) > 1:
        where = f"hdfs://{file_system}" if file_system else "the default file system"
        raise NoTokenError(f"which of this container's tokens is for {where} cannot be told", f"they are of {services}")
    (token,) = ours
    if token.service.startswith(_LOGICAL) and file_system and not re.search(r"[.:]", file_system):
        raise NoTokenError(f"this container has no token for hdfs://{file_system}", f"its token is of {services}")
    return token


def _is_of(service: str, file_system: str, resolve: Resolve) -> bool:
    if not file_system:
        return False
    if service.startswith(_LOGICAL):
        return service == f"{_LOGICAL}{file_system}"
    has_port = re.search(r":[0-9]+$", file_system)
    return _is_at(service, file_system if has_port else f"{file_system}:{_RPC_PORT}", resolve)


def _is_at(service: str, address: str, resolve: Resolve) -> bool:
    """Whether ``ip:port`` or ``host:port`` of a token is *address*; hosts may be written either way."""
    if service.lower() == address.lower():
        return True
    host, _, port = service.rpartition(":")
    other, _, other_port = address.rpartition(":")
    return bool(host and other) and port == other_port and not set(resolve(host)).isdisjoint(resolve(other))


def _addresses(host: str) -> Collection[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host.strip("[]"), None)}
    except (OSError, UnicodeError):
        return ()


def _exception(text: str) -> remote.RemoteException | None:
    try:
        return remote.find(json.loads(text))
    except (ValueError, RecursionError):
        return None
