"""Query parameters of WebHDFS, refused in the words of Hadoop's own parameter classes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from yarnserve.sandbox.inodes import NamespaceError

T = TypeVar("T")

#: Whom a NameNode takes a request without user.name for (hadoop.http.staticuser.user).
ANONYMOUS = "dr.who"
_USER_DOMAIN = "^[A-Za-z_][A-Za-z0-9._-]*[$]?$"
_LARGEST_PERMISSION = 0o1777


class Parameters:
    """The parameters of one request; names are case-insensitive, an empty value counts as none.

    Every method raises NamespaceError with IllegalArgumentException for a value that cannot be.
    """

    def __init__(self, query: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in query.items()}

    def text(self, name: str) -> str:
        """Return the value as it came."""
        return self._values.get(name, "")

    @property
    def has_empty_user(self) -> bool:
        """Whether user.name is there and empty, which Hadoop answers with a 500."""
        return self._values.get("user.name") == ""

    @property
    def user(self) -> str:
        """Who asks."""
        user = self.text("user.name") or ANONYMOUS
        if not re.fullmatch(_USER_DOMAIN, user):
            raise _invalid("user.name", f'Invalid value: "{user}" does not belong to the domain {_USER_DOMAIN}')
        return user

    def operation(self, method: str, operations: Mapping[str, T]) -> T:
        """Choose by ``op`` among the *operations* of the HTTP *method*."""
        name = self.text("op").upper()
        if not name:
            raise NamespaceError("java.lang.UnsupportedOperationException", "op=NULL is not supported")
        if name not in operations:
            raise _invalid("op", f"{name} is not a valid {method} operation.")
        return operations[name]

    def boolean(self, name: str, *, default: bool) -> bool:
        """Read ``true`` or ``false``."""
        text = self.text(name)
        if text.lower() not in ("", "true", "false"):
            raise _invalid(name, f'Failed to parse "{text}" to Boolean.')
        return text.lower() == "true" if text else default

    def integer(self, name: str, default: int, *, least: int) -> int:
        """Read a decimal number of at least *least*."""
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
            raise _invalid(name, f'Failed to parse "{text}" as a radix-10 long integer.')
        if int(text) < least:
            raise _invalid(name, f"Invalid parameter range: {name} = {text} < {least}")
        return int(text)

    def permission(self, default: int) -> int:
        """Read the octal ``permission``."""
        text = self.text("permission")
        if not text:
            return default
        if not re.fullmatch(r"[0-7]{1,5}", text):
            raise _invalid("permission", f'Failed to parse "{text}" as a radix-8 short integer.')
        if int(text, 8) > _LARGEST_PERMISSION:
            raise _invalid("permission", f"Invalid parameter range: permission = {text} > {_LARGEST_PERMISSION:o}")
        return int(text, 8)

    def destination(self) -> str:
        """Read the absolute path that RENAME requires."""
        path = self.text("destination")
        if not path:
            raise NamespaceError(
                "java.lang.IllegalArgumentException", "Required param destination for op: RENAME is null or empty"
            )
        if not path.startswith("/"):
            raise _invalid("destination", f'Invalid parameter value: destination = "{path}" is not an absolute path.')
        return path

    def refuse(self, *names: str) -> None:
        """Refuse parameters that a NameNode obeys and the sandbox does not have: ignored, they would mislead."""
        for name in names:
            if self.text(name):
                raise NamespaceError(
                    "java.lang.UnsupportedOperationException", f"{name} is not supported by the sandbox"
                )


def _invalid(name: str, why: str) -> NamespaceError:
    return NamespaceError("java.lang.IllegalArgumentException", f'Invalid value for webhdfs parameter "{name}": {why}')
