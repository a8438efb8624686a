"""The agent as PID 1 of a container that YARN would start: unknown uid, read-only image, TERM, KILL, both networks."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agent.support import Host, hosted
from tests.docker.containers import Container, started
from tests.docker.daemon import docker
from tests.sandbox.storage_support import running_hdfs
from tests.support import claimed_ports, wait_until
from yarnserve.orders import Order

pytestmark = pytest.mark.docker


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A machine with an HDFS that has version 1 of the digits, by way of HttpFS: one address for everything."""
    tmp_path.chmod(0o755)
    with (
        running_hdfs(tmp_path / "hdfs", httpfs=True) as hdfs,
        claimed_ports() as port,
        hosted(tmp_path, hdfs, port) as machine,
    ):
        yield machine


@contextmanager
def launched(host: Host, image: str, *, network: str = "host", shell: bool = True) -> Iterator[Container]:
    """The replica's container, with a work directory on the machine; in YARN's normal mode by a shell that execs.

    Its log is told where a test fails in it.
    """
    work = host.directory / "work"
    work.mkdir(exist_ok=True)
    assignment = host.write_assignment()
    agent = ["yarnserve", "agent", str(assignment), "--instance", "serve-0"]
    command = ["/bin/bash", "-c", f"exec {' '.join(agent)}"] if shell else agent
    published = [f"--publish={port}:{port}" for port in range(host.port, host.port + 3)]
    options = published if network == "bridge" else []
    with started(image, *command, network=network, work=work, mounts=[assignment], options=options) as container:
        try:
            yield container
        except BaseException:
            print(container.logs())
            raise


def test_pid_1_serves_as_nobody_and_ends_in_order(host: Host, sync_image: str) -> None:
    """A uid that the image does not know, nothing of the image writable: live; TERM lets requests out, and then 0."""
    with launched(host, sync_image) as container:
        host.wait_ready(1)
        assert "agent" in container.execute("cat", "/proc/1/cmdline")
        assert host.predict() == 200
        container.signal("TERM")
        wait_until(lambda: host.get("/readyz")[0] == 503)
        assert host.predict() == 200
        assert container.exit_code() == 0


def test_after_a_kill_the_next_container_goes_on_with_what_is_there(host: Host, sync_image: str) -> None:
    """KILL is 137 for YARN; a container of the same replica serves what the first one fetched, without HDFS."""
    with launched(host, sync_image) as container:
        host.wait_ready(1)
        container.signal("KILL")
        assert container.exit_code() == 137
    host.hdfs.namespace.delete("/user/alice/models", user="hdfs", recursive=True)
    with launched(host, sync_image) as container:
        host.wait_ready(1)
        assert "to fetch" not in container.logs()


def test_a_dead_server_comes_back_and_nobody_is_left_unburied(host: Host, sync_image: str) -> None:
    """The server is killed and started again; it, and orphans that PID 1 has to adopt, leave no zombies."""
    with launched(host, sync_image) as container:
        host.wait_ready(1)
        first = host.status()["server_pid"]
        container.execute("/bin/bash", "-c", f"(sleep 0.1 & sleep 0.1 &) ; kill -9 {first}")
        wait_until(lambda: host.status()["server_pid"] not in (first, None))
        host.wait_ready(1)
        state = "for stat in /proc/[0-9]*/stat; do read -r line < $stat; line=${line##*) }; echo ${line%% *}; done"
        wait_until(lambda: "Z" not in container.execute("/bin/bash", "-c", state).split())
        assert host.predict() == 200


def test_an_order_to_leave_is_143_by_the_image_s_own_entry_point(host: Host, sync_image: str) -> None:
    """In ENTRYPOINT mode as well: PID 1 is the agent, and 143 is what YARN does not start again in place."""
    with launched(host, sync_image, shell=False) as container:
        host.wait_ready(1)
        assert host.order(Order.LEAVE) == 202
        assert container.exit_code() == 143


def test_a_bridge_network_serves_by_its_published_ports(host: Host, sync_image: str) -> None:
    """HDFS is reached from the bridge; model and agent answer on the host's ports, and an update arrives."""
    subnet = docker("network", "inspect", "bridge", "--format={{(index .IPAM.Config 0).Subnet}}")
    gateway = str(ipaddress.ip_network(subnet)[1])
    with forwarded(gateway, host.hdfs.url) as url:
        host.hdfs_url = url
        host.promote(1)
        with launched(host, sync_image, network="bridge"):
            host.wait_ready(1)
            host.publish(2)
            host.promote(2)
            host.wait_ready(2)
            assert host.predict() == 200


@contextmanager
def forwarded(gateway: str, url: str) -> Iterator[str]:
    """An address on the bridge's gateway by which containers reach *url*, which listens on loopback alone."""
    port = int(url.rpartition(":")[2])
    with socket.create_server((gateway, 0)) as server:

        def accept() -> None:
            while True:
                try:
                    inward, _ = server.accept()
                except OSError:
                    return
                outward = socket.create_connection(("127.0.0.1", port))
                for source, sink in ((inward, outward), (outward, inward)):
                    threading.Thread(target=pump, args=(source, sink), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://{gateway}:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes until one side ends."""
    with source, sink:
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
        except OSError:
            return
