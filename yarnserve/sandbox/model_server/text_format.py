"""Protocol buffers in text form, read by a schema, as TF Serving reads its configuration files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![A-Za-z0-9_.]))
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<mark>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_BRACKETS = {"{": "}", "<": ">"}
_DEPTH = 100

#: A message as plain Python: fields that are not set are missing, repeated ones are lists.
Document: TypeAlias = dict[str, Any]


class TextFormatError(Exception):
    """The text is no message of this schema; says where, as ``line:column``, and why."""


@dataclass(frozen=True)
class Message:
    """A message type: its *name*, and what each field holds (str, int, bool, or another message)."""

    name: str
    fields: Mapping[str, type[str] | type[int] | type[bool] | Message]
    repeated: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int


def parse(text: str, message: Message) -> Document:
    """Read *text* as a *message*.

    Raises:
        TextFormatError: it is none.
    """
    return _Parser(text).document(message)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def document(self, message: Message) -> Document:
        return self._fields(message, "end", _DEPTH)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _takes(self, *marks: str) -> bool:
        """Pass over one of *marks*, if it comes next."""
        found = self._next.kind == "mark" and self._next.text in marks
        self._at += found
        return found

    def _fields(self, message: Message, closing: str, depth: int) -> Document:
        if not depth:
            raise self._error("Message is too deep")
        found: Document = {}
        while not self._ends(closing):
            name = self._name(message)
            if name in message.repeated:
                found.setdefault(name, []).extend(self._values(message, name, depth))
            elif name in found:
                raise self._error(f'Non-repeated field "{name}" is specified multiple times.')
            else:
                found[name] = self._value(message, name, depth)
            self._takes(",", ";")
        return found

    def _ends(self, closing: str) -> bool:
        return self._next.kind == "end" if closing == "end" else self._takes(closing)

    def _name(self, message: Message) -> str:
        if self._next.kind != "name":
            raise self._error(f"Expected identifier, got: {self._next.text or 'end of file'}")
        if self._next.text not in message.fields:
            raise self._error(f'Message type "{message.name}" has no field named "{self._next.text}".')
        return self._take().text

    def _values(self, message: Message, name: str, depth: int) -> Iterator[Any]:
        colon = self._takes(":")
        if not self._takes("["):
            self._at -= colon
            yield self._value(message, name, depth)
            return
        while not self._takes("]"):
            yield self._element(message, name, depth)
            if not self._takes(",") and self._next.text != "]":
                raise self._error(f'Expected "]", found "{self._next.text}".')

    def _value(self, message: Message, name: str, depth: int) -> Any:
        if not self._takes(":") and not isinstance(message.fields[name], Message):
            raise self._error(f'Expected ":", found "{self._next.text}".')
        return self._element(message, name, depth)

    def _element(self, message: Message, name: str, depth: int) -> Any:
        kind = message.fields[name]
        if isinstance(kind, Message):
            opening = self._next.text
            if not self._takes(*_BRACKETS):
                raise self._error(f'Expected "{{", found "{opening}".')
            return self._fields(kind, _BRACKETS[opening], depth - 1)
        return self._scalar(kind)

    def _scalar(self, kind: type[str] | type[int] | type[bool]) -> Any:
        token = self._next
        if kind is str and token.kind == "string":
            return "".join(self._strings())
        if kind is bool and token.text in ("true", "t", "1", "false", "f", "0"):
            return self._take().text in ("true", "t", "1")
        if kind is int and token.kind == "number":
            value = int(self._take().text, 0 if "x" in token.text.lower() else 10)
            if -(2**63) <= value < 2**63:
                return value
        raise self._error(f"Expected {_NAMES[kind]}, got: {token.text or 'end of file'}")

    def _strings(self) -> Iterator[str]:
        while self._next.kind == "string":
            yield _ESCAPE.sub(_unescaped, self._take().text[1:-1])

    def _error(self, why: str) -> TextFormatError:
        return TextFormatError(f"{self._next.line}:{self._next.column}: {why}")


_NAMES = {str: "string", int: "integer", bool: "boolean"}


def _tokens(text: str) -> Iterator[_Token]:
    position, line, begins = 0, 1, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise TextFormatError(f"{line}:{position - begins + 1}: Invalid character {text[position]!r}")
        if match.lastgroup and match.lastgroup != "skip":
            yield _Token(match.lastgroup, match.group(), line, position - begins + 1)
        line += match.group().count("\n")
        begins = text.rfind("\n", 0, match.end()) + 1
        position = match.end()
    yield _Token("end", "", line, position - begins + 1)


def _unescaped(match: re.Match[str]) -> str:
    octal, hexadecimal, short, long, letter = match.groups()
    if octal:
        return chr(int(octal, 8))
    code = hexadecimal or short or long
    if code:
        return chr(min(int(code, 16), 0x10FFFF))
    return _LETTERS.get(letter, letter)
