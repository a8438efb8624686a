"""The example file: a golden request and what it must answer, as JSON."""

from __future__ import annotations

import json
from typing import Any

from yarnserve.errors import Problem, SpecError, first_line
from yarnserve.records.replica import Example
from yarnserve.spec import schema
from yarnserve.spec.source import Fault

#: Deeper than any tensor in use, and shallow enough for whoever walks through it by recursion.
MAX_DEPTH = 64

#: Which member of the answer belongs to which of the request (tf-serving.md 4.4).
_ANSWERS = {"instances": "predictions", "inputs": "outputs"}


def parse_example(text: str, *, file: str) -> Example:
    """Read an example file; NaN and Infinity are taken, as TF Serving itself does (tf-serving.md 4.4).

    Raises:
        SpecError: with every mistake; a line is known for broken syntax only.
    """
    tree = _tree(text, file)
    faults = schema.faults(schema.ExampleFile, tree)
    if not faults:
        read = schema.read(schema.ExampleFile, tree)
        faults = _expected_faults(read)
    if faults:
        raise _error(file, *(_problem(file, tree, fault) for fault in faults))
    return Example(request=read.request, expected=read.expected, tolerance=read.tolerance)


def _tree(text: str, file: str) -> dict[str, Any]:
    repeated: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated.extend(key for key in tree if keys.count(key) > 1)
        return tree

    try:
        tree = json.loads(text, object_pairs_hook=members)
    except json.JSONDecodeError as error:
        raise _error(file, Problem("", error.msg, "valid JSON", file, error.lineno)) from error
    except ValueError as error:
        raise _error(file, Problem("", str(error), "numbers of a reasonable size", file)) from error
    except RecursionError as error:
        raise _error(file, _too_deep(file)) from error
    if repeated:
        raise _error(file, *(Problem(key, "", "each key once", file) for key in repeated))
    if not isinstance(tree, dict):
        raise _error(file, Problem("", _brief(tree), "an object with request", file, 1))
    if _deeper_than(MAX_DEPTH, tree):
        raise _error(file, _too_deep(file))
    return tree


def _expected_faults(read: schema.ExampleFile) -> tuple[Fault, ...]:
    answer = next(answer for request, answer in _ANSWERS.items() if request in read.request)
    if read.expected is None or answer in read.expected:
        return ()
    return (Fault(("expected",), f"the body of the answer, which has {answer!r} for this request"),)


def _problem(file: str, tree: dict[str, Any], fault: Fault) -> Problem:
    value: Any = tree
    for part in fault.path:
        value = value.get(part, "") if isinstance(value, dict) else ""
    return Problem(".".join(map(str, fault.path)), _brief(value), fault.allowed, file, 0, fault.suggestion)


def _deeper_than(limit: int, tree: Any) -> bool:
    level = [tree]
    for _ in range(limit):
        level = [item for value in level for item in _items(value)]
    return bool(level)


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep(file: str) -> Problem:
    return Problem("", "values nested too deeply", f"at most {MAX_DEPTH} levels", file)


def _brief(value: Any) -> str:
    """What stands in the file, cut to a few words; a text as it is."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    return first_line(value if isinstance(value, str) else json.dumps(value), 80)


def _error(file: str, *problems: Problem) -> SpecError:
    return SpecError(f"{file} has mistakes", problems=problems)
