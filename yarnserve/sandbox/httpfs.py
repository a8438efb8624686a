"""HttpFS over the sandbox's namespace: one server for metadata and contents, with answers of its own.

Shapes, statuses and messages are those of tests/golden/httpfs-*.jsonl.gz; where they differ from a NameNode's is
the table of real-hadoop.md 8. What the sandbox does not have is refused as an operation that HttpFS does not know.
"""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode

from aiohttp import web

from yarnserve.sandbox.hdfs_answers import PREFIX, html_page, json_answer, stream
from yarnserve.sandbox.httpfs_parameters import Parameters
from yarnserve.sandbox.inodes import NamespaceError
from yarnserve.sandbox.namespace import BLOCK_SIZE, Namespace, Status

_BINARY = "application/octet-stream"
_EMPTY = "application/json;charset=utf-8"
#: HttpFS gives files what it gives directories.
_PERMISSION = 0o755
_BAD_REQUEST = {"IllegalArgumentException", "UnsupportedOperationException"}
#: HttpFS tells the first line of a message.
_LINE_END = "\n"
#: What Jetty writes an error page for.
_WITH_PAGE = {"GET", "HEAD", "POST"}

Handler: TypeAlias = Callable[[web.Request, str, Parameters], Awaitable[web.StreamResponse]]


class HttpFs:
    """The answers of one HttpFS of *release* over *namespace*."""

    def __init__(self, namespace: Namespace, release: tuple[int, ...]) -> None:
        self._namespace = namespace
        self._release = release
        self._operations: Mapping[str, Mapping[str, Handler]] = {
            "GET": {
                "GETFILESTATUS": _at_once(self._get_file_status),
                "LISTSTATUS": _at_once(self._list_status),
                "GETCONTENTSUMMARY": _at_once(self._get_content_summary),
                "GETHOMEDIRECTORY": _at_once(self._get_home_directory),
                "OPEN": self._open,
            },
            "PUT": {
                "CREATE": self._create,
                "MKDIRS": _at_once(self._mkdirs),
                "RENAME": _at_once(self._rename),
                "SETPERMISSION": _at_once(self._set_permission),
            },
            "DELETE": {"DELETE": _at_once(self._delete)},
        }
        self._known = frozenset(name for operations in self._operations.values() for name in operations)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        raw_path = request.rel_url.raw_path
        if not f"{posixpath.normpath(raw_path)}/".startswith(f"{PREFIX}/"):
            return _error(request, 404, "Not Found")
        parameters = Parameters(request.rel_url.query)
        if not parameters.has_user:
            return _unauthenticated(request)
        if not parameters.user:
            return _error(request, 500, "Server Error")
        if _is_bad_upload(request, parameters):
            return _error(request, 400, "Bad Request")
        method = "GET" if request.method == "HEAD" else request.method
        try:
            parameters.refuse("doas", "delegation")
            handler = parameters.operation(method, self._operations.get(method, {}), self._known)
            return await handler(request, _path(raw_path), parameters)
        except NamespaceError as error:
            return json_answer(_remote_exception(error), status=_status_of(error))
        except ConnectionError:
            return web.Response(status=499)  # for nobody: the client has gone, and aiohttp notes it on its own

    def _get_file_status(self, path: str, parameters: Parameters) -> web.Response:
        document = self._file_status(self._namespace.status(path, user=parameters.user), "")
        if path == "/" and self._release >= (3, 3):
            document["snapshotEnabled"] = True
        return json_answer({"FileStatus": document})

    def _list_status(self, path: str, parameters: Parameters) -> web.Response:
        entries = self._namespace.list(path, user=parameters.user)
        return json_answer(
            {"FileStatuses": {"FileStatus": [self._file_status(entry, entry.name) for entry in entries]}}
        )

    def _get_content_summary(self, path: str, parameters: Parameters) -> web.Response:
        summary = self._namespace.summary(path, user=parameters.user)
        document: dict[str, Any] = {
            "directoryCount": summary.directories,
            "fileCount": summary.files,
            "length": summary.length,
            "quota": -1,
            "spaceConsumed": summary.space,
            "spaceQuota": -1,
        }
        if self._release >= (3, 3):
            document |= {"ecPolicy": "" if summary.directories else "Replicated", "typeQuota": {}}
        return json_answer({"ContentSummary": dict(sorted(document.items()))})

    def _get_home_directory(self, path: str, parameters: Parameters) -> web.Response:
        if path != "/":
            words = f"Operation [GETHOMEDIRECTORY], invalid path [{path}], must be /"
            raise NamespaceError("java.lang.UnsupportedOperationException", words)
        return json_answer({"Path": self._namespace.home(parameters.user)})

    def _mkdirs(self, path: str, parameters: Parameters) -> web.Response:
        permission = parameters.permission(_PERMISSION)
        self._namespace.make_directories(path, user=parameters.user, permission=permission)
        return json_answer({"boolean": True})

    def _rename(self, path: str, parameters: Parameters) -> web.Response:
        destination = posixpath.join(self._namespace.home(parameters.user), parameters.destination())
        renamed = self._namespace.rename(path, posixpath.normpath(destination), user=parameters.user)
        return json_answer({"boolean": renamed})

    def _delete(self, path: str, parameters: Parameters) -> web.Response:
        recursive = parameters.boolean("recursive", default=False)
        if path == "/":
            raise NamespaceError("javax.ws.rs.WebApplicationException", "")
        return json_answer({"boolean": self._namespace.delete(path, user=parameters.user, recursive=recursive)})

    def _set_permission(self, path: str, parameters: Parameters) -> web.Response:
        self._namespace.set_permission(path, parameters.permission(_PERMISSION), user=parameters.user)
        return web.Response(headers={"Content-Type": _EMPTY})

    async def _open(self, request: web.Request, path: str, parameters: Parameters) -> web.StreamResponse:
        # A negative offset or length counts as none.
        offset = max(0, parameters.integer("offset", 0))
        length = parameters.integer("length", -1)
        with self._namespace.open(path, user=parameters.user) as blob:
            if offset > self._namespace.status(path, user=parameters.user).length:
                return _error(request, 500, "Server Error")
            return await stream(request, blob, offset, None if length < 0 else length)

    async def _create(self, request: web.Request, path: str, parameters: Parameters) -> web.StreamResponse:
        here = f"http://{request.host}{PREFIX}{quote(path)}"
        if not parameters.boolean("data", default=False):
            return self._redirect(here, request, parameters)
        # createparent is not among its parameters: parents are always made.
        writer = self._namespace.create(
            path,
            user=parameters.user,
            overwrite=parameters.boolean("overwrite", default=True),
            permission=parameters.permission(_PERMISSION),
            replication=max(1, parameters.integer("replication", 1)),
            block_size=BLOCK_SIZE if parameters.integer("blocksize", -1) < 1 else parameters.integer("blocksize", -1),
        )
        with writer:
            async for piece in request.content.iter_any():
                writer.write(piece)
        if self._release < (3, 3):
            return web.Response(status=201, headers={"Content-Type": _EMPTY})
        response = json_answer({"Location": here}, status=201)
        response.headers["Location"] = here
        return response

    def _redirect(self, here: str, request: web.Request, parameters: Parameters) -> web.Response:
        """Send the client to this very server, with ``data=true``."""
        query = request.rel_url.query
        others = {name: query[name] for name in query if name.lower() not in ("op", "data", "noredirect")}
        location = f"{here}?{urlencode({'op': parameters.text('op').upper(), 'data': 'true', **others})}"
        if parameters.boolean("noredirect", default=False):
            return json_answer({"Location": location})
        return web.Response(status=307, headers={"Location": location, "Content-Type": _EMPTY})

    def _file_status(self, status: Status, path_suffix: str) -> dict[str, Any]:
        document: dict[str, Any] = {
            "pathSuffix": path_suffix,
            "type": "DIRECTORY" if status.is_directory else "FILE",
            "length": status.length,
            "owner": status.owner,
            "group": status.group,
            "permission": f"{status.permission:o}",
            "accessTime": status.accessed_at,
            "modificationTime": status.modified_at,
            "blockSize": status.block_size,
            "replication": status.replication,
        }
        if self._release >= (3, 3):
            document |= {"childrenNum": status.children, "fileId": status.file_id, "storagePolicy": 0}
        return document


def _at_once(answer: Callable[[str, Parameters], web.Response]) -> Handler:
    """Fit an operation that moves no contents."""

    async def handle(_request: web.Request, path: str, parameters: Parameters) -> web.StreamResponse:
        return answer(path, parameters)

    return handle


def _path(raw_path: str) -> str:
    """Return the HDFS path of a request; dots and repeated slashes are resolved (real-hadoop.md 8)."""
    return posixpath.normpath("/" + unquote(posixpath.normpath(raw_path)[len(PREFIX) :]).lstrip("/"))


def _is_bad_upload(request: web.Request, parameters: Parameters) -> bool:
    """Whether CheckUploadContentTypeFilter stops it: contents that are not called octets."""
    is_upload = (request.method, parameters.text("op").upper()) in {("PUT", "CREATE"), ("POST", "APPEND")}
    carries = parameters.text("data").lower() == "true"
    return is_upload and carries and request.headers.get("Content-Type", "").lower() != _BINARY


def _unauthenticated(request: web.Request) -> web.Response:
    response = _error(request, 401, "Authentication required")
    response.headers["WWW-Authenticate"] = "PseudoAuth"
    return response


def _error(request: web.Request, status: int, reason: str) -> web.Response:
    """Jetty's page, or nothing at all for methods that it writes none for."""
    if request.method in _WITH_PAGE:
        return html_page(status, reason, request.rel_url.raw_path)
    return web.Response(status=status, reason=reason)


def _remote_exception(error: NamespaceError) -> dict[str, Any]:
    exception = error.exception.rpartition("$")[2]
    # HttpFS wraps this one a second time, and with it the opening quote.
    again = "`" if exception == "PathIsNotEmptyDirectoryException" else ""
    details = {
        "message": f"{again}{error.message.partition(_LINE_END)[0]}" or None,
        "exception": exception,
        "javaClassName": error.java_class,
    }
    return {"RemoteException": details}


def _status_of(error: NamespaceError) -> int:
    if error.exception == "FileNotFoundException":
        return 404
    return 400 if error.exception in _BAD_REQUEST else 500
