"""Answers of the REST servers below ``/ws/v1``, ResourceManager and NodeManager alike."""

from __future__ import annotations

from typing import Any

from yarnserve.errors import MalformedAnswerError, YarnserveError
from yarnserve.hadoop.remote import error_for, find
from yarnserve.hadoop.session import Reply


def require_success(reply: Reply, what: str) -> Any:
    """Return the document of a successful read below ``/ws/v1``.

    Raises:
        YarnserveError: what the status means; *what* is its sentence.
    """
    if reply.status == 200:
        return reply.document()
    raise reply_error(reply, what)


def reply_error(reply: Reply, what: str) -> YarnserveError:
    """Return what a failed answer means."""
    try:
        remote = find(reply.document())
    except MalformedAnswerError:
        remote = None
    return error_for(reply.status, remote, what=what, url=reply.url, text=reply.text)
