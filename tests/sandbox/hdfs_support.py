"""The sandbox's HDFS for tests: servers in a thread of their own, and requests sent exactly as written."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from yarnserve.sandbox.hdfs_answers import RELEASE
from yarnserve.sandbox.namespace import Namespace
from yarnserve.sandbox.webhdfs import HdfsServers


@dataclass(frozen=True)
class Answer:
    """What came back, header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str | None:
        """The Content-Type header, whole."""
        return self.headers.get("content-type")

    def document(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)


@contextmanager
def serving(namespace: Namespace, release: tuple[int, ...] = RELEASE) -> Iterator[HdfsServers]:
    """Run the HDFS servers of a Hadoop release over *namespace*."""
    servers = HdfsServers(namespace, release=release)
    started: Future[Callable[[], object]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(servers, started)))
    thread.start()
    stop = started.result(10)
    try:
        yield servers
    finally:
        stop()
        thread.join()


async def _serve(servers: HdfsServers, started: Future[Callable[[], object]]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    await servers.start()
    started.set_result(lambda: loop.call_soon_threadsafe(stopping.set))
    await stopping.wait()
    await servers.stop()


def send(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request with the path and query as they stand, and follow nothing."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, url[len(f"{parts.scheme}://{parts.netloc}") :], body, dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def put_file(namespace: Namespace, path: str, data: bytes, user: str) -> None:
    """Write a whole file, over what may be there."""
    with namespace.create(path, user=user, overwrite=True) as writer:
        writer.write(data)
