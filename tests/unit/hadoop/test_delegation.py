"""A container's token at servers that take or refuse it, over real sockets; refusals as recorded (kerberos-3.3.6)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support import golden
from tests.unit.hadoop.token_file import HDFS, Given, identifier, writable
from tests.unit.hadoop.wire import Asked, Wire, answer, serving
from yarnserve.errors import AccessError, ConfigurationError, StandbyError, YarnserveError
from yarnserve.hadoop.delegation import DelegationTokenAuthentication, NoTokenError, token_for
from yarnserve.hadoop.session import HadoopSession, Timeouts
from yarnserve.hadoop.streams import Streams
from yarnserve.hadoop.tokens import Token
from yarnserve.storage.client import Storage

GOOD = Given(identifier())
ENDED = Given(identifier(ends_at=1_000_000_000))


def put(file: Path, *tokens: Given) -> Path:
    """Write *tokens* where YARN would."""
    file.write_bytes(writable(tokens))
    return file


def sent(asked: Asked) -> Mapping[str, list[str]]:
    """The query of a request."""
    return parse_qs(urlsplit(asked.target).query)


def home(asked: Asked) -> bytes:
    """A NameNode that answers everybody."""
    return answer(200, {"Path": "/user/alice"})


def refusing(exception: str, message: str, status: int = 403) -> AbstractContextManager[Wire]:
    """A server that says the same to everybody."""
    body = {"RemoteException": {"exception": exception, "message": message, "javaClassName": exception}}
    return serving(lambda asked: answer(status, body))


def recorded(step: str) -> AbstractContextManager[Wire]:
    """A server that answers as the real one did in *step*."""
    each = next(each for each in golden("kerberos-3.3.6") if each["step"] == step)
    return serving(lambda asked: answer(each["status"], each["body"]))


def ask(url: str, authentication: DelegationTokenAuthentication) -> str:
    """Ask for the home directory, as an agent would."""
    with HadoopSession(authentication) as session:
        return Storage(session, [url], sweeps=1).home()


def refusal(url: str, file: Path, **arguments: Any) -> YarnserveError:
    """How that is refused."""
    with pytest.raises(AccessError) as raised:
        ask(url, DelegationTokenAuthentication(file, **arguments))
    return raised.value


def test_the_query_has_it(tmp_path: Path) -> None:
    """Each request has the token in its query, and no user's name."""
    with serving(home) as server:
        assert ask(server.url, DelegationTokenAuthentication(put(tmp_path / "t", GOOD))) == "/user/alice"
    (asked,) = server.asked
    assert sent(asked)["delegation"] == [GOOD.in_url]
    assert "user.name" not in asked.target


def test_streams_have_it(tmp_path: Path) -> None:
    """So has a request that goes past the session; where a NameNode points to is asked as it stands."""
    authentication = DelegationTokenAuthentication(put(tmp_path / "t", GOOD))
    with serving(home) as server:
        streams = Streams(authentication, Timeouts())
        with streams.open(f"{server.url}/webhdfs/v1/f", {"op": "OPEN"}) as stream:
            assert stream.status == 200
        with streams.follow(f"{server.url}/webhdfs/v1/f?op=OPEN&delegation=THEIRS") as stream:
            assert stream.status == 200
        streams.close()
    assert [sent(asked)["delegation"] for asked in server.asked] == [[GOOD.in_url], ["THEIRS"]]


def test_a_redirect_keeps_its_own(tmp_path: Path) -> None:
    """A DataNode's address, which has the NameNode's token in it, does not get ours as well."""
    place = {"Location": ""}

    def respond(asked: Asked) -> bytes:
        if "THEIRS" in asked.target:
            return answer(200, b"content")
        if "OPEN" in asked.target:
            return answer(307, b"", Location=place["Location"])
        status = {"pathSuffix": "", "type": "FILE", "length": 7, "modificationTime": 0, "owner": "a", "permission": "6"}
        return answer(200, {"FileStatus": status})

    with serving(respond) as server:
        place["Location"] = f"{server.url}/webhdfs/v1/f?op=OPEN&delegation=THEIRS"
        with HadoopSession(DelegationTokenAuthentication(put(tmp_path / "t", GOOD))) as session:
            assert Storage(session, [server.url]).read("/f") == b"content"
    assert [sent(asked)["delegation"] for asked in server.asked[-2:]] == [[GOOD.in_url], ["THEIRS"]]


def test_another_file_counts_at_once(tmp_path: Path) -> None:
    """A token that is put there while we run is the one that goes with the next request."""
    authentication = DelegationTokenAuthentication(put(tmp_path / "t", ENDED))
    with serving(home) as server:
        ask(server.url, authentication)
        put(tmp_path / "t", GOOD)
        ask(server.url, authentication)
    assert [sent(asked)["delegation"] for asked in server.asked] == [[ENDED.in_url], [GOOD.in_url]]


@pytest.mark.parametrize(
    "step", ["status-cancelled", "status-garbage", "tampered", "open-at-datanode-cancelled-unused"]
)
def test_a_refused_token(tmp_path: Path, step: str) -> None:
    """A token that should be good and is refused is told as that, with what gives another."""
    with recorded(step) as server:
        error = refusal(server.url, put(tmp_path / "t", GOOD), renewal=lambda: "start it anew", next="yarnserve start")
    assert error.what == "the server does not take this container's token"
    assert (error.fix, error.next) == ("start it anew", "yarnserve start")
    assert error.where.startswith(server.url)
    assert error.why


def test_an_ended_token(tmp_path: Path) -> None:
    """A token that is refused after its last day says when that was, and that the service has to be launched again."""
    with recorded("status-cancelled") as server:
        error = refusal(server.url, put(tmp_path / "t", ENDED))
    assert error.what == (
        "this container's HDFS token ended on 2001-09-09 01:46 UTC: the service has to be launched again"
    )
    assert "can't be found in cache" in error.why


def test_it_is_the_server_who_says_that_it_has_ended(tmp_path: Path) -> None:
    """A clock that is off does not keep a good token from being sent."""
    with serving(home) as server:
        assert ask(server.url, DelegationTokenAuthentication(put(tmp_path / "t", ENDED))) == "/user/alice"


def test_httpfs(tmp_path: Path) -> None:
    """HttpFS's refusal of HDFS's token is told as what it is."""
    with recorded("open-namenode-token") as server:
        error = refusal(server.url, put(tmp_path / "t", GOOD))
    assert error.what == "HttpFS does not take HDFS's token, and this container has no other"


def test_httpfs_of_its_own_token(tmp_path: Path) -> None:
    """HttpFS's own token goes to HttpFS, and when it is refused nobody blames HDFS's."""
    with recorded("open-cancelled") as server:
        netloc = urlsplit(server.url).netloc
        own = Given(identifier(), kind="WEBHDFS delegation", service=netloc)
        error = refusal(server.url, put(tmp_path / "t", GOOD, own))
    assert sent(server.asked[0])["delegation"] == [own.in_url]
    assert error.what == "the server does not take this container's token"


def test_a_standby_is_asked_to_wait_for(tmp_path: Path) -> None:
    """A standby refuses every token, which says nothing of ours."""
    message = "Failed to obtain user group information: org.apache.hadoop.security.token.SecretManager$InvalidToken: "
    with (
        refusing("SecurityException", message + "StandbyException") as server,
        pytest.raises(StandbyError),
    ):
        ask(server.url, DelegationTokenAuthentication(put(tmp_path / "t", ENDED)))


def test_a_refusal_of_rights(tmp_path: Path) -> None:
    """Who may not read a directory is told so, and not of tokens."""
    with refusing("AccessControlException", "Permission denied: user=alice, access=READ") as server:
        error = refusal(server.url, put(tmp_path / "t", ENDED))
    assert "Permission denied" in error.why
    assert "token" not in error.what


def test_no_file(tmp_path: Path) -> None:
    """Without a file, or with a variable that names none that can be read, nothing is sent and that is told."""
    with serving(home) as server:
        with pytest.raises(AccessError, match="has no Hadoop tokens") as unnamed:
            ask(server.url, DelegationTokenAuthentication(None))
        missing = refusal(server.url, tmp_path / "missing")
    assert unnamed.value.where == "HADOOP_TOKEN_FILE_LOCATION"
    assert (missing.where, missing.why) == (str(tmp_path / "missing"), "No such file or directory")
    assert not server.asked


def test_no_token_of_hdfs(tmp_path: Path) -> None:
    """A file without a token of HDFS says what it has."""
    with serving(home) as server:
        error = refusal(server.url, put(tmp_path / "t", Given(kind="YARN_AM_RM_TOKEN")))
        (tmp_path / "t").write_bytes(b"rubbish")
        with pytest.raises(ConfigurationError):
            ask(server.url, DelegationTokenAuthentication(tmp_path / "t"))
    assert error.what == "this container has no token for HDFS"
    assert "YARN_AM_RM_TOKEN" in error.why


def test_whose_it_is(tmp_path: Path) -> None:
    """The user is the token's owner; nobody while there is none."""
    assert DelegationTokenAuthentication(put(tmp_path / "t", GOOD)).user == "alice"
    assert DelegationTokenAuthentication(None).user == ""


def test_it_is_never_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No error shows the token, whether the server refuses it, speaks no HTTP, or is not there; nor do credentials."""
    authentication = DelegationTokenAuthentication(put(tmp_path / "t", GOOD))
    told = [repr(authentication), repr(authentication.credentials("http://nn"))]
    with recorded("status-cancelled") as refuses, serving(lambda asked: b"rubbish\r\n\r\n") as rubbish:
        urls = [refuses.url, rubbish.url, "http://127.0.0.1:1"]
        for url in urls:
            with pytest.raises(YarnserveError) as raised:
                ask(url, authentication)
            told += [str(raised.value), *(text for _, text in raised.value.details())]
            streams = Streams(authentication, Timeouts())
            try:
                with streams.open(f"{url}/webhdfs/v1/f", {"op": "OPEN"}) as stream:
                    told.append(stream.refusal())
            except YarnserveError as error:
                told += [str(error), *(text for _, text in error.details())]
    assert not [text for text in told if GOOD.in_url in text]
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def held(*tokens: Given) -> list[Token]:
    """What a container has."""
    return [Token(each.identifier, each.password, each.kind, each.service) for each in tokens]


PROD, TEST = Given(b"p", service="ha-hdfs:prod"), Given(b"t", service="ha-hdfs:test")
ONE, TWO = Given(b"1", service="10.0.0.1:8020"), Given(b"2", service="10.0.0.2:8020")
#: IP addresses by host.
HOSTS = {"nn1": {"10.0.0.1"}, "nn2": {"10.0.0.2"}, "10.0.0.1": {"10.0.0.1"}, "10.0.0.2": {"10.0.0.2"}}


def resolve(host: str) -> Collection[str]:
    """What a name server knows of HOSTS."""
    return HOSTS.get(host, ())


@pytest.mark.parametrize(
    ("tokens", "file_system", "expected"),
    [
        ([PROD], "prod", PROD),
        ([PROD], "", PROD),
        ([PROD, TEST], "test", TEST),
        ([ONE, TWO], "nn2:8020", TWO),
        ([ONE, TWO], "nn2", TWO),
        ([ONE, TWO], "10.0.0.1:8020", ONE),
        ([ONE, PROD], "prod", PROD),
        # A NameNode has more addresses than a token tells, and one of a nameservice may be named itself.
        ([ONE], "nn2:8020", ONE),
        ([PROD], "nn1:8020", PROD),
        ([PROD], "nn1.example.org", PROD),
        ([ONE], "prod", ONE),
        # Copies of one token, for each NameNode.
        ([PROD, Given(b"p", service="10.0.0.1:8020"), Given(b"p", service="10.0.0.2:8020")], "", PROD),
    ],
)
def test_which_token(tokens: Iterable[Given], file_system: str, expected: Given) -> None:
    """Of several tokens that of the file system is taken; a single one, unless it is certainly another's."""
    found = token_for(held(*tokens), "http://nn1:9870/webhdfs/v1/", file_system, resolve=resolve)
    assert (found.identifier, found.password) == (expected.identifier, expected.password)


@pytest.mark.parametrize(
    ("tokens", "file_system", "what"),
    [
        ([], "prod", "no token for HDFS"),
        ([TEST], "prod", "no token for hdfs://prod"),
        ([ONE, TWO], "", "which of this container's tokens is for the default file system"),
        ([PROD, TEST], "other", "which of this container's tokens is for hdfs://other"),
    ],
)
def test_no_token_fits(tokens: Iterable[Given], file_system: str, what: str) -> None:
    """Where none is the file system's, or nobody can tell, none is sent."""
    with pytest.raises(NoTokenError) as raised:
        token_for(held(*tokens), "http://nn1:9870/", file_system, resolve=resolve)
    assert what in raised.value.what


def test_a_web_servers_own_token() -> None:
    """A web server's own token is for that server alone."""
    own = Given(b"h", kind="WEBHDFS delegation", service="10.0.0.1:14000")
    tokens = held(Given(kind=HDFS), own)
    kinds = [
        token_for(tokens, url, "", resolve=resolve).kind
        for url in ("http://nn1:14000/webhdfs/v1/", "http://nn2:14000/webhdfs/v1/", "http://nn1:9870/webhdfs/v1/")
    ]
    assert kinds == ["WEBHDFS delegation", HDFS, HDFS]
