"""WebHDFS over the sandbox's namespace: a NameNode's HTTP socket and a DataNode's, as a chosen Hadoop answers.

Shapes, statuses and messages are those of tests/golden/webhdfs-*.jsonl.gz (real-hadoop.md 8). What the sandbox
does not have (APPEND, checksums, ACLs, delegation tokens, `doas`, ...) answers 400, as an unknown operation does.
"""

from __future__ import annotations

import asyncio
import functools
import posixpath
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from aiohttp import web

from yarnserve.errors import YarnserveError
from yarnserve.sandbox.election import Standing, Times
from yarnserve.sandbox.hdfs_answers import PREFIX, RELEASE, html_page, json_answer, stream
from yarnserve.sandbox.httpfs import HttpFs
from yarnserve.sandbox.inodes import NamespaceError, file_not_found
from yarnserve.sandbox.namespace import BLOCK_SIZE, Namespace, Status
from yarnserve.sandbox.pair import Pair
from yarnserve.sandbox.web_answers import Door, Listener, Opening
from yarnserve.sandbox.webhdfs_parameters import Parameters

#: What a DataNode's message drags behind its first line: the NameNode's stack.
_STACK = (
    "\n\tat org.apache.hadoop.ipc.ProtobufRpcEngine$Server$ProtoBufRpcInvoker.call(ProtobufRpcEngine.java:527)"
    "\n\tat org.apache.hadoop.ipc.RPC$Server.call(RPC.java:1036)"
    "\n\tat org.apache.hadoop.ipc.Server$Handler.run(Server.java:2943)\n"
)
#: What a pair of NameNodes is called together.
NAMESERVICE = "ns1"
#: How often HttpFS and the DataNode look for an active NameNode, in seconds.
_PAUSE = 0.02
#: What a standby takes for the other category than its method says (real-hadoop-ha.md 5).
_CATEGORIES = {"APPEND": "READ", "GETDELEGATIONTOKEN": "WRITE"}
#: What a standby answers as an active one does: the DataNode finds the active one by itself.
#: What a NameNode that has just been started says, from early to late (real-hadoop-ha.md 5).
_NOT_YET = {Standing.BOOTING: "Namenode is in startup mode", Standing.STARTING: "NameNode still not started"}
_ANYWHERE = {"CREATE", "GETHOMEDIRECTORY"}
#: What only the sandbox does not know (see the module's docstring), by method: a standby refuses it like the rest.
_ELSEWHERE = {
    "GET": {
        *("LISTSTATUS_BATCH", "GETQUOTAUSAGE", "GETFILECHECKSUM", "CHECKACCESS", "GETACLSTATUS", "GETXATTRS"),
        *("GETTRASHROOT", "GETSERVERDEFAULTS", "GETSTORAGEPOLICY", "GET_BLOCK_LOCATIONS"),
        "GETDELEGATIONTOKEN",
    },
    "PUT": {"SETOWNER", "SETTIMES", "SETREPLICATION"},
    "POST": {"APPEND", "TRUNCATE"},
    "DELETE": set[str](),
}
_STANDBY_PAGE = "https://s.apache.org/sbnn-error"
_BAD_REQUEST = {"IllegalArgumentException", "UnsupportedOperationException", "InvalidPathException"}

Handler: TypeAlias = Callable[[str, Parameters], web.Response]
Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Transfer: TypeAlias = Callable[[web.Request, str, Parameters], Awaitable[web.StreamResponse]]


class HdfsServers:
    """A NameNode or a pair of them, a DataNode and an HttpFS on free ports of *host*, in the running event loop.

    Args:
        namespace: what they serve.
        host: address to bind, also the one in redirects.
        release: the Apache release to imitate.
        times: of a fail-over; None is a single NameNode.
        clock: seconds since the epoch.
        opening: how they are reached.
    """

    def __init__(
        self,
        namespace: Namespace,
        *,
        host: str = "127.0.0.1",
        release: tuple[int, ...] = RELEASE,
        times: Times | None = None,
        clock: Callable[[], float] = time.time,
        opening: Opening = Listener,
    ) -> None:
        self._namespace = namespace
        self._release = release
        self._host = host
        self._times = times
        self._clock = clock
        self._opening = opening
        self._listeners: list[Door] = []
        self.namenode_url = ""
        self.httpfs_url = ""

    async def start(self) -> None:
        """Bind all sockets and fill `namenode_url`, that of the first, and `httpfs_url` (``http://host:port``).

        Raises:
            YarnserveError: *host* cannot be bound.
        """
        try:
            await self._start()
        except OSError as error:
            await self.stop()
            raise YarnserveError(
                "the sandbox's HDFS cannot listen",
                where=self._host,
                why=str(error),
                fix="use an address of this machine",
            ) from error

    async def _start(self) -> None:
        is_pair, release = self._times is not None, self._release
        rpc_address = NAMESERVICE if is_pair else f"{self._host}:8020"
        namenodes = [self._listener() for _ in range(2 if is_pair else 1)]
        self.namenodes = Pair(namenodes, self._times or Times(0, 0, 0, 0), self._clock)
        datanode = self._listener()
        _route(datanode, self._when_active(_DataNode(self._namespace, rpc_address, release).answer))
        for index, listener in enumerate(namenodes):
            url = f"http://{datanode.address}"
            standing = functools.partial(self.namenodes.standing, index)
            _route(listener, _NameNode(self._namespace, rpc_address, url, release, standing).answer)
        httpfs = self._listener()
        _route(httpfs, self._when_active(HttpFs(self._namespace, release).answer))
        for listener in self._listeners:
            await listener.start()
        self.namenode_url = f"http://{namenodes[0].address}"
        self.httpfs_url = f"http://{httpfs.address}"

    async def stop(self) -> None:
        """Close all sockets."""
        while self._listeners:
            await self._listeners.pop().stop()

    def _listener(self) -> Door:
        listener = self._opening(self._host, web.Application())
        self._listeners.append(listener)
        return listener

    def _when_active(self, answer: Answer) -> Answer:
        """Let *answer* wait for an active NameNode, as a DataNode and HttpFS do (real-hadoop-ha.md 5)."""

        async def wait(request: web.Request) -> web.StreamResponse:
            while self.namenodes.active is None:
                await asyncio.sleep(_PAUSE)
            return await answer(request)

        return wait


def _route(listener: Door, answer: Answer) -> None:
    listener.application.router.add_route("*", "/{path:.*}", answer)


class _NameNode:
    """Metadata, and redirects to the DataNode."""

    def __init__(
        self,
        namespace: Namespace,
        rpc_address: str,
        datanode_url: str,
        release: tuple[int, ...],
        standing: Callable[[], Standing],
    ) -> None:
        self._standing = standing
        self._namespace = namespace
        self._release = release
        self._rpc_address = rpc_address
        self._datanode_url = datanode_url
        self._operations: Mapping[str, Mapping[str, Handler]] = {
            "GET": {
                "GETFILESTATUS": self._get_file_status,
                "LISTSTATUS": self._list_status,
                "GETCONTENTSUMMARY": self._get_content_summary,
                "GETHOMEDIRECTORY": self._get_home_directory,
                "OPEN": self._open,
            },
            "PUT": {
                "CREATE": self._create,
                "MKDIRS": self._mkdirs,
                "RENAME": self._rename,
                "SETPERMISSION": self._set_permission,
            },
            "DELETE": {"DELETE": self._delete},
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raw_path = request.rel_url.raw_path
        if not all(f"{path}/".startswith(f"{PREFIX}/") for path in (raw_path, posixpath.normpath(raw_path))):
            return html_page(404, "Not Found", raw_path)
        parameters = Parameters(request.rel_url.query)
        if parameters.has_empty_user:
            return html_page(500, "Server Error", raw_path)
        method = "GET" if request.method == "HEAD" else request.method
        try:
            self._refuse_unless_active(method, request.query.get("op", "").upper())
            parameters.refuse("doas", "delegation")
            handler = parameters.operation(method, self._operations.get(method, {}))
            return handler(unquote(raw_path[len(PREFIX) :]) or "/", parameters)
        except NamespaceError as error:
            return json_answer(_remote_exception(error), status=_status_of(error))

    def _refuse_unless_active(self, method: str, operation: str) -> None:
        """Refuse what a standby refuses, in its words; what nobody knows is refused as anywhere."""
        if self._standing() is Standing.ACTIVE or operation in _ANYWHERE:
            return
        if self._standing() in _NOT_YET:
            raise NamespaceError("org.apache.hadoop.ipc.RetriableException", _NOT_YET[self._standing()])
        if operation in self._operations.get(method, ()) or operation in _ELSEWHERE.get(method, ()):
            category = _CATEGORIES.get(operation, "READ" if method == "GET" else "WRITE")
            words = f"Operation category {category} is not supported in state standby. Visit {_STANDBY_PAGE}"
            raise NamespaceError("org.apache.hadoop.ipc.StandbyException", words)

    def _get_file_status(self, path: str, parameters: Parameters) -> web.Response:
        document = _file_status(self._namespace.status(path, user=parameters.user), path_suffix="")
        if not path.strip("/"):
            document["snapshotEnabled"] = True
        return json_answer({"FileStatus": dict(sorted(document.items()))})

    def _list_status(self, path: str, parameters: Parameters) -> web.Response:
        entries = self._namespace.list(path, user=parameters.user)
        return json_answer({"FileStatuses": {"FileStatus": [_file_status(entry, entry.name) for entry in entries]}})

    def _get_content_summary(self, path: str, parameters: Parameters) -> web.Response:
        summary = self._namespace.summary(path, user=parameters.user)
        document = {
            "directoryCount": summary.directories,
            "fileCount": summary.files,
            "length": summary.length,
            "quota": -1,
            "spaceConsumed": summary.space,
            "spaceQuota": -1,
            "typeQuota": {},
        }
        if self._release >= (3, 3):
            document |= {
                "ecPolicy": "" if summary.directories else "Replicated",
                "snapshotDirectoryCount": 0,
                "snapshotFileCount": 0,
                "snapshotLength": 0,
                "snapshotSpaceConsumed": 0,
            }
        return json_answer({"ContentSummary": dict(sorted(document.items()))})

    def _get_home_directory(self, _path: str, parameters: Parameters) -> web.Response:
        return json_answer({"Path": self._namespace.home(parameters.user)})

    def _mkdirs(self, path: str, parameters: Parameters) -> web.Response:
        permission = parameters.permission(0o755)
        self._namespace.make_directories(path, user=parameters.user, permission=permission)
        return json_answer({"boolean": True})

    def _rename(self, path: str, parameters: Parameters) -> web.Response:
        destination = parameters.destination()
        # Ignoring them, as HttpFS does, would turn a rename that a NameNode does into one that it does not.
        parameters.refuse("renameoptions")
        return json_answer({"boolean": self._namespace.rename(path, destination, user=parameters.user)})

    def _delete(self, path: str, parameters: Parameters) -> web.Response:
        recursive = parameters.boolean("recursive", default=False)
        return json_answer({"boolean": self._namespace.delete(path, user=parameters.user, recursive=recursive)})

    def _set_permission(self, path: str, parameters: Parameters) -> web.Response:
        permission = parameters.permission(0o755)
        self._namespace.set_permission(path, permission, user=parameters.user)
        return web.Response(content_type="application/octet-stream")

    def _open(self, path: str, parameters: Parameters) -> web.Response:
        offset = parameters.integer("offset", 0, least=0)
        parameters.integer("length", 0, least=0)
        self._check_readable(path, parameters.user, offset)
        return self._redirect(path, parameters, ("buffersize", "length"), {"offset": str(offset)})

    def _check_readable(self, path: str, user: str, offset: int) -> None:
        """Check what the NameNode checks before the redirect: a directory, and an empty file's permission, pass."""
        try:
            status = self._namespace.status(path, user=user)
        except NamespaceError as error:
            if error.exception != "FileNotFoundException":
                raise
            raise file_not_found(f"File {path} not found.") from error
        if status.length == 0:
            return
        if offset >= status.length:
            out_of_range = f"Offset={offset} out of the range [0, {status.length}); OPEN, path={path}"
            raise NamespaceError("java.io.IOException", out_of_range)
        self._namespace.open(path, user=user).close()

    def _create(self, path: str, parameters: Parameters) -> web.Response:
        parameters.permission(0o644)
        always = {
            "createflag": "",
            "createparent": _lower(parameters.boolean("createparent", default=True)),
            "overwrite": _lower(parameters.boolean("overwrite", default=False)),
        }
        return self._redirect(path, parameters, ("blocksize", "buffersize", "permission", "replication"), always)

    def _redirect(
        self, path: str, parameters: Parameters, when_given: tuple[str, ...], always: Mapping[str, str]
    ) -> web.Response:
        """Send the client to the DataNode, or with ``noredirect=true`` tell it the address."""
        own = {name: parameters.text(name) for name in when_given if parameters.text(name)} | dict(always)
        head = {"op": parameters.text("op").upper()}
        if parameters.text("user.name"):
            head["user.name"] = parameters.user
        head["namenoderpcaddress"] = self._rpc_address
        query = "&".join(f"{name}={quote(value, safe=':')}" for name, value in (*head.items(), *sorted(own.items())))
        location = f"{self._datanode_url}{PREFIX}{quote(path, safe='/+')}?{query}"
        if parameters.boolean("noredirect", default=False):
            return json_answer({"Location": location})
        headers = {"Location": location, "Content-Type": "application/octet-stream"}
        return web.Response(status=307, headers=headers)


class _DataNode:
    """File contents, streamed both ways; every answer ends its connection, as Hadoop's does."""

    def __init__(self, namespace: Namespace, rpc_address: str, release: tuple[int, ...]) -> None:
        self._namespace = namespace
        self._release = release
        self._rpc_address = rpc_address
        self._operations: Mapping[str, Mapping[str, Transfer]] = {
            "GET": {"OPEN": self._open},
            "PUT": {"CREATE": self._create},
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = unquote(request.rel_url.raw_path.removeprefix(PREFIX)) or "/"
        parameters = Parameters(request.rel_url.query)
        try:
            transfer = parameters.operation(request.method, self._operations.get(request.method, {}))
            return await transfer(request, path, parameters)
        except NamespaceError as error:
            document = _remote_exception(error, stack=_STACK if _status_of(error) != 400 else "")
            response = web.json_response(document, status=_status_of(error))
            response.force_close()
            return response
        except ConnectionError:
            return web.Response(status=499)  # for nobody: the client has gone, and aiohttp notes it on its own

    async def _open(self, request: web.Request, path: str, parameters: Parameters) -> web.StreamResponse:
        offset = parameters.integer("offset", 0, least=0)
        with self._namespace.open(path, user=parameters.user) as blob:
            length = parameters.integer("length", -1, least=0) if parameters.text("length") else None
            return await stream(request, blob, offset, length, closing=True)

    async def _create(self, request: web.Request, path: str, parameters: Parameters) -> web.StreamResponse:
        writer = self._namespace.create(
            path,
            user=parameters.user,
            overwrite=parameters.boolean("overwrite", default=False),
            permission=parameters.permission(0o644),
            create_parents=parameters.boolean("createparent", default=True),
            replication=parameters.integer("replication", 1, least=1),
            block_size=parameters.integer("blocksize", BLOCK_SIZE, least=1),
        )
        with writer:
            async for piece in request.content.iter_any():
                writer.write(piece)
        # Hadoop 3.4's DataNode no longer says where the file is.
        location = {"Location": f"hdfs://{self._rpc_address}{quote(path, safe='/+')}"}
        response = web.Response(status=201, headers=location if self._release < (3, 4) else None)
        response.force_close()
        return response


def _file_status(status: Status, path_suffix: str) -> dict[str, Any]:
    return {
        "accessTime": status.accessed_at,
        "blockSize": status.block_size,
        "childrenNum": status.children,
        "fileId": status.file_id,
        "group": status.group,
        "length": status.length,
        "modificationTime": status.modified_at,
        "owner": status.owner,
        "pathSuffix": path_suffix,
        "permission": f"{status.permission:o}",
        "replication": status.replication,
        "storagePolicy": 0,
        "type": "DIRECTORY" if status.is_directory else "FILE",
    }


def _remote_exception(error: NamespaceError, stack: str = "") -> dict[str, Any]:
    details = {"exception": error.exception, "javaClassName": error.java_class, "message": error.message + stack}
    return {"RemoteException": details}


def _status_of(error: NamespaceError) -> int:
    if error.exception == "FileNotFoundException":
        return 404
    return 400 if error.exception in _BAD_REQUEST else 403


def _lower(value: bool) -> str:
    return str(value).lower()
