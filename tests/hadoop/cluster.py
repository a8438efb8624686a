"""A real single-node Hadoop, booted from jars: NameNode, DataNode, HttpFS, ZooKeeper, ResourceManager, NodeManager.

By default in two JVMs (real-hadoop.md 4.1); in more where one daemon must die alone. Its JVMs live as long as their
standard input, so that nothing is left of it when a test process is killed.
"""

from __future__ import annotations

import getpass
import http.client
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.hadoop.configuration import QUICK_START, Ports, write_configuration
from tests.hadoop.jars import class_path, one_process_at_a_time
from tests.sandbox.cluster_support import HttpAnswer, send
from tests.support import claimed_ports, wait_until

_STORAGE = ("zookeeper", "namenode", "datanode")

#: The quick form: everything but the NodeManager shares a JVM.
TWO_JVMS = ((*_STORAGE, "resourcemanager", "httpfs"), ("nodemanager",))
#: A ResourceManager that can be killed and started again while HDFS stays.
OWN_RESOURCE_MANAGER = ((*_STORAGE, "httpfs"), ("resourcemanager",), ("nodemanager",))
#: Two ResourceManagers, one of them active.
PAIR = ((*_STORAGE, "httpfs"), ("resourcemanager=rm1",), ("resourcemanager=rm2",), ("nodemanager",))

#: Who has a home directory besides the daemons' own user, who is HDFS's superuser.
USERS = ("alice", "bob")

#: Seconds for the slowest machine; booting takes 5 to 10.
_BOOT_DEADLINE = 120.0

# The last is for Java 17.
_JAVA = ("java", *QUICK_START, "--add-opens=java.base/java.lang=ALL-UNNAMED")


@dataclass
class _Jvm:
    daemons: Sequence[str]
    process: subprocess.Popen[bytes]


class RealHadoop:
    """A running cluster; a context manager.

    Args:
        version: one of :data:`tests.hadoop.jars.RELEASES`.
        directory: empty; keeps configuration, data and logs of the daemons, for whoever looks at a failed run.
        jvms: the daemons of each JVM.
        changes: further properties by file, as of `write_configuration`.
        java: further options of every JVM.
        classes: a directory of classes that go before Hadoop's own; None for none.
    """

    def __init__(
        self,
        version: str,
        directory: Path,
        *,
        jvms: Sequence[Sequence[str]] = TWO_JVMS,
        changes: dict[str, dict[str, str]] | None = None,
        java: Sequence[str] = (),
        classes: Path | None = None,
    ) -> None:
        self._java = java
        self._classes = classes
        self.version = version
        self.directory = directory
        self.superuser = getpass.getuser()
        self._forms = jvms
        self._changes = changes
        self._jvms: list[_Jvm] = []
        self._stack = ExitStack()

    def __enter__(self) -> RealHadoop:
        try:
            # All of them at once on two cores would take each beyond its deadline.
            with one_process_at_a_time("boot"):
                self._boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end()

    @property
    def is_pair(self) -> bool:
        """Whether there are two ResourceManagers."""
        return any(daemon.startswith("resourcemanager=") for form in self._forms for daemon in form)

    @property
    def resource_manager_urls(self) -> list[str]:
        """Each ResourceManager's web server."""
        ports = [self.ports.resourcemanager_http, *([self.ports.rm2_http] if self.is_pair else [])]
        return [f"http://localhost:{port}" for port in ports]

    @property
    def resource_manager_url(self) -> str:
        """The web server of the active ResourceManager."""
        return next(url for url in self.resource_manager_urls if self._ha_state(url) == "ACTIVE")

    @property
    def namenode_url(self) -> str:
        """WebHDFS."""
        return f"http://localhost:{self.ports.namenode_http}"

    @property
    def httpfs_url(self) -> str:
        """HttpFS."""
        return f"http://localhost:{self.ports.httpfs}"

    @property
    def node_url(self) -> str:
        """The NodeManager's web server."""
        return f"http://localhost:{self.ports.nodemanager_http}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client exports."""
        return {"HADOOP_CONF_DIR": str(self.directory / "conf"), "HADOOP_USER_NAME": USERS[0]}

    def webhdfs(self, method: str, path: str, *, user: str, body: bytes | None = None, **query: str) -> HttpAnswer:
        """Ask WebHDFS as *user*; a body goes to where the NameNode sends it."""
        asked = {"user.name": user, **query}
        url = f"{self.namenode_url}/webhdfs/v1{path}"
        if body is None:
            return send(method, url, headers=self.headers(url), **asked)
        redirect = send(method, url, headers=self.headers(url), noredirect="true", **asked)
        if redirect.status != 200:
            return redirect
        return send(method, redirect.document()["Location"], body)

    def kill(self, daemon: str) -> None:
        """End the JVM of *daemon* with -9, as a crash of its machine would; wait until it is gone."""
        jvm = next(each for each in self._jvms if daemon in each.daemons)
        self._jvms.remove(jvm)
        _kill(jvm)

    def start(self, *daemons: str) -> None:
        """Start a JVM with *daemons*; not waited for."""
        conf = self.directory / "conf"
        environment = {**os.environ, "HADOOP_CONF_DIR": str(conf)}
        environment.pop("HADOOP_USER_NAME", None)
        properties = {
            "httpfs.home.dir": self.directory,
            "httpfs.config.dir": conf,
            "httpfs.log.dir": self.directory / "logs",
            "httpfs.temp.dir": self.directory / "tmp",
            "httpfs.http.hostname": "localhost",
            "httpfs.http.port": self.ports.httpfs,
        }
        heap = "-Xmx1g" if "namenode" in daemons else "-Xmx512m"
        named = [f"zookeeper={conf / 'zoo.cfg'}" if each == "zookeeper" else each for each in daemons]
        with (self.directory / "logs" / f"{daemons[-1].replace('=', '-')}.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    *_JAVA,
                    *self._java,
                    heap,
                    *(f"-D{name}={value}" for name, value in properties.items()),
                    *("-cp", f"{conf}:{self._class_path}", "Daemons", *named),
                ],
                env=environment,
                cwd=self.directory,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._jvms.append(_Jvm(daemons, process))

    def wait_until_active(self, deadline: float = _BOOT_DEADLINE) -> None:
        """Wait until a ResourceManager is active, has its node and serves services."""
        wait_until(self._yarn_is_ready, deadline, "an active ResourceManager with its node")

    def _boot(self) -> None:
        self._class_path = ":".join(filter(None, [str(self._classes or ""), class_path(self.version)]))
        self.ports = Ports.from_base(self._stack.enter_context(claimed_ports()))
        for name in ("conf", "data", "logs", "tmp", "bin"):
            (self.directory / name).mkdir(parents=True)
        write_configuration(
            self.directory / "conf",
            self.directory / "data",
            self.ports,
            path=f"{self.directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
            pair=self.is_pair,
            changes=self._changes,
        )
        self._write_programs()
        for form in self._forms:
            self.start(*form)
        wait_until(self._hdfs_is_ready, _BOOT_DEADLINE, "HDFS")
        self._make_directories()
        self.wait_until_active()
        wait_until(self._httpfs_is_ready, _BOOT_DEADLINE, "HttpFS")

    def _write_programs(self) -> None:
        """Put the stand-in for TensorFlow Serving, and yarnserve, which agents are, on the PATH of containers."""
        for name, module in (("tensorflow_model_server", "yarnserve.sandbox.model_server"), ("yarnserve", "yarnserve")):
            program = self.directory / "bin" / name
            program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n')
            program.chmod(0o755)

    def _make_directories(self) -> None:
        made = [("/user", "755", self.superuser), ("/tmp", "1777", self.superuser)]
        made += [(f"/user/{user}", "755", user) for user in USERS]
        # From 3.3 on the ApplicationMasters of all users write here (real-hadoop.md 7, item 9).
        made.append((f"{self.directory / 'data' / 'tmp'}/.yarn/services", "1777", self.superuser))
        for path, mode, owner in made:
            self._as_superuser(path, op="MKDIRS")
            self._as_superuser(path, op="SETPERMISSION", permission=mode)
            self._as_superuser(path, op="SETOWNER", owner=owner)

    def _as_superuser(self, path: str, **query: str) -> None:
        answer = self.webhdfs("PUT", path, user=self.superuser, **query)
        assert answer.status == 200, answer

    def _alive(self) -> None:
        for jvm in self._jvms:
            code = jvm.process.poll()
            assert code is None, f"{jvm.daemons} ended with {code}; see {self.directory / 'logs'}"

    def _hdfs_is_ready(self) -> bool:
        self._alive()
        # Not the FSNamesystem bean, which is up to 10 s old.
        seen = self._ask(f"{self.namenode_url}/jmx", qry="Hadoop:service=NameNode,name=NameNodeInfo")
        beans = seen["beans"] if seen else []
        return bool(beans) and beans[0]["LiveNodes"] != "{}" and beans[0]["Safemode"] == ""

    def _yarn_is_ready(self) -> bool:
        self._alive()
        active = [url for url in self.resource_manager_urls if self._ha_state(url) == "ACTIVE"]
        if len(active) != 1:
            return False
        nodes = self._ask(f"{active[0]}/ws/v1/cluster/nodes", states="RUNNING")
        return bool(nodes and nodes.get("nodes")) and self._ask(f"{active[0]}/app/v1/services/version") is not None

    def _httpfs_is_ready(self) -> bool:
        self._alive()
        query = {"op": "GETFILESTATUS", "user.name": self.superuser}
        return self._ask(f"{self.httpfs_url}/webhdfs/v1/", **query) is not None

    def headers(self, url: str) -> dict[str, str]:
        """What the cluster's own administrator sends with a request."""
        return {}

    def _ask(self, url: str, **query: str) -> Any:
        """Return the JSON document at *url*; None while there is none."""
        try:
            answer = send("GET", url, headers=self.headers(url), **query)
            return answer.document() if answer.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None

    def _ha_state(self, url: str) -> str:
        info = self._ask(f"{url}/ws/v1/cluster/info")
        return str(info["clusterInfo"]["haState"]) if info else ""

    def _end(self) -> None:
        # Nothing of it is needed any more, and daemons that end in order wait for each other. The NodeManager first:
        # who starts containers has to be gone before they are ended.
        for jvm in sorted(self._jvms, key=lambda each: "nodemanager" not in each.daemons):
            _kill(jvm)
        self._jvms.clear()
        self._kill_containers()
        self._stack.close()

    def _kill_containers(self) -> None:
        """End what a NodeManager that was killed has left: each container is a process group."""
        for file in (self.directory / "data" / "nm-local").glob("nmPrivate/**/*.pid"):
            with suppress(ValueError, ProcessLookupError, FileNotFoundError):
                os.killpg(int(file.read_text()), signal.SIGKILL)


def _kill(jvm: _Jvm) -> None:
    assert jvm.process.stdin is not None
    jvm.process.kill()
    jvm.process.wait()
    jvm.process.stdin.close()
