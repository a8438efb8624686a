"""What each refusal of the services API means: one of our errors, with what to change.

The API's statuses mislead: 500 for a name that is taken, 400 for a service that does not exist, 404 for a field
that it does not know, 403 for a removal that was carried out (yarn-services.md 1.4, 1.5; real-hadoop.md 7). Its
texts decide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from yarnserve.errors import (
    AccessError,
    ConflictError,
    MalformedAnswerError,
    NotFoundError,
    RefusedError,
    StandbyError,
    UnreachableError,
    YarnserveError,
    first_line,
)
from yarnserve.hadoop.remote import GIVE_HOME, NO_HOME, RemoteException, error_for, find
from yarnserve.hadoop.session import Reply


@dataclass(frozen=True)
class Meaning:
    """What a refusal means: the first row whose *method* (empty: any), *status* and *text* fit decides.

    *text* is searched in the diagnostics; its named groups are filled into *fix*.
    """

    method: str
    status: int
    text: str
    error: type[YarnserveError]
    fix: str = ""

    def match(self, method: str, status: int, diagnostics: str) -> re.Match[str] | None:
        """Return where *text* fits, None when this row does not decide."""
        if self.method not in ("", method) or self.status != status:
            return None
        return re.search(self.text, diagnostics)


_AM_RESTARTS = "ask again in a few seconds: its ApplicationMaster is starting or ending"
_OWNER = "act as the user who owns it: --user, HADOOP_USER_NAME"

# Rows of one method and status stand together, the more telling first.
MEANINGS = (
    Meaning("", 500, "safe mode", StandbyError, "wait until HDFS leaves safe mode"),
    Meaning(
        "",
        403,
        r"user=dr\.who,",
        AccessError,
        "the cluster was not told who asks: give --user or HADOOP_USER_NAME; if one is given, something in between "
        "drops user.name from the address",
    ),
    Meaning(
        "POST",
        403,
        NO_HOME.pattern,
        AccessError,
        GIVE_HOME,
    ),
    # From 3.3.0 DELETE cleans hadoop.tmp.dir after it has removed the definition (real-hadoop.md 7, item 9).
    Meaning(
        "DELETE",
        403,
        r'inode="(?P<directory>[^"]+/\.yarn/services)(?:/[^"]*)?"',
        AccessError,
        "the definition may be gone all the same; an administrator has to share hadoop.tmp.dir/.yarn/services among "
        "all users: hdfs dfs -chmod 1777 {directory}",
    ),
    Meaning("", 403, "", AccessError, _OWNER),
    Meaning(
        "POST",
        500,
        "is already taken|already exists",
        ConflictError,
        "start or destroy that one first, or launch --replace",
    ),
    Meaning(
        "POST",
        500,
        r"specified memory size .* larger than .*\((?P<most>\d+)\)",
        RefusedError,
        "resources.memory: at most {most} MiB fit here; the limit is yarn.scheduler.maximum-allocation-mb",
    ),
    Meaning(
        "POST",
        500,
        r"number of virtual core .* larger than .*\((?P<most>\d+)\)",
        RefusedError,
        "resources.cpus: at most {most} fit here; the limit is yarn.scheduler.maximum-allocation-vcores",
    ),
    Meaning(
        "POST",
        500,
        r"to unknown queue: ?(?P<queue>\S*)",
        RefusedError,
        "queue: name one that the cluster has; {queue} is not in its capacity-scheduler.xml",
    ),
    Meaning(
        "POST",
        500,
        "cannot submit applications to queue|does not have permission to submit",
        AccessError,
        "queue: name one that this user may submit to, or have acl_submit_applications changed",
    ),
    Meaning(
        "POST",
        500,
        "cannot accept submission of application|is STOPPED. Cannot accept",
        RefusedError,
        "queue: name one that is running and not full, or wait until applications of this one have ended",
    ),
    Meaning(
        "POST",
        500,
        r"^File does not exist: (?P<path>\S+)",
        RefusedError,
        "put the file there, where the user can read it: {path}",
    ),
    Meaning("POST", 500, "^Call From ", UnreachableError, "see whether YARN's NameNode and ZooKeeper run"),
    Meaning(
        "POST",
        400,
        r'^For input string: "(?P<memory>[^"]*)"',
        RefusedError,
        "resources.memory: YARN takes whole MiB without a unit; a template has put {memory} into the document",
    ),
    Meaning(
        "POST",
        400,
        r"Invalid character in yarn\.service\.am\.java\.opts",
        RefusedError,
        "a template sets yarn.service.am.java.opts: it may hold no characters that a shell reads",
    ),
    Meaning(
        "POST",
        400,
        r"Docker client config does not exist: (?P<path>\S+)",
        RefusedError,
        "put the registry's config.json there, where the user can read it: {path}",
    ),
    Meaning("GET", 404, r"Service \S+ not found|File does not exist: \S+\.json", NotFoundError),
    Meaning("GET", 404, "^Invalid ", RefusedError),
    Meaning("GET", 404, "", UnreachableError, _AM_RESTARTS),
    Meaning("GET", 500, "^Call From |^No content to map", UnreachableError, _AM_RESTARTS),
    Meaning("PUT", 404, "", NotFoundError),
    Meaning("PUT", 500, "^Call From ", UnreachableError, _AM_RESTARTS),
    Meaning("PUT", 500, "does not exist !", NotFoundError),
    Meaning("PUT", 400, "is already stopped|already exists", ConflictError),
    Meaning(
        "PUT",
        400,
        "flex can (only|not) be invoked",
        ConflictError,
        "look at its state; YARN has stored the new number for its next start all the same",
    ),
    # Not stored, whatever real-hadoop.md 7, item 12 says: the transcripts' service starts with its old number.
    Meaning("PUT", 400, "appId is null", ConflictError, "start it first: YARN has not stored the new number"),
    Meaning("DELETE", 400, "doesn't exist", NotFoundError),
    Meaning("DELETE", 400, "still running", RefusedError, "repeat: it is ending"),
    Meaning("DELETE", 404, "", NotFoundError),
    Meaning(
        "DELETE",
        500,
        "cleaning up registry|delete zk node",
        RefusedError,
        "its definition is gone; repeat once ZooKeeper answers, to clean the registry",
    ),
)


def refusal(method: str, reply: Reply, what: str) -> YarnserveError:
    """Return what *reply*, no success, to a *method* below ``/app/v1/services`` means; *what* is its sentence."""
    document = _document(reply)
    remote = find(document)
    if remote and ".jackson." in remote.java_class:
        return _not_understood(remote, what, reply.url)
    if remote:
        return error_for(reply.status, remote, what=what, url=reply.url)
    diagnostics = diagnostics_of(reply)
    if not diagnostics:
        return _without_words(reply, document, what)
    for meaning in MEANINGS:
        match = meaning.match(method, reply.status, diagnostics)
        if match:
            fix = meaning.fix.format(**{name: first_line(text) for name, text in match.groupdict("").items()})
            return meaning.error(what, where=reply.url, why=first_line(diagnostics), fix=fix)
    return error_for(reply.status, None, what=what, url=reply.url, text=diagnostics)


def diagnostics_of(reply: Reply) -> str:
    """Return the words of a ServiceStatus, with whatever stack trace is in them; empty when *reply* is none."""
    document = _document(reply)
    text = document.get("diagnostics") if isinstance(document, dict) else None
    return text if isinstance(text, str) else ""


def _not_understood(remote: RemoteException, what: str, url: str) -> RefusedError:
    """The cluster cannot read our JSON; Jackson's exceptions come as 404 (yarn-services.md 1.4)."""
    field = re.match(r'Unrecognized field "([^"]*)"', remote.message)
    if field:
        why = f"this Hadoop does not know the field {field[1]!r}"
        return RefusedError(what, where=url, why=why, fix="say which Hadoop this is with --hadoop-version")
    fix = "look at the document with: yarnserve render FILE; a template of yours may have put the value into it"
    return RefusedError(what, where=url, why=first_line(remote.message), fix=fix)


def _without_words(reply: Reply, document: Any, what: str) -> YarnserveError:
    # The API's own answers have words, or are {}. A web server's page in their place means that the API is not
    # there (real-hadoop.md 7, item 4): 500 for the first request, then 404, on 3.1 503; never that the service
    # is not.
    if (document == {} and reply.status == 500) or reply.status not in (404, 500, 503):
        return error_for(reply.status, None, what=what, url=reply.url, text=reply.text)
    return UnreachableError(
        what,
        where=reply.url,
        why=f"the ResourceManager has no services API there (HTTP {reply.status})",
        fix="set yarn.webapp.api-service.enable=true in the ResourceManager's yarn-site.xml and restart it",
    )


def _document(reply: Reply) -> Any:
    try:
        return reply.document()
    except MalformedAnswerError:
        return None
