"""One secured cluster for all tests of Kerberos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Shell, SpecWriter
from tests.kerberos.kdc import Kdc
from tests.support import claimed_ports

if TYPE_CHECKING:
    from tests.kerberos.secured import SecuredHadoop

VERSION = "3.3.6"


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredHadoop]:
    """A running KDC and a secured Hadoop."""
    # gssapi is of the tier: nobody else has it.
    from tests.kerberos.secured import SecuredHadoop

    directory = tmp_path_factory.mktemp("secured")
    with Kdc(directory / "kdc") as kdc:
        # libkrb5 reads it once in a process.
        os.environ["KRB5_CONFIG"] = str(kdc.configuration)
        with SecuredHadoop(VERSION, directory, kdc) as cluster:
            yield cluster


@pytest.fixture
def alice(secured: SecuredHadoop) -> Shell:
    """The command line of alice, who has run kinit."""
    return Shell({**secured.environment, **secured.kdc.ticket("alice")})


@pytest.fixture
def write_spec(secured: SecuredHadoop, tmp_path: Path) -> Iterator[SpecWriter]:
    """Specs of her model, with ports of their own."""
    with claimed_ports() as base:
        yield SpecWriter(tmp_path, base, "hdfs:///user/alice/digits")
