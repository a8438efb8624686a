"""The images, made once for all who test with them."""

from __future__ import annotations

import pytest

from tests.docker.containers import remove_orphans
from tests.docker.images import Images, images


@pytest.fixture(scope="session")
def built() -> Images:
    """The base and the image with yarnserve in it."""
    remove_orphans()
    return images()


@pytest.fixture(scope="session")
def sync_image(built: Images) -> str:
    """The image with yarnserve in it, by its name."""
    return built.sync
