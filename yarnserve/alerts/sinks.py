"""Where alerts go: a command, a webhook, the log."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from yarnserve.alerts.records import Notice, Sink
from yarnserve.errors import YarnserveError, first_line

#: Seconds that a command, and a webhook, may take.
COMMAND_TIMEOUT = 10.0
WEBHOOK_TIMEOUT = 5.0

_IN_ENVIRONMENT = ("key", "status", "summary", "severity")


class CommandSink(Sink):
    """Runs *command* by the shell, with the notice as JSON on its stdin and the main of it in its environment."""

    words = "the alert's command"

    def __init__(self, command: str, *, timeout: float = COMMAND_TIMEOUT) -> None:
        self._command = command
        self._timeout = timeout

    def send(self, notice: Notice) -> None:
        """Run it; an exit status other than 0, or more time than it may take, is a failure."""
        document = notice.to_document()
        told = {f"YARNSERVE_ALERT_{name.upper()}": str(document[name]) for name in _IN_ENVIRONMENT}
        try:
            process = subprocess.Popen(
                self._command,
                shell=True,
                env={**os.environ, **told},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise _failed(f"{self.words} cannot be run", str(error)) from error
        with process:
            try:
                process.communicate(json.dumps(document).encode() + b"\n", timeout=self._timeout)
            except subprocess.TimeoutExpired as error:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise _failed(f"{self.words} did not end", f"{self._timeout:g} s have passed") from error
        if process.returncode:
            raise _failed(f"{self.words} failed", f"it ended with {process.returncode}")


def post_json(url: str, document: Any, *, to: str, timeout: float) -> None:
    """POST *document*; every answer but a 2xx is a failure of *to*, whatever its body is.

    Raises:
        YarnserveError: it was not taken.
    """
    try:
        status = _status_of_post(url, json.dumps(document).encode(), timeout)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(f"{to} cannot be reached", str(error)) from error
    if not 200 <= status < 300:
        raise _failed(f"{to} refuses it", f"HTTP {status}")


def _status_of_post(url: str, body: bytes, timeout: float) -> int:
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError(f"{url} is no address of a web server")
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname, address.port, timeout=timeout)
    is_late = threading.Event()
    # Its time-out is for every read; whoever sends a header byte by byte must not hold up what others are to hear.
    ends = threading.Timer(timeout, _hang_up, [connection, is_late])
    ends.start()
    try:
        connection.connect()
        _require_time(is_late, timeout)
        target = urlunsplit(("", "", address.path or "/", address.query, ""))
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        # Its body is nothing to us, and may have no end.
        status = connection.getresponse().status
        # What is cut off within the headers reads as if they had ended.
        _require_time(is_late, timeout)
        return status
    finally:
        ends.cancel()
        connection.close()


def _hang_up(connection: http.client.HTTPConnection, is_late: threading.Event) -> None:
    is_late.set()
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _require_time(is_late: threading.Event, timeout: float) -> None:
    if is_late.is_set():
        raise TimeoutError(f"it took longer than {timeout:g} s")


class WebhookSink(Sink):
    """POSTs the notice as JSON to *url*."""

    words = "the alert's webhook"

    def __init__(self, url: str, *, timeout: float = WEBHOOK_TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout

    def send(self, notice: Notice) -> None:
        """Send it; every answer but a 2xx is a failure."""
        post_json(self._url, notice.to_document(), to=self.words, timeout=self._timeout)


class LogSink(Sink):
    """Writes one line."""

    words = "the log"
    has_limit = False

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def send(self, notice: Notice) -> None:
        """Write it."""
        document = notice.to_document()
        self._write(f"ALERT {document['status']}: {document['key']}: {document['summary']}")


def _failed(what: str, why: str) -> YarnserveError:
    return YarnserveError(what, why=first_line(why))
