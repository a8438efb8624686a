"""docs/errors.md is what the code prints, and leaves no row of its tables out."""

from __future__ import annotations

import re
from pathlib import Path

from tests.errors_page.page import WAITS, of_waits, without_waits
from tests.errors_page.samples import REFUSALS
from yarnserve import errors
from yarnserve.service.examine import CHECKS
from yarnserve.yarn.refusals import MEANINGS

_MAKE = "python -m tests.errors_page.page > docs/errors.md"


def _page() -> str:
    return (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")


def test_the_page_is_what_is_printed() -> None:
    """Whoever changes an error's words makes the page anew."""
    assert _page().partition(WAITS)[0] == without_waits(), _MAKE


def test_the_page_is_what_launches_and_waits_print() -> None:
    """Whoever changes what becomes of a launch makes the page anew."""
    _, head, waits = _page().partition(WAITS)
    assert head + waits == "".join(of_waits()), _MAKE


def test_every_class_of_error_is_shown() -> None:
    """Each class has an error on the page that a command ends in; those of service.yaml have a section."""
    shown = set(re.findall(r"^\*\*.*\*\* \((\w+), exit status \d\)", _page(), flags=re.M))
    classes = {each.__name__ for each in vars(errors).values() if isinstance(each, type)}
    wanted = {name for name in classes if issubclass(getattr(errors, name), errors.YarnserveError)}
    assert wanted - shown == {"SpecError"}
    assert "\n## Mistakes in service.yaml\n" in _page()


def test_every_refusal_is_shown() -> None:
    """Each row of the table of refusals has a sample that only this row decides."""
    shown = [next(row for row in MEANINGS if row.match(*sample)) for sample in REFUSALS]
    assert [row for row in MEANINGS if row not in shown] == []


def test_every_check_of_doctor_is_shown_with_what_it_finds() -> None:
    """Each check has a part of the page in which it fails or doubts, and says what to change."""
    parts = dict(re.findall(r"^### ([a-z-]+)\n(.*?)(?=^##|\Z)", _page(), flags=re.M | re.S))
    assert list(parts) == list(CHECKS)
    for name, part in parts.items():
        assert re.search(rf"^    (FAIL|warn)  {name} .*\n(          why .*\n)?          fix +\S", part, flags=re.M), (
            part
        )
