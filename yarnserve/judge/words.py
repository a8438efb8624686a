"""The log of a replica that has ended -> why, in its own words. Pure."""

from __future__ import annotations

from yarnserve.errors import first_line

#: How TF Serving begins its reason (tf-serving.md 1.1), and how yarnserve does.
_SERVER_FAILED = "Failed to start server."
_ERROR = "error: "


def last_words(*logs: str) -> str:
    """Return why a replica ended, by the ends of its *logs*: an error in full, else the server's reason, else a line.

    That line is the last of the first log.
    """
    for reason in (_error, _server_failed):
        if told := next((words for log in logs if (words := reason(log))), ""):
            return told
    return first_line("\n".join(reversed(next(iter(logs), "").splitlines())))


def _error(log: str) -> str:
    lines = log.splitlines()
    errors = [index for index, line in enumerate(lines) if line.startswith(_ERROR)]
    if not errors:
        return ""
    first, *details = lines[errors[-1] :]
    told = [first.removeprefix(_ERROR), *(line.strip() for line in details if line.startswith("  "))]
    return first_line("; ".join(told))


def _server_failed(log: str) -> str:
    reasons = [line for line in log.splitlines() if line.startswith(_SERVER_FAILED)]
    return first_line(reasons[-1]) if reasons else ""
