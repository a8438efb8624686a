"""Hadoop's own errors: the RemoteException body, and which of our errors it means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from yarnserve.errors import (
    AccessError,
    ConflictError,
    NotFoundError,
    RefusedError,
    StandbyError,
    UnreachableError,
    YarnserveError,
    first_line,
)

_STANDBY = frozenset({"StandbyException", "RetriableException", "SafeModeException"})
_ACCESS = frozenset(
    {
        "AccessControlException",
        "AuthenticationException",
        "AuthorizationException",
        "ForbiddenException",
        "InvalidToken",
        "SecurityException",
        "TraverseAccessControlException",
    }
)
_NOT_FOUND = frozenset({"FileNotFoundException", "NotFoundException"})
_CONFLICT = frozenset({"AlreadyBeingCreatedException", "FileAlreadyExistsException"})
_QUOTA = frozenset({"DSQuotaExceededException", "NSQuotaExceededException", "QuotaExceededException"})

# What a NameNode says when no DataNode takes another block.
_NO_ROOM = "could only be "

#: What helps *user*, whose home directory is not there, or is another's: HDFS denies the write to its parent, or to it.
GIVE_HOME = (
    "give {user} a home directory, as an HDFS administrator: hdfs dfs -mkdir -p /user/{user} && "
    "hdfs dfs -chown {user} /user/{user}"
)
NO_HOME = re.compile(r'user=(?!dr\.who,)(?P<user>[^\s,]+), .*inode="/user(?:/(?P=user))?"')

#: A delegation token that is refused, by name at a DataNode and in words elsewhere, or that is none at all; and a
#: standby's refusal of every token, whatever it is (DelegationTokenSecretManager.retrievePassword).
_REFUSED_TOKEN = re.compile(r"\bInvalidToken\b|^Failed to obtain user group information: java\.io\.EOFException")
_TOKEN_AT_STANDBY = "InvalidToken: StandbyException"  # noqa: S105  a text

_OTHER_TOKEN = "the delegation token has ended, or is another server's: launch the service again"  # noqa: S105  a text

_OTHER_USER = "act as a user the cluster lets do this: --user, HADOOP_USER_NAME"

# YARN's web servers wrap their own words in it.
_WRAPPER = "java.lang.Exception: "

_MAKE_ROOM = "make room on HDFS (hdfs dfsadmin -report), or raise the directory's quota (hdfs dfs -count -q shows it)"


@dataclass(frozen=True)
class RemoteException:
    """A Java exception as a server reports it.

    *exception* is the simple class name, *java_class* the full one (may be empty), *message* may hold a stack
    trace from its second line on.
    """

    exception: str
    message: str
    java_class: str = ""


def find(document: Any) -> RemoteException | None:
    """Return the exception in an error body, or None when there is none.

    Below ``/ws/v1`` and in WebHDFS it is wrapped in ``{"RemoteException": ...}``, below ``/app`` it is not
    (yarn-services.md 1.4).
    """
    if not isinstance(document, dict):
        return None
    body = document.get("RemoteException", document)
    if not isinstance(body, dict) or not isinstance(body.get("exception"), str):
        return None
    return RemoteException(first_line(body["exception"]), _text(body.get("message")), _text(body.get("javaClassName")))


def refuses_token(remote: RemoteException) -> bool:
    """Return whether it is the delegation token that the server does not take."""
    told = first_line(remote.message)
    return remote.exception == "InvalidToken" or bool(_REFUSED_TOKEN.search(told) and _TOKEN_AT_STANDBY not in told)


def error_for(status: int, remote: RemoteException | None, *, what: str, url: str, text: str = "") -> YarnserveError:
    """Return the error that an answer of *status* means; the exception's name decides before the status does.

    HttpFS sends AccessControlException as 500, and a NameNode sends its standby's refusal and any IOException
    as 403 (real-hadoop.md 8, real-hadoop-ha.md 5).

    Args:
        status: the HTTP status, 300 or more.
        remote: the exception in the body, if there was one.
        what: what failed, one sentence.
        url: what was asked.
        text: the body, for the reason where *remote* is None.
    """
    why = _why(status, remote, text)
    name = remote.exception if remote else ""
    if name in _STANDBY or _TOKEN_AT_STANDBY in why:
        return StandbyError(what, where=url, why=why, fix="wait for the fail-over or safe mode to end")
    if remote and refuses_token(remote):
        return AccessError(what, where=url, why=why, fix=_OTHER_TOKEN)
    if name in _ACCESS:
        return _access_error(what, url, why)
    if name in _NOT_FOUND:
        return NotFoundError(what, where=url, why=why)
    if name in _CONFLICT:
        return ConflictError(what, where=url, why=why)
    if name in _QUOTA or _NO_ROOM in why:
        return RefusedError(what, where=url, why=why, fix=_MAKE_ROOM)
    return _error_for_status(status, what, url, why, named=bool(name))


def _error_for_status(status: int, what: str, url: str, why: str, *, named: bool) -> YarnserveError:
    # WebHDFS sends 403 for every IOException without a status of its own: a named one is no matter of access.
    if status == 401 or (status == 403 and not named):
        return _access_error(what, url, why)
    if status == 404:
        return NotFoundError(what, where=url, why=why)
    if status < 400 or (status in (502, 503, 504) and not named):
        return UnreachableError(what, where=url, why=why)
    return RefusedError(what, where=url, why=why)


def _access_error(what: str, url: str, why: str) -> AccessError:
    homeless = NO_HOME.search(why)
    fix = GIVE_HOME.format(**homeless.groupdict()) if homeless else _OTHER_USER
    return AccessError(what, where=url, why=why, fix=fix)


def _why(status: int, remote: RemoteException | None, text: str) -> str:
    if remote:
        return first_line(remote.message).removeprefix(_WRAPPER) or remote.exception or f"HTTP {status}"
    line = first_line(text).removeprefix(_WRAPPER)
    # A web server's own error page says nothing that its status does not.
    return line if line and not line.startswith(("<", "{")) else f"HTTP {status}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
