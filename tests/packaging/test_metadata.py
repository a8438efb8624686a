"""What setup.cfg says agrees with the tree, and the changelog with the version."""

from __future__ import annotations

import configparser
import re

from tests.support import REPOSITORY
from yarnserve import __version__


def test_every_package_is_listed_and_every_listed_package_exists() -> None:
    """A package on disk that setup.cfg does not list would be missing from the wheel."""
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    listed = set(settings["options"]["packages"].split())
    inits = (REPOSITORY / "yarnserve").rglob("__init__.py")
    on_disk = {".".join(init.parent.relative_to(REPOSITORY).parts) for init in inits}
    assert listed == on_disk | {"yarnserve.templates"}
    assert list((REPOSITORY / "templates").glob("*.j2"))


def test_the_changelog_speaks_of_this_version() -> None:
    """A release whose changes nobody wrote down fails here."""
    headings = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), flags=re.M)
    assert headings[0] in ("Unreleased", f"[{__version__}]")
