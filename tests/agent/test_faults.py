"""What can go wrong beside an agent: servers that die, hang, or are others; versions that fail; orders by nobody."""

from __future__ import annotations

import http.server
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.agent.support import MODEL, Host, ask
from tests.support import wait_until
from yarnserve.orders import Order, sign

#: Opens its gRPC port, and REST never.
GRPC_ONLY = """for argument in "$@"; do case $argument in --port=*) port=${argument#--port=};; esac; done
exec python3 -c 'import socket,sys,time; s=socket.create_server(("",int(sys.argv[1]))); time.sleep(100)' $port"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1], ids=["killed", "stopped", "hangs"])
def test_a_server_that_dies_or_hangs_is_started_again(host: Host, number: int) -> None:
    """A killed one, a stopped one and one whose predictions hang (USR1, while its status says AVAILABLE) come back."""
    host.start()
    host.wait_ready(1)
    first = host.status()["server_pid"]
    host.signal_server(number)
    wait_until(lambda: host.status()["server_pid"] not in (first, None), 20)
    host.wait_ready(1)
    assert host.predict() == 200


def test_a_server_that_never_starts_ends_the_agent_after_its_budget(host: Host) -> None:
    """Ever longer pauses, an alarm, and then 143: YARN shall try another container, perhaps another node."""
    host.extra = host.extra.replace("restarts: 4", "restarts: 2, max_backoff: 1s")
    host.program("echo 'Failed to start server. Error: no GPU'; exit 255")
    assert host.start().wait(30) == 143
    assert "the server ended with 255" in host.log
    assert "ended more than 2 times" in host.log


def test_a_server_that_opens_only_grpc_is_told_and_ended(host: Host) -> None:
    """TF Serving goes on without REST when that port is taken: the agent says so and tries anew."""
    host.program(GRPC_ONLY)
    host.start()
    wait_until(lambda: "it opened gRPC and not REST" in host.log, 30)
    host.program()
    host.wait_ready(1)
    assert host.predict() == 200


def test_another_server_on_the_port_is_not_taken_for_ours(host: Host) -> None:
    """While another process has the REST port no server is started; once it is gone the replica comes up."""
    other = http.server.ThreadingHTTPServer(("127.0.0.1", host.port), http.server.BaseHTTPRequestHandler)
    serving = threading.Thread(target=other.serve_forever)
    serving.start()
    try:
        host.start()
        wait_until(lambda: f"port {host.port} is another process's" in host.log)
        assert not host.is_ready()
    finally:
        other.shutdown()
        other.server_close()
        serving.join()
    host.wait_ready(1)


def test_a_server_that_does_not_become_available_in_time_is_started_anew(host: Host) -> None:
    """supervise.startup_deadline bounds a start that says nothing at all."""
    host.extra = host.extra.replace("startup_deadline: 60s", "startup_deadline: 2s")
    host.program("exec sleep 100")
    host.start()
    wait_until(lambda: "it did not answer within 2 s" in host.log, 30)
    wait_until(lambda: host.log.count("started the server") == 2)
    assert not host.is_ready()


def test_term_waits_for_nobody_while_the_server_loads(host: Host) -> None:
    """A server whose ports are not open yet has no callers to let out."""
    host.agent = "{poll: 1s, quiet: 1s, drain: 100s}"
    host.program("exec sleep 100")
    agent = host.start()
    wait_until(lambda: "started the server" in host.log)
    agent.terminate()
    assert agent.wait(10) == 0


def test_a_disk_that_takes_nothing_ends_no_server(host: Host) -> None:
    """What the agent would write cannot be written: version 1 stays served, and 2 comes when there is room again."""
    host.promote(1)
    host.start()
    host.wait_ready(1)
    first = host.status()["server_pid"]
    in_the_way = [host.directory / "work" / f"{name}.new" for name in ("models.config", "steering.json")]
    for path in in_the_way:
        path.mkdir()
    host.publish(2)
    host.promote(2)
    wait_until(lambda: "the server cannot be told what to serve" in host.log)
    assert host.predict(1) == 200
    in_the_way[0].rmdir()
    host.wait_ready(2)
    assert host.status()["server_pid"] == first


def test_a_log_that_takes_nothing_ends_no_server(host: Host) -> None:
    """Its disk is full: nobody reads what is told, callers are answered, and the end is in order."""
    host.program("STAND_IN >/dev/null 2>&1")
    agent = host.start(log="/dev/full")
    host.wait_ready(1)
    agent.terminate()
    assert agent.wait(20) == 0


def test_why_it_leaves_is_told_before_it_does(host: Host) -> None:
    """The webhook is slow, and the alarm that matters most waits behind others."""
    told, may_answer = [], threading.Event()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            may_answer.wait(20)
            self.send_response(204)
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        host.agent = f"{{poll: 1s, webhook: 'http://127.0.0.1:{server.server_port}/hook'}}"
        host.extra = host.extra.replace("restarts: 4", "restarts: 1, max_backoff: 1s")
        host.program("exit 255")
        agent = host.start()
        try:
            wait_until(lambda: "leaving this container" in host.log)
            with pytest.raises(subprocess.TimeoutExpired):
                agent.wait(1)
            may_answer.set()
            assert agent.wait(20) == 143
            assert "leaving this container" in told[-1]
        finally:
            server.shutdown()
            serving.join()


def test_a_version_that_answers_wrongly_is_refused_and_the_good_one_stays(host: Host, tmp_path: Path) -> None:
    """Version 2 loads, but does not answer the example as expected: it goes, and callers of version 1 see nothing."""
    host.promote(1)
    host.start()
    host.wait_ready(1)
    host.publish(2, with_other_weights(tmp_path / "other"))
    host.promote(2)
    refused = wait_until(lambda: host.status()["models"][0]["refused"])
    assert "answers the example wrongly" in refused
    wait_until(lambda: host.predict(2) == 404)
    assert host.serves(1)
    assert host.predict(1) == 200
    assert "ALERT firing: version digits: version 2 of digits is refused" in host.log
    host.promote(1)
    wait_until(lambda: "ALERT resolved: version digits: version 1 is wanted, and served" in host.log)


def test_bad_versions_use_up_no_starts_of_the_good_one(host: Host, tmp_path: Path) -> None:
    """Two of them end the server, which may end once: version 1 is served again, and the agent stays."""
    host.model = ", swap: replace"
    host.extra = host.extra.replace("restarts: 4", "restarts: 1")
    host.promote(1)
    agent = host.start()
    host.wait_ready(1)
    broken = shutil.copytree(MODEL, tmp_path / "broken")
    (broken / "model.tflite").write_bytes(b"not a model")
    for version in (2, 3):
        host.publish(version, broken)
        host.promote(version)
        wait_until(lambda version=version: f"version {version} of digits is taken back for now" in host.log)
    host.wait_ready(1)
    assert agent.poll() is None


def test_what_the_server_gave_up_is_loaded_again(host: Host, tmp_path: Path) -> None:
    """TF Serving never tries a failed version again (tf-serving.md 5.2): the agent takes it back and has it tried."""
    host.promote(1)
    host.start()
    host.wait_ready(1)
    broken = shutil.copytree(MODEL, tmp_path / "broken")
    (broken / "model.tflite").write_bytes(b"not a model")
    host.publish(2, broken)
    host.promote(2)
    wait_until(lambda: "version 2 of digits is taken back for now" in host.log)
    assert host.serves(1)
    loading = "Loading servable version {name: digits version: 2}"
    wait_until(lambda: host.log.count(loading) == 2)
    assert host.serves(1)
    since = host.status()["models"][0]["since"]
    host.promote(1)
    wait_until(lambda: host.status()["models"][0]["trial"] is None)
    assert host.status()["models"][0]["since"] == since


def test_orders_need_the_secret_and_are_good_once(host: Host) -> None:
    """Unsigned, signed by another secret, repeated, or of no known kind: refused, and nothing happens."""
    host.start()
    host.wait_ready()
    url = f"http://127.0.0.1:{host.port + 2}/orders"
    assert ask(f"{url}/leave", b"")[0] == 403
    assert host.order(Order.LEAVE, secret="guessed") == 403
    assert ask(f"{url}/dance", b"")[0] == 404
    secret = host.hdfs.content("/user/alice/.yarnserve/digits/orders.secret").decode()
    signed = sign(secret, host.status()["boot"], Order.DRAIN)
    assert ask(f"{url}/leave", b"", signed)[0] == 403
    assert ask(f"{url}/drain", b"", signed)[0] == 202
    assert ask(f"{url}/drain", b"", signed)[0] == 403
    wait_until(lambda: host.status()["state"] == "drained")
    assert host.order(Order.RESUME) == 202
    host.wait_ready()
    assert secret not in host.log


def test_restart_server_and_leave_are_obeyed(host: Host) -> None:
    """restart-server makes another process of the same agent; leave ends it with 143, which YARN replaces at once.

    A script without exec in the server's place takes the server behind it along.
    """
    host.program("STAND_IN")
    script = host.directory / "bin" / "tensorflow_model_server"
    script.write_text(script.read_text().replace("exec ", "") + "exit $?\n")
    agent = host.start()
    host.wait_ready()
    first = host.status()["server_pid"]
    assert host.order(Order.RESTART_SERVER) == 202
    wait_until(lambda: host.status()["server_pid"] not in (first, None))
    host.wait_ready()
    assert host.order(Order.LEAVE) == 202
    assert agent.wait(20) == 143


def test_health_is_answered_while_models_are_fetched(host: Host, tmp_path: Path) -> None:
    """A sync of many bytes keeps no health check waiting for half a second."""
    host.promote(1)
    host.start()
    host.wait_ready(1)
    large = shutil.copytree(MODEL, tmp_path / "large")
    (large / "assets.extra").mkdir()
    (large / "assets.extra" / "table").write_bytes(bytes(range(256)) * 4096 * 200)
    host.publish(2, large)
    host.promote(2)
    waits = []
    while not host.serves(2):
        begun = time.monotonic()
        assert host.get("/healthz")[0] == 200
        waits.append(time.monotonic() - begun)
    assert max(waits) < 0.5


def with_other_weights(directory: Path) -> Path:
    """The digits with some of their weights gone: a sound file, and other answers."""
    shutil.copytree(MODEL, directory)
    model = directory / "model.tflite"
    content = bytearray(model.read_bytes())
    content[56_000:118_000] = bytes(62_000)
    model.write_bytes(content)
    return directory


def test_callers_who_keep_connections_open_do_not_blind_it(host: Host) -> None:
    """With more of them than it may have files it still answers others, and no thread of it ends."""
    agent = host.start()
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (400, 400))
    host.wait_ready(1)
    with ExitStack() as idle:
        for _ in range(600):
            idle.enter_context(socket.create_connection(("127.0.0.1", host.port + 2), 5)).send(b"GET /he")
        assert host.get("/healthz")[0] == 200
        assert "Exception in thread" not in host.log


def test_a_work_directory_that_is_removed_is_made_anew(host: Host) -> None:
    """Whoever cleans up ends no server that serves, and one that starts later has its files again."""
    agent = host.start()
    host.wait_ready(1)
    first = host.status()["server_pid"]
    shutil.rmtree(host.directory / "work")
    host.signal_server(signal.SIGKILL)
    wait_until(lambda: host.status()["server_pid"] not in (first, None), 20)
    host.wait_ready(1)
    assert agent.poll() is None


@pytest.mark.parametrize(("instance", "what"), [("serve-x", "not the name"), ("serve-99999", "has no ports")])
def test_an_instance_that_cannot_be_is_a_mistake_of_the_caller(host: Host, instance: str, what: str) -> None:
    """No cluster that cannot be reached, and no port beyond the highest, which would wrap around to another's."""
    assert host.start(instance=instance).wait(20) == 2
    assert what in host.log
