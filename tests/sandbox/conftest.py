"""A running sandbox for everything that talks to a cluster over sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from yarnserve.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A cluster of two nodes, shared by all tests: give services names of your own and remove them.

    ``sandbox.environment`` is what a command needs to find it.
    """
    with Sandbox(user="alice") as running:
        yield running
