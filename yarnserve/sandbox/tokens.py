"""Replacement of ``${TOKEN}`` in a component's launch command and environment (yarn-services.md 2)."""

from __future__ import annotations

from collections.abc import Mapping


class SubstitutionError(Exception):
    """A value cannot be put in place of its token; the launch of the container fails."""


def substitute(text: str, tokens: Mapping[str, str]) -> str:
    """Replace every ``${NAME}`` whose name is in *tokens*.

    Raises:
        SubstitutionError: a value that is really used contains ``$`` or a backslash; the ApplicationMaster hands
            values to a regular expression replacer, which takes both for its own.
    """
    for name, value in tokens.items():
        token = f"${{{name}}}"
        if token not in text:
            continue
        if "$" in value:
            raise SubstitutionError("java.lang.IllegalArgumentException: Illegal group reference")
        if "\\" in value:
            raise SubstitutionError("java.lang.IllegalArgumentException: character to be escaped is missing")
        text = text.replace(token, value)
    return text
