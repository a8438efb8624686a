"""What the tests of alerts begin with: a clock by hand, a web server that is posted to, and alerts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tests.support import served
from yarnserve.alerts.records import Alert

ALERT = Alert("sync /models/digits", "HDFS is away", "warning", {"why": "nobody answers"})


def numbered(number: int) -> Alert:
    """One of many."""
    return Alert(f"serve-{number}", f"serve-{number} is away")


@dataclass
class Time:
    """Seconds since the epoch, by hand."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        """Tell them."""
        return self.now


@dataclass
class Post:
    """A web server that keeps what is posted, and answers with *first*, one after the other, and then with *status*."""

    status: int = 200
    first: list[int] = field(default_factory=list)
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def documents(self) -> list[Any]:
        """What was posted."""
        return [json.loads(body) for body in self.bodies]


@contextmanager
def posting(status: int = 200, *, first: Iterable[int] = ()) -> Iterator[Post]:
    """Run one."""
    post = Post(status, [*first])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            post.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            post.paths.append(self.path)
            self.send_response(post.first.pop(0) if post.first else post.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    with served(server) as url:
        post.url = f"{url}/hook"
        yield post
