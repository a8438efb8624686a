"""Refusals that the services API answers with, as exceptions that never leave the sandbox's servers."""

from __future__ import annotations

from typing import Any

JSON = "application/json;charset=utf-8"


class Refusal(Exception):  # noqa: N818  it is an answer, not an error of ours
    """An HTTP status and the JSON body that goes with it."""

    def __init__(self, status: int, body: dict[str, Any], content_type: str = JSON) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.content_type = content_type


def refuse(status: int, diagnostics: str, **more: Any) -> Refusal:
    """Build a refusal in the shape of ServiceStatus (yarn-services.md 1.4)."""
    return Refusal(status, {"diagnostics": diagnostics, **more})


def remote_exception(status: int, java_class: str, message: str) -> Refusal:
    """Build a refusal in the shape of an exception that ApiServer did not catch, unwrapped (yarn-services.md 1.4)."""
    body = {"exception": java_class.rpartition(".")[2], "message": message, "javaClassName": java_class}
    return Refusal(status, {name: value for name, value in body.items() if value})
