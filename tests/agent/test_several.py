"""Several models in one server: what one of them does is not the others' fault, and ends none of them."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.agent.support import EXAMPLE, HOME, MODEL, Host
from tests.support import wait_until

OTHER = f"{HOME}/models/other"

#: Has version 1 of every model; from when the file of its first argument exists, the model "other" answers no more.
HANGING = f"""
import http.server, json, pathlib, sys, threading
flag, ports = pathlib.Path(sys.argv[1]), dict(each[2:].split("=", 1) for each in sys.argv[2:])
answered, expected = {{"digits": 0, "other": 0}}, json.load(open({str(EXAMPLE)!r}))["expected"]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/monitoring"):
            lines = ':tensorflow:serving:request_latency_count{{model_name="%s",API="Predict"}} %d'
            return self.reply("".join(lines % pair + chr(10) for pair in answered.items()))
        status = {{"error_code": "OK", "error_message": ""}}
        self.reply(json.dumps({{"model_version_status": [{{"version": "1", "state": "AVAILABLE", "status": status}}]}}))

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        model = self.path.split("/")[3]
        if model == "other" and flag.exists():
            threading.Event().wait()
        answered[model] += 1
        self.reply(json.dumps(expected))

    def reply(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", int(ports["rest_api_port"])), Handler).serve_forever()
"""


@pytest.fixture
def pair(host: Host) -> Host:
    """A machine whose server is to have two models."""
    host.has_other = True
    return host


def test_a_first_version_that_cannot_be_loaded_keeps_no_other_model_down(pair: Host, tmp_path: Path) -> None:
    """A server that starts with it would exit (tf-serving.md 5.3): it is left out while the other can be served."""
    pair.start()
    wait_until(lambda: (pair.status().get("models") or [{}])[0].get("version") == 1)
    broken = shutil.copytree(MODEL, tmp_path / "broken")
    (broken / "model.tflite").write_bytes(b"not a model")
    pair.publish(1, broken, OTHER)
    wait_until(lambda: "version 1 of other is taken back for now" in pair.log)
    pair.signal_server(signal.SIGKILL)
    wait_until(lambda: pair.predict() == 0)
    wait_until(lambda: pair.predict() == 200, 10)
    wait_until(lambda: pair.status()["why"] == "no version of other has answered yet")
    assert [model["version"] for model in pair.status()["models"]] == [1, None]
    assert not pair.is_ready()


def test_a_model_that_hangs_is_seen_beside_one_that_answers(pair: Host, tmp_path: Path) -> None:
    """What the others answer, our own predictions among it, does not make it well."""
    script, flag = tmp_path / "server.py", tmp_path / "hang"
    script.write_text(HANGING)
    pair.program(f'exec {sys.executable} {script} {flag} "$@"')
    pair.publish(1, base=OTHER)
    pair.start()
    pair.wait_ready(1)
    flag.touch()
    wait_until(lambda: "it does not recover: version 1 of other" in pair.log, 20)
    assert not pair.is_ready()
