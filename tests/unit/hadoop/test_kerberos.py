"""Kerberos where there is none: what is told without its library, and by servers that refuse a token."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import requests

from yarnserve.config import Flags, resolve
from yarnserve.errors import AccessError, ConfigurationError
from yarnserve.hadoop import kerberos
from yarnserve.hadoop.authentication import SimpleAuthentication
from yarnserve.hadoop.kerberos import KerberosAuthentication


def refusal(status: int, reason: str, body: str = "", challenge: str = "") -> requests.Response:
    """An answer as a server sends it."""
    response = requests.Response()
    response.status_code, response.reason, response.url = status, reason, "http://rm:8088/x"
    response._content = body.encode()
    if challenge:
        response.headers["WWW-Authenticate"] = challenge
    return response


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gssapi is not installed, the extra and what it needs are named."""
    monkeypatch.setitem(sys.modules, "gssapi", None)
    with pytest.raises(ConfigurationError) as raised:
        KerberosAuthentication()
    assert "yarnserve[kerberos]" in raised.value.fix


@pytest.mark.parametrize(
    ("status", "reason", "body", "fix"),
    [
        (403, "GSSException: Failure unspecified (Mechanism level: Clock skew too great (37))", "", "clock"),
        (403, "GSSException: ... (Mechanism level: Request is a replay (34))", "", "repeat"),
        (403, "java.lang.IllegalArgumentException: Invalid server principal hdfs/localhost@X", "", "host name"),
        (500, "Server Error", "KerberosName$NoMatchingRule: No rules applied to eve@OTHER", "auth_to_local"),
        (403, "Forbidden", '{"diagnostics":"User: yarn/h@X is not allowed to impersonate alice"}', "proxyuser"),
    ],
)
def test_a_refused_token(status: int, reason: str, body: str, fix: str) -> None:
    """Each recorded refusal of a token is told in the server's words with what helps (kerberos-3.3.6)."""
    with pytest.raises(AccessError) as raised:
        kerberos._explain(refusal(status, reason, body))
    assert fix in raised.value.fix
    assert raised.value.where == "http://rm:8088/x"


def test_other_answers_go_on() -> None:
    """A refusal of rights, an error and a success are left to whoever asked, as they came."""
    for response in (
        refusal(403, "Forbidden", '{"RemoteException": {"exception": "AccessControlException"}}'),
        refusal(500, "Server Error", "boom"),
        refusal(200, "OK"),
    ):
        assert requests.hooks.dispatch_hook("response", {"response": [kerberos._explain]}, response) is response


def test_who_only_says_a_name_is_told_of_kerberos() -> None:
    """A 401 with Negotiate names the setting and kinit; another challenge is not Kerberos."""
    session = requests.Session()
    SimpleAuthentication("alice").attach(session)
    (explain,) = session.hooks["response"]
    with pytest.raises(AccessError) as raised:
        explain(refusal(401, "Authentication required", challenge="Negotiate"))
    assert "kinit" in raised.value.fix
    explain(refusal(401, "Authentication required", challenge="PseudoAuth"))


def test_the_setting(tmp_path: Path) -> None:
    """core-site.xml says that a cluster wants Kerberos; a keytab says so too."""
    (tmp_path / "yarn-site.xml").write_text(
        "<configuration><property><name>yarn.resourcemanager.hostname</name><value>rm</value></property></configuration>"
    )
    plain = resolve(Flags(conf_dir=str(tmp_path)), {}, directory=tmp_path)
    with_keytab = resolve(Flags(conf_dir=str(tmp_path), keytab="/k"), {}, directory=tmp_path)
    assert (plain.has_kerberos, with_keytab.has_kerberos, with_keytab.keytab) == (False, True, Path("/k"))
    (tmp_path / "core-site.xml").write_text(
        "<configuration><property><name>hadoop.security.authentication</name><value>Kerberos</value></property>"
        "</configuration>"
    )
    assert resolve(Flags(conf_dir=str(tmp_path)), {}, directory=tmp_path).has_kerberos


@pytest.mark.kerberos
def test_a_keytab_needs_its_principal(tmp_path: Path) -> None:
    """A keytab that is not there, or without a principal, is refused before Kerberos is asked."""
    with pytest.raises(ConfigurationError, match="no such keytab"):
        KerberosAuthentication(principal="alice@X", keytab=tmp_path / "none")
    (tmp_path / "k").write_bytes(b"")
    with pytest.raises(ConfigurationError) as raised:
        KerberosAuthentication(keytab=tmp_path / "k")
    assert "--principal" in raised.value.fix
