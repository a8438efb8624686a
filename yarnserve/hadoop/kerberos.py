"""Who we are to a cluster with Kerberos: a SPNEGO token on every request (real-hadoop-kerberos.md 7, 8).

gssapi, of the extra ``kerberos``, is known here and nowhere else. A token is good for one request to one server, so
each request gets a new one, sent before the server asks for it: a body that can be sent once would be lost on its 401.
A DataNode takes none: its address comes from the NameNode and carries a credential of its own.
"""

from __future__ import annotations

import base64
import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from yarnserve.errors import AccessError, ConfigurationError, first_line
from yarnserve.hadoop.authentication import Credentials, Signed

_SPNEGO = "1.3.6.1.5.5.2"
_SET_CLOCK = "set the clock of this host: Kerberos allows 5 minutes"
_GET_TICKET = "get one with kinit, or name a keytab with --keytab and --principal"

#: What a server says of a token, in its reason phrase or body, and what helps (real-hadoop-kerberos.md 8).
_SERVER_SIDE = (
    ("Clock skew too great", _SET_CLOCK),
    ("Request is a replay", "repeat it: each token is good once"),
    ("Invalid server principal", "name the server as its principal does, most often by its full host name"),
    ("NoMatchingRule", "have a rule for your realm added to hadoop.security.auth_to_local on the cluster"),
    ("is not allowed to impersonate", "have hadoop.proxyuser.* of the server's own user set in its core-site.xml"),
)
#: What libkrb5 says before anything is sent, and what helps.
_CLIENT_SIDE = (
    ("No credentials cache|No Kerberos credentials|No credentials were supplied", _GET_TICKET),
    ("expired", "get a new one with kinit"),
    ("not found in Kerberos database", "name the server by the host name of its principal, not by an address"),
    ("Cannot contact any KDC|Cannot find KDC", "check krb5.conf, and that the KDC runs"),
    ("Clock skew", _SET_CLOCK),
    ("no suitable keys|Key table", "name a keytab that holds the principal with --keytab"),
    (
        "does not match|Can't find client principal",
        "get the principal's own ticket with kinit, or leave --principal out",
    ),
)


class KerberosAuthentication:
    """SPNEGO with a ticket of the cache (``kinit``), or with a keytab.

    Args:
        principal: whose ticket, such as ``alice@EXAMPLE.ORG``; empty for the one that the cache is of.
        keytab: a file with the principal's keys, in place of a ticket; None for the cache.

    Raises:
        ConfigurationError: the extra ``kerberos`` is not installed; no such keytab, or no principal named for it.
        AccessError: no ticket, an expired one, or one of somebody else.
    """

    def __init__(self, *, principal: str = "", keytab: Path | None = None) -> None:
        self._tickets = _Tickets(principal, keytab)
        #: The short name that the cluster sees: the first component of the principal.
        self.user = re.split("[/@]", self._tickets.principal)[0]

    def attach(self, session: requests.Session) -> None:
        """Send a token with every request, and tell why one is refused."""
        session.auth = Signed(self.credentials)
        session.hooks["response"].append(_explain)

    def credentials(self, url: str) -> Credentials:
        """A token for this one request.

        Raises:
            AccessError: there is none to be had.
        """
        return Credentials(headers={"Authorization": self._tickets.token(urlsplit(url).hostname or "")})


class _Tickets:
    """What tokens are made with."""

    def __init__(self, principal: str, keytab: Path | None) -> None:
        self._gssapi = _library()
        if keytab is not None and not keytab.is_file():
            raise ConfigurationError("there is no such keytab", where=str(keytab), fix="name one with --keytab")
        if keytab is not None and not principal:
            what = "a keytab may hold several principals"
            raise ConfigurationError(what, where=str(keytab), fix="name the one to use with --principal")
        self._name = self._gssapi.Name(principal, self._gssapi.NameType.kerberos_principal) if principal else None
        self._store = {"client_keytab": str(keytab), "ccache": "MEMORY:yarnserve"} if keytab else None
        with self._explained("no Kerberos ticket can be used"):
            self.principal = str(self._credentials().name)

    def token(self, host: str) -> str:
        """Return a new token for the web server on *host*, as the value of Authorization.

        Raises:
            AccessError: no ticket any more, or no such server in Kerberos.
        """
        with self._explained(f"Kerberos gives no token for {host}"):
            server = self._gssapi.Name(f"HTTP@{host}", self._gssapi.NameType.hostbased_service)
            mechanism = self._gssapi.OID.from_int_seq(_SPNEGO)
            context = self._gssapi.SecurityContext(
                name=server, creds=self._credentials(), usage="initiate", mech=mechanism
            )
            return "Negotiate " + base64.b64encode(context.step()).decode()

    def _credentials(self) -> Any:
        # Looked up each time: a ticket is renewed beside us, and a keytab's by libkrb5 itself.
        found = self._gssapi.Credentials(usage="initiate", name=self._name, store=self._store)
        if not found.lifetime:
            raise self._gssapi.exceptions.ExpiredCredentialsError(0, 0)
        return found

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._gssapi.exceptions.GSSError as error:
            # The generic comes first and the cause last.
            why = first_line(re.sub(r"(?s)^.*Minor \(\d+\): ", "", str(error)))
            if isinstance(error, self._gssapi.exceptions.ExpiredCredentialsError):
                why = "the ticket has expired"
            fix = _fix(why, _CLIENT_SIDE) or "look at your ticket with klist"
            raise AccessError(what, why=why, fix=fix) from error


def _explain(response: requests.Response, **_: Any) -> None:
    """Raise what a refused token means; any other refusal is left to whoever asked."""
    if response.status_code not in (401, 403, 500):
        return
    for told in (response.reason or "", response.text):
        if fix := _fix(told, _SERVER_SIDE):
            raise AccessError(
                "the server refuses our Kerberos token", where=response.url, why=first_line(told), fix=fix
            )


def _fix(told: str, table: tuple[tuple[str, str], ...]) -> str:
    return next((fix for pattern, fix in table if re.search(pattern, told)), "")


def _library() -> Any:
    """Import gssapi once it is needed: nobody else has to have libkrb5."""
    try:
        return importlib.import_module("gssapi")
    except ImportError as error:
        raise ConfigurationError(
            "this cluster wants Kerberos, and the library for it is not installed",
            where="hadoop.security.authentication of core-site.xml",
            why=first_line(str(error)),
            fix="pip install 'yarnserve[kerberos]'; it needs libkrb5, and to build it libkrb5-dev, gcc and python3-dev",
        ) from error
