"""The sandbox as one object: a small Hadoop cluster in a background thread, and real processes as its containers."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shlex
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from yarnserve.errors import YarnserveError
from yarnserve.sandbox.configuration import client_configuration, write_configuration
from yarnserve.sandbox.docker import DockerHost
from yarnserve.sandbox.election import Times
from yarnserve.sandbox.failover import Failover
from yarnserve.sandbox.faults import Fault, faults_of
from yarnserve.sandbox.home import NamespaceHome, Uploader
from yarnserve.sandbox.inodes import NamespaceError
from yarnserve.sandbox.namespace import Namespace
from yarnserve.sandbox.node import Resource
from yarnserve.sandbox.pair import Pair
from yarnserve.sandbox.process import ProcessRuntime
from yarnserve.sandbox.profile import HADOOP_3_1_4, Profile
from yarnserve.sandbox.simulated import SimulatedRuntime
from yarnserve.sandbox.webhdfs import NAMESERVICE, HdfsServers
from yarnserve.sandbox.yarn import YarnServers

#: The daemons' user: superuser of HDFS.
SUPERUSER = "hdfs"
_FILESYSTEM = "hdfs://localhost:8020"
#: Seconds between two looks at the containers, and how often as long as a look they are at least: a cluster of ten
#: thousand containers takes its time, and still has to answer.
_TICK = 0.05
_SHARE = 4


class Sandbox:
    """A ResourceManager, NodeManagers and HDFS on free ports of this machine; a context manager.

    Services run as real local processes, Docker components too: their image decides only whether they start (see
    :mod:`docker`). Leaving the context kills them all; when this process is killed they die as well, and only the
    temporary directory is left.

    Args:
        nodes: number of NodeManagers.
        memory_mb: memory of each, in MiB.
        vcores: virtual cores of each.
        gpus: GPUs of each; without any, the cluster does not know yarn.io/gpu.
        user: who has a home directory, and whom *environment* names; None is the user of this process.
        uploads: (local directory or file, HDFS path) to put into HDFS at the start.
        directory: where everything is kept, and left at the end; None is a temporary directory that is removed.
        profile: the Hadoop release to imitate.
        faults: names of what is wrong from the start (see :mod:`faults`).
        simulated: containers are state only, and no process stands behind them (see :mod:`simulated`).
        ha: whether there are two ResourceManagers and two NameNodes, of which one each is active.
        images: the Docker images that there are; without any, every image is there.
        trusted_registries: docker.trusted.registries of the nodes; without any, every registry is trusted.

    Attributes:
        resource_manager_url: base URL of the first ResourceManager.
        namenode_url: base URL of WebHDFS, of the first NameNode.
        httpfs_url: base URL of HttpFS, over the same files; good for ``--namenode`` too.
        environment: what a command needs in its environment to find the sandbox as it finds a cluster, and
            YARNSERVE_SANDBOX, the URL of the sandbox's own control paths (see :mod:`resourcemanager`,
            :mod:`failover`).

    Raises:
        UsageError: there is no such fault.
        YarnserveError: it cannot start, or it broke down while it was used.
    """

    def __init__(
        self,
        *,
        nodes: int = 2,
        memory_mb: int = 8192,
        vcores: int = 16,
        gpus: int = 0,
        user: str | None = None,
        uploads: Iterable[tuple[Path, str]] = (),
        directory: Path | None = None,
        profile: Profile = HADOOP_3_1_4,
        faults: Iterable[str] = (),
        simulated: bool = False,
        ha: bool = False,
        images: Iterable[str] = (),
        trusted_registries: Iterable[str] = (),
    ) -> None:
        self.user = user or getpass.getuser()
        self.resource_manager_url = ""
        self.namenode_url = ""
        self.httpfs_url = ""
        self.environment: dict[str, str] = {}
        self._nodes = nodes
        self._capacity = Resource(memory_mb, vcores, gpus)
        self._uploads = tuple(uploads)
        self._is_temporary = directory is None
        self._directory = directory
        self._profile = profile
        self._faults = faults_of(faults)
        self._simulated = simulated
        self._ha = ha
        self._docker = DockerHost(frozenset(images) or None, frozenset(trusted_registries) or None)
        self._filesystem = f"hdfs://{NAMESERVICE}" if ha else _FILESYSTEM
        self.hadoop_version = profile.version
        self._breakdown: Exception | None = None

    def __enter__(self) -> Sandbox:
        self._directory = _directory(self._directory)
        self._namespace = Namespace(self._directory / "hdfs", superuser=SUPERUSER)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._directory,), name="sandbox", daemon=True)
        self._thread.start()
        try:
            self._uploader.make_base()
            for local, remote in self._uploads:
                self.upload(local, remote)
            self._ready.wait()
            self._raise_breakdown()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if error is None:
            self._raise_breakdown()

    def upload(self, local: Path, hdfs_path: str) -> None:
        """Put a file at *hdfs_path*, or what is in a directory below it, owned by the user.

        Raises:
            YarnserveError: *local* cannot be read, or *hdfs_path* is no good.
        """
        try:
            self._uploader.put(local, hdfs_path)
        except (OSError, NamespaceError) as error:
            what = f"cannot put {local} into the sandbox's HDFS"
            raise YarnserveError(what, where=hdfs_path, why=str(error)) from error

    @property
    def _uploader(self) -> Uploader:
        return Uploader(self._namespace, self.user)

    def _run(self, directory: Path) -> None:
        try:
            self._loop.run_until_complete(self._serve(directory))
        except Exception as error:  # noqa: BLE001  raised again where the context is left
            self._break_down(error)
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self, directory: Path) -> None:
        async with contextlib.AsyncExitStack() as stack:
            hdfs = HdfsServers(self._namespace, release=self._profile.release, times=self._namenode_times())
            await hdfs.start()
            stack.push_async_callback(hdfs.stop)
            runtime = stack.enter_context(contextlib.closing(self._runtime(directory)))
            yarn = YarnServers(
                nodes=self._nodes,
                capacity=self._capacity,
                profile=self._profile,
                faults=self._faults,
                runtime=runtime,
                home=NamespaceHome(self._namespace),
                filesystem=self._filesystem,
                clock=time.time,
                on_breakdown=self._break_down,
                has_pair=self._ha,
                docker=self._docker,
            )
            self._namespace.is_in_safe_mode = lambda: Fault.SAFE_MODE in yarn.cluster.faults
            Failover(yarn, hdfs.namenodes).add_to(yarn.control.application)
            stack.push_async_callback(yarn.stop)
            await yarn.start()
            self.httpfs_url = hdfs.httpfs_url
            self._publish(directory, yarn, hdfs.namenodes)
            self._ready.set()
            while not self._stopping.is_set():
                began = time.monotonic()
                await hdfs.namenodes.advance(time.time())
                await yarn.advance(time.time())
                await asyncio.sleep(max(_TICK, _SHARE * (time.monotonic() - began)))

    def _runtime(self, directory: Path) -> ProcessRuntime | SimulatedRuntime:
        return SimulatedRuntime() if self._simulated else ProcessRuntime(directory, _inherited(directory))

    def _namenode_times(self) -> Times | None:
        profile = self._profile
        times = Times(profile.namenode_takeover, 0.0, profile.daemon_down, profile.namenode_start)
        return times if self._ha else None

    def _publish(self, directory: Path, yarn: YarnServers, namenodes: Pair) -> None:
        self.resource_manager_url = f"http://{yarn.managers.addresses[0]}"
        self.namenode_url = f"http://{namenodes.addresses[0]}"
        files = client_configuration(
            filesystem=self._filesystem, namenodes=namenodes.addresses, resource_managers=yarn.managers.addresses
        )
        write_configuration(directory / "conf", files)
        _write_programs(directory / "bin")
        self.environment = {
            "HADOOP_CONF_DIR": str(directory / "conf"),
            "HADOOP_USER_NAME": self.user,
            "YARNSERVE_SANDBOX": f"http://{yarn.control.address}/sandbox",
        }

    def _break_down(self, error: Exception) -> None:
        traceback.print_exception(error)
        self._breakdown = self._breakdown or error
        self._stopping.set()

    def _raise_breakdown(self) -> None:
        if self._breakdown is not None:
            why = f"{type(self._breakdown).__name__}: {self._breakdown}"
            raise YarnserveError("the sandbox broke down", why=why) from self._breakdown

    def _end(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed when the sandbox broke down
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        if self._is_temporary and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


def _directory(given: Path | None) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix="yarnserve-sandbox-"))
    directory = given.resolve()
    if shlex.quote(str(directory)) != str(directory):
        raise YarnserveError(
            "the sandbox cannot work in this directory",
            where=str(directory),
            why="its path goes unquoted into launch scripts, as YARN's does",
            fix="choose a path without spaces and shell characters",
        )
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _inherited(directory: Path) -> dict[str, str]:
    """Return what every container has in its environment: the NodeManager's own."""
    path = os.environ.get("PATH", os.defpath)
    return {"HADOOP_CONF_DIR": str(directory / "conf"), "PATH": f"{directory / 'bin'}{os.pathsep}{path}"}


def _write_programs(directory: Path) -> None:
    """Write the stand-in for TensorFlow Serving under its own name, and yarnserve, which agents are."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, module in (("tensorflow_model_server", "yarnserve.sandbox.model_server"), ("yarnserve", "yarnserve")):
        program = directory / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
        program.chmod(0o755)
