"""An ``hdfs://`` base path, read over WebHDFS; configuration comes from the environment, as libhdfs takes it."""

from __future__ import annotations

import getpass
import http.client
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from yarnserve.sandbox.model_server.source import SourceError
from yarnserve.sandbox.model_server.tokens import hdfs_token

_TIMEOUT_SECONDS = 30.0


class _NotActiveError(SourceError):
    """A NameNode does not answer, or is not the active one of its pair."""


class HdfsSource:
    """A base path on HDFS.

    Args:
        base_path: ``hdfs://authority/path``; the authority is not looked at, there is one file system.
        environ: HADOOP_CONF_DIR holds hdfs-site.xml with dfs.namenode.http-address, one for each of a pair;
            HADOOP_TOKEN_FILE_LOCATION holds the token of a secured cluster; else HADOOP_USER_NAME is who asks.
    """

    def __init__(self, base_path: str, environ: Mapping[str, str]) -> None:
        self.base_path = base_path
        self._environ = environ
        self._path = urlsplit(base_path).path.rstrip("/")

    def children(self) -> Iterable[str]:
        """Return the names in the base path."""
        return [entry["pathSuffix"] for entry in self._list(self._path) if entry["pathSuffix"]]

    @contextmanager
    def fetch(self, child: str) -> Iterator[Path]:
        """Copy the directory to a private temporary one."""
        with tempfile.TemporaryDirectory(prefix="model_server-") as directory:
            self._copy(f"{self._path}/{child}", Path(directory))
            yield Path(directory)

    def _copy(self, remote: str, local: Path) -> None:
        for entry in self._list(remote):
            name = entry["pathSuffix"]
            if entry["type"] == "DIRECTORY":
                (local / name).mkdir()
                self._copy(f"{remote}/{name}", local / name)
            elif name:
                with self._get(f"{remote}/{name}", "OPEN") as body, (local / name).open("wb") as file:
                    shutil.copyfileobj(body, file)
                    if file.tell() != int(body.headers["Content-Length"]):
                        raise SourceError(f"{remote}/{name}: the DataNode broke off after {file.tell()} bytes")

    def _list(self, path: str) -> list[dict[str, str]]:
        with self._get(path, "LISTSTATUS") as body:
            try:
                entries: list[dict[str, str]] = json.load(body)["FileStatuses"]["FileStatus"]
            except (ValueError, KeyError, TypeError) as error:
                raise SourceError(f"{path}: the NameNode's answer is no directory listing") from error
        return entries

    @contextmanager
    def _get(self, path: str, operation: str) -> Iterator[http.client.HTTPResponse]:
        """Ask the NameNode, follow it to a DataNode, and hand out the body of a 200."""
        query = urlencode({"op": operation, **self._credential()})
        urls = [f"http://{namenode}/webhdfs/v1{quote(path or '/')}?{query}" for namenode in self._namenodes()]
        with ExitStack() as stack:
            yield _first_answer(urls, stack)

    def _credential(self) -> dict[str, str]:
        """The container's own token where YARN has put one, else a name."""
        file = self._environ.get("HADOOP_TOKEN_FILE_LOCATION")
        try:
            token = hdfs_token(Path(file)) if file else ""
        except (OSError, ValueError) as error:
            raise SourceError(f"HADOOP_TOKEN_FILE_LOCATION: {error}") from error
        if token:
            return {"delegation": token}
        return {"user.name": self._environ.get("HADOOP_USER_NAME") or getpass.getuser()}

    def _namenodes(self) -> list[str]:
        directory = self._environ.get("HADOOP_CONF_DIR")
        if not directory:
            raise SourceError("HADOOP_CONF_DIR is not set: libhdfs has no configuration, and no NameNode to ask")
        file = Path(directory) / "hdfs-site.xml"
        try:
            properties = list(ElementTree.parse(file).iter("property"))
        except (OSError, ElementTree.ParseError) as error:
            raise SourceError(f"{file}: {error}") from error
        found = [
            each.findtext("value", "").strip()
            for each in properties
            if each.findtext("name", "").strip().startswith("dfs.namenode.http-address")
        ]
        if not found:
            raise SourceError(f"{file}: no dfs.namenode.http-address")
        return found


def _first_answer(urls: Sequence[str], stack: ExitStack) -> http.client.HTTPResponse:
    """Return the answer of the first NameNode that is neither down nor a standby; *stack* keeps it open."""
    for url in urls[:-1]:
        with suppress(_NotActiveError):
            return stack.enter_context(_read(url))
    return stack.enter_context(_read(urls[-1]))


@contextmanager
def _read(url: str) -> Iterator[http.client.HTTPResponse]:
    """Ask one NameNode, follow it to a DataNode, and hand out the body of a 200."""
    try:
        with _response(url) as first:
            location = first.headers["Location"]
            if first.status == 200:
                yield first
                return
            if first.status != 307:
                raise _refused(url, first)
        with _response(location) as second:
            if second.status != 200:
                raise _refused(location, second)
            yield second
    except (OSError, http.client.HTTPException) as error:
        raise _NotActiveError(f"{url}: {error!r}") from error


@contextmanager
def _response(url: str) -> Iterator[http.client.HTTPResponse]:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}")
        yield connection.getresponse()


def _refused(url: str, response: http.client.HTTPResponse) -> SourceError:
    words = response.read(400).decode(errors="replace")
    is_standby = "StandbyException" in words or "RetriableException" in words
    return (_NotActiveError if is_standby else SourceError)(f"{url}: {response.status} {words}")
