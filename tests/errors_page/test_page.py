"""docs/errors.md is what the code prints, and leaves no row of its tables out."""

from __future__ import annotations

import re
from pathlib import Path

from tests.errors_page.page import page
from tests.errors_page.samples import REFUSALS
from yarnserve.service.examine import CHECKS
from yarnserve.yarn.refusals import MEANINGS

_PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def test_the_page_is_what_is_printed() -> None:
    """Whoever changes an error's words makes the page anew."""
    assert _PAGE.read_text(encoding="utf-8") == page(), "python -m tests.errors_page.page > docs/errors.md"


def test_every_refusal_is_shown() -> None:
    """Each row of the table of refusals has a sample that only this row decides."""
    shown = [next(row for row in MEANINGS if row.match(*sample)) for sample in REFUSALS]
    assert [row for row in MEANINGS if row not in shown] == []


def test_every_check_of_doctor_is_shown_with_what_it_finds() -> None:
    """Each check has a part of the page in which it fails or doubts, and says what to change."""
    parts = dict(re.findall(r"^### ([a-z-]+)\n(.*?)(?=^##|\Z)", _PAGE.read_text(encoding="utf-8"), flags=re.M | re.S))
    assert list(parts) == list(CHECKS)
    for name, part in parts.items():
        assert re.search(rf"^    (FAIL|warn)  {name} .*\n(          why .*\n)?          fix +\S", part, flags=re.M), (
            part
        )
