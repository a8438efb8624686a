"""Query parameters of HttpFS, refused in the words of its own parameter classes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from yarnserve.sandbox.inodes import NamespaceError

T = TypeVar("T")

_OPERATIONS = "org.apache.hadoop.fs.http.client.HttpFSFileSystem.Operation"


class Parameters:
    """The parameters of one request; an empty value counts as none, and any user name is taken (real-hadoop.md 8).

    Every method raises NamespaceError with IllegalArgumentException for a value that cannot be.
    """

    def __init__(self, query: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in query.items()}

    def text(self, name: str) -> str:
        """Return the value as it came."""
        return self._values.get(name, "")

    @property
    def has_user(self) -> bool:
        """Whether user.name is there, be it empty."""
        return "user.name" in self._values

    @property
    def user(self) -> str:
        """Who asks; empty is an error of its own, see the server."""
        return self.text("user.name")

    def operation(self, method: str, operations: Mapping[str, T], known: frozenset[str]) -> T:
        """Choose by ``op`` among the *operations* of the HTTP *method*; *known* are those of every method."""
        name = self.text("op").upper()
        if not name:
            raise NamespaceError("java.lang.IllegalArgumentException", "Missing Operation parameter [op]")
        if name in operations:
            return operations[name]
        if name in known:
            raise NamespaceError("java.io.IOException", f"Invalid HTTP {method} operation [{name}]")
        raise NamespaceError(
            "com.sun.jersey.api.ParamException$QueryParamException",
            f"java.lang.IllegalArgumentException: No enum constant {_OPERATIONS}.{name}",
        )

    def boolean(self, name: str, *, default: bool) -> bool:
        """Read ``true`` or ``false``."""
        text = self.text(name).lower()
        if text not in ("", "true", "false"):
            raise _invalid(name, self.text(name), "a boolean")
        return text == "true" if text else default

    def integer(self, name: str, default: int) -> int:
        """Read a decimal number of any sign."""
        text = self.text(name)
        if text and not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
            raise _invalid(name, text, "a long")
        return int(text) if text else default

    def permission(self, default: int) -> int:
        """Read the octal ``permission``."""
        text = self.text("permission")
        if text and not re.fullmatch(r"[01]?[0-7]{1,3}", text):
            raise _invalid("permission", text, "a short")
        return int(text, 8) if text else default

    def destination(self) -> str:
        """Read the path that RENAME requires; a relative one starts at the user's home (real-hadoop.md 8)."""
        path = self.text("destination")
        if not path:
            raise NamespaceError("java.lang.IllegalArgumentException", "Can not create a Path from a null string")
        return path

    def refuse(self, *names: str) -> None:
        """Refuse parameters that HttpFS obeys and the sandbox does not have: ignored, they would mislead."""
        for name in names:
            if self.text(name):
                raise NamespaceError(
                    "java.lang.UnsupportedOperationException", f"{name} is not supported by the sandbox"
                )


def _invalid(name: str, text: str, wanted: str) -> NamespaceError:
    return NamespaceError(
        "java.lang.IllegalArgumentException",
        f"java.lang.IllegalArgumentException: Parameter [{name}], invalid value [{text}], value must be [{wanted}]",
    )
