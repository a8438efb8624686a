"""NodeManagers: what they say about containers, and the containers' log files (yarn-services.md 6)."""

from __future__ import annotations

import re
from urllib.parse import quote

from yarnserve.errors import NotFoundError, YarnserveError
from yarnserve.hadoop.session import HadoopSession, Reply
from yarnserve.records.yarn import LogFile, NodeContainer
from yarnserve.yarn import parsing
from yarnserve.yarn.answers import reply_error, require_success

_CONTAINERS = "/ws/v1/node/containers"

_LOG_HEAD = re.compile(rb"\AContainer: (?:[^\n]*\n){1,8}?LogLength:(?P<length>[0-9]{1,18})\nLogContents:\n")
_LOG_END = b"End of LogType:"

#: What a log server says of a file that it does not have, with status 200; and, of a whole application, with 500.
_LOG_SERVER_HAS_NONE = b"Can not find logs for container:"
_LOG_SERVER_KNOWS_NONE = "Can not find remote application directory"


class NodeManagerApi:
    """Typed reads from any NodeManager; *address* is its web server's ``host:port``.

    A log server answers for the logs of ended containers as a NodeManager does for its own (real-hadoop.md 7, item
    19): for logs *address* may also be the base URL of one, such as ``http://host:19888/ws/v1/history``.

    Every method raises UnreachableError when the NodeManager does not answer usably, AccessError when it does not
    let us ask.
    """

    def __init__(self, session: HadoopSession) -> None:
        self._session = session

    def containers(self, address: str) -> tuple[NodeContainer, ...]:
        """Return the containers that the NodeManager knows, those of every user."""
        reply = self._session.get(f"http://{address}{_CONTAINERS}")
        document = require_success(reply, f"cannot list the containers on {address}")
        return parsing.parse_node_containers(document, reply.url)

    def ping(self, address: str, *, timeout: float) -> None:
        """Return when the NodeManager's web server answers within *timeout* seconds; raise otherwise."""
        reply = self._session.request("GET", f"http://{address}/ws/v1/node/info", read_timeout=timeout)
        require_success(reply, f"the NodeManager at {address} does not answer")

    def configuration(self, address: str, *, timeout: float) -> dict[str, str]:
        """Return the properties that the NodeManager runs with, by name; *timeout* is in seconds."""
        reply = self._session.request("GET", f"http://{address}/conf", read_timeout=timeout)
        document = require_success(reply, f"cannot read the configuration of the NodeManager at {address}")
        return parsing.parse_configuration(document, reply.url)

    def log_files(self, address: str, container_id: str) -> tuple[LogFile, ...]:
        """Return the names and sizes of a container's log files, by name.

        Raises:
            NotFoundError: the NodeManager does not have this container (any more).
        """
        reply = self._session.get(_logs_url(address, container_id))
        if reply.status != 200:
            raise _logs_error(reply, f"cannot list the logs of {container_id}")
        return parsing.parse_log_files(reply.document(), reply.url)

    def log(self, address: str, container_id: str, file: str, *, last_bytes: int | None = None) -> str:
        """Return the text of a log file, or of its *last_bytes* bytes.

        Raises:
            NotFoundError: there is no such file, or the NodeManager does not have the container (any more).
        """
        body = self._log_body(address, container_id, file, last_bytes)
        return unframe(body, last_bytes).decode("utf-8", errors="replace")

    def log_end(self, address: str, container_id: str, file: str, last_bytes: int) -> tuple[int, bytes]:
        """Return the length of a whole log file, and its *last_bytes* bytes at that moment.

        Raises:
            NotFoundError: as for ``log``.
        """
        body = self._log_body(address, container_id, file, last_bytes)
        content = unframe(body, last_bytes)
        head = _LOG_HEAD.match(body)
        return int(head["length"]) if head else len(content), content

    def _log_body(self, address: str, container_id: str, file: str, last_bytes: int | None) -> bytes:
        url = f"{_logs_url(address, container_id)}/{quote(file, safe='')}"
        reply = self._session.get(url, params=None if last_bytes is None else {"size": -last_bytes})
        if reply.status != 200:
            raise _logs_error(reply, f"cannot read {file} of {container_id}")
        if reply.body.startswith(_LOG_SERVER_HAS_NONE):
            raise NotFoundError(f"there is no log {file} of {container_id}", where=reply.url)
        return reply.body


def unframe(body: bytes, last_bytes: int | None = None) -> bytes:
    """Return the log's own bytes out of a NodeManager's answer.

    The head states the length of the whole file, also when only *last_bytes* were asked for. A file without
    content has no head, only the line after it; an answer without either is taken for the log itself.
    """
    head = _LOG_HEAD.match(body)
    if head is None:
        return b"" if body.startswith(_LOG_END) else body
    length = int(head["length"])
    end = head.end() + (length if last_bytes is None else min(length, last_bytes))
    # A log server adds a line end of its own.
    if body.startswith((_LOG_END, b"\n" + _LOG_END), end):
        return body[head.end() : end]
    # The file grew or shrank while it was read: the last end line is the frame's.
    found = body.rfind(_LOG_END, head.end())
    return body[head.end() : found if found >= 0 else len(body)]


def _logs_error(reply: Reply, what: str) -> YarnserveError:
    # An unknown container is 500 on 3.1 and 3.3, 503 on 3.4 (real-hadoop.md 7, item 19), or a redirect to the
    # log server where one is configured.
    if _LOG_SERVER_KNOWS_NONE in reply.text:
        return NotFoundError(what, where=reply.url, why="no logs of its application were aggregated (yet)")
    if 300 <= reply.status < 400 or "Unknown container" in reply.text:
        return NotFoundError(
            what,
            where=reply.url,
            why="the container does not run on this node, or has ended",
            fix=f"look at {reply.location}" if reply.location else "",
        )
    return reply_error(reply, what)


def _logs_url(address: str, container_id: str) -> str:
    containers = f"{address}/containers" if "://" in address else f"http://{address}{_CONTAINERS}"
    return f"{containers}/{quote(container_id, safe='')}/logs"
