"""What is missing on this host is said before anything is started."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.unit.local.specs import spec
from yarnserve.config import Flags, Settings, resolve
from yarnserve.errors import ConfigurationError
from yarnserve.local.preparing import Job, prepare
from yarnserve.spec.model import ServiceSpec


def settings(namenode: str = "http://nn:9870") -> Settings:
    """Those of somebody who knows a NameNode and no ResourceManager."""
    told = {"YARNSERVE_NAMENODE": namenode, "YARNSERVE_USER": "alice"}
    return resolve(Flags(), told, needs_yarn=False, default_conf_dir=Path("/nonexistent"), directory=Path("/"))


def prepared(wanted: ServiceSpec, known: Settings, state: Path) -> Job:
    """What has to run, in containers."""
    return prepare(known, wanted, state, replicas=None, is_docker=True, environ={}, narrate=lambda text: None)


def test_no_resource_manager_is_needed() -> None:
    """Who asks for YARN still needs one."""
    assert settings().resource_managers == ()
    with pytest.raises(ConfigurationError, match="no ResourceManager"):
        resolve(Flags(), {"YARNSERVE_USER": "a"}, default_conf_dir=Path("/nonexistent"), directory=Path("/"))


def test_a_mount_that_is_not_here_is_named(tmp_path: Path) -> None:
    """Docker would make an empty directory of root's in its place."""
    with pytest.raises(ConfigurationError, match="not on this host: /no/such"):
        prepared(spec(mounts=["/no/such:/data"]), settings(), tmp_path)


def test_a_bridge_does_not_lead_to_this_hosts_loopback(tmp_path: Path) -> None:
    """The agent would look for HDFS in its own container, for ever."""
    bridged = spec(network="bridge", ports={"per_replica": False}, replicas=1)
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1"):
        prepared(bridged, settings("http://127.0.0.1:9870"), tmp_path)


def test_with_kerberos_a_keytab_has_to_be_here(tmp_path: Path) -> None:
    """One on HDFS is for YARN, and nobody hands out tokens."""
    secured = dataclasses.replace(settings(), has_kerberos=True)
    on_hdfs = {"principal": "alice/_HOST@EXAMPLE.ORG", "keytab": "hdfs:///user/alice/a.keytab"}
    for kerberos in (None, on_hdfs):
        with pytest.raises(ConfigurationError, match="no keytab"):
            prepared(spec(kerberos=kerberos), secured, tmp_path)
