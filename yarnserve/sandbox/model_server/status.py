"""TensorFlow's status codes, and the one exception of the stand-in."""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """A status code: the words TensorFlow prints for it, and the HTTP status of the REST API (tf-serving.md 4.1)."""

    CANCELLED = ("Cancelled", 499)
    INVALID_ARGUMENT = ("Invalid argument", 400)
    NOT_FOUND = ("Not found", 404)
    FAILED_PRECONDITION = ("Failed precondition", 400)
    UNIMPLEMENTED = ("Unimplemented", 501)
    INTERNAL = ("Internal", 500)
    DATA_LOSS = ("Data loss", 500)
    UNKNOWN = ("Unknown", 500)

    @property
    def words(self) -> str:
        """How TensorFlow prints the code before a message."""
        return self.value[0]

    @property
    def http_status(self) -> int:
        """The HTTP status that the REST API answers with."""
        return self.value[1]


class ServingError(Exception):
    """Something TF Serving would report with *code* and *message*."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.words}: {message}")
        self.code = code
        self.message = message


def invalid_argument(message: str) -> ServingError:
    """Build the commonest of them."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def not_found(model: str, version: int | None) -> ServingError:
    """Build the one for a version that does not serve; None is the highest."""
    wanted = f"Latest({model})" if version is None else f"Specific({model}, {version})"
    return ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
