"""Every error that yarnserve raises on purpose, and the exit status each one ends in.

    YarnserveError                        1  something failed, and no class below says it better
    ├── UsageError                        2  the command line asks for something that cannot be
    ├── SpecError                         3  service.yaml (or an example file) has mistakes: all of them
    ├── ConfigurationError                3  settings or Hadoop configuration are missing or contradict
    │   └── TemplateError                 3  a template cannot be found, rendered or parsed
    ├── AccessError                       4  the cluster knows who we are and refuses, or does not know
    ├── NotFoundError                     5  a service, path, version, container or log is not there
    ├── ConflictError                     6  it exists already, or somebody else changed it first
    │   ├── LeaseHeldError                6  another yarnserve is changing this service right now
    │   └── LeaseLostError                6  ours was taken over while we worked
    ├── RefusedError                      1  the cluster understood the request and rejects it
    ├── UnreachableError                  7  nothing usable answers
    │   ├── NotListeningError             7  its host says that nobody listens there
    │   ├── StandbyError                  7  it answers, but is not the active one
    │   ├── RequestTimeoutError           7  it took the request and never answered
    │   └── MalformedAnswerError          7  what answers does not speak Hadoop (HTML, half a JSON, nothing)
    ├── WaitTimeoutError                  8  the deadline of a wait passed
    └── UnhealthyError                    9  the service was looked at and is not well

Callers catch the base that says what to do next: an UnreachableError may be repeated elsewhere, a RefusedError
never. Each error carries what, where, why, fix and the next command; the command line prints them one a line.
No exception of a foreign library leaves the module that owns the library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

#: Server texts (stack traces, HTML pages) are cut here before they reach a message.
MAX_SERVER_TEXT = 400


def first_line(text: str, limit: int = MAX_SERVER_TEXT) -> str:
    """Return the first non-empty line of *text*, cut to *limit* characters.

    HDFS puts the NameNode's stack trace into its messages (real-hadoop.md 7, item 21); only the first line
    is for people. What a terminal would obey (colours, cursor) becomes a blank.
    """
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = "".join(character if character.isprintable() else " " for character in line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def printable(text: str) -> str:
    """Return *text* on one line, with what a terminal would obey written out as Python writes it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def printable_lines(text: str) -> str:
    """Return *text* with its lines, each of them as :func:`printable` has it."""
    return "\n".join(map(printable, text.split("\n")))


#: What stands before a host in a URL's authority; user and password before an ``@`` elsewhere, but for an image's
#: digest (``name:tag@sha256:...``); and the tokens in a query, such as WebHDFS's.
_CREDENTIALS = (
    (re.compile(r"://[^/\s?#]*@"), "://***@"),
    (re.compile(r"[^\s/:@,'\"]+:[^\s/:@,'\"]+@(?!sha256:)"), "***@"),
    (re.compile(r"([?&](?:delegation|token|signature|password)=)[^&\s'\"]+"), r"\1***"),
)

_NAME_OF_SECRET = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIALS?|(ACCESS|PRIVATE|API)_?KEY)$", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """Return *text* with ``***`` in place of user and password before a host, and of tokens in a URL's query.

    Whoever writes a password into an address must not find it again in a log.
    """
    for pattern, stands in _CREDENTIALS:
        text = pattern.sub(stands, text)
    return text


def names_secret(name: str) -> bool:
    """Whether something called *name* holds a secret itself, such as ``DB_PASSWORD`` or ``api_key``."""
    return _NAME_OF_SECRET.search(name) is not None


class YarnserveError(Exception):
    """Something failed.

    Args:
        what: one sentence, no trailing full stop: what went wrong.
        where: file and line, URL, or HDFS path it went wrong at.
        why: the cause, in the words of whoever found it.
        fix: what to change.
        next: the command to run next.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "", next: str = "") -> None:
        self.what, self.where, self.why, self.fix, self.next = map(without_credentials, (what, where, why, fix, next))
        super().__init__(self.what)

    @property
    def in_a_line(self) -> str:
        """What went wrong, and why, as part of a line that says something else."""
        return f"{self.what} ({self.why})" if self.why else self.what

    def details(self) -> list[tuple[str, str]]:
        """Return the filled-in details as (label, text), in the order they are printed."""
        labelled = [("where", self.where), ("why", self.why), ("fix", self.fix), ("next", self.next)]
        return [(label, text) for label, text in labelled if text]


class UsageError(YarnserveError):
    """The command line asks for something that cannot be."""

    exit_status = 2


@dataclass(frozen=True)
class Problem:
    """One mistake in a user's file.

    Attributes:
        field: dotted path, e.g. ``resources.memory``; empty for the whole document.
        found: what stands there, as the user wrote it; empty when something is missing.
        allowed: what may stand there, in words.
        file: the file's name as the user gave it.
        line: 1-based line, 0 where unknown.
        suggestion: a likely meant name or value ("did you mean"), may be empty.
    """

    field: str
    found: str
    allowed: str
    file: str = ""
    line: int = 0
    suggestion: str = ""

    @property
    def place(self) -> str:
        """``service.yaml:7``, or as much of it as is known."""
        return f"{self.file}:{self.line}" if self.line else self.file


class SpecError(YarnserveError):
    """A user's file has mistakes; *problems* holds every one of them, in the order of the file."""

    exit_status = 3

    def __init__(self, what: str, *, problems: tuple[Problem, ...], fix: str = "", next: str = "") -> None:
        super().__init__(what, where=problems[0].place if problems else "", fix=fix, next=next)
        self.problems = problems


class ConfigurationError(YarnserveError):
    """Settings or Hadoop configuration are missing or contradict each other."""

    exit_status = 3


class TemplateError(ConfigurationError):
    """A template cannot be found, rendered, or does not give valid JSON."""


class AccessError(YarnserveError):
    """Authentication or authorisation failed."""

    exit_status = 4


class NotFoundError(YarnserveError):
    """What was named is not there."""

    exit_status = 5


class ConflictError(YarnserveError):
    """It exists already, or somebody else changed it first."""

    exit_status = 6


class LeaseHeldError(ConflictError):
    """Another yarnserve holds the service's lease."""


class LeaseLostError(ConflictError):
    """Our lease on the service was taken over, or could not be renewed in time."""


class RefusedError(YarnserveError):
    """The cluster understood the request and rejects it; repeating it will not help."""


class UnreachableError(YarnserveError):
    """Nothing usable answers at an address."""

    exit_status = 7


class NotListeningError(UnreachableError):
    """The connection was refused: nothing was sent, and the process that listened there has ended."""


class StandbyError(UnreachableError):
    """The server answers, but says that it is not the active one, or not ready yet."""


class RequestTimeoutError(UnreachableError):
    """The request was sent and no answer came in time: its outcome is unknown."""


class MalformedAnswerError(UnreachableError):
    """The answer is not what Hadoop would say: an HTML page, truncated JSON, an empty body."""


class WaitTimeoutError(YarnserveError):
    """The deadline of a wait passed."""

    exit_status = 8


class UnhealthyError(YarnserveError):
    """The service was looked at and is not well."""

    exit_status = 9
