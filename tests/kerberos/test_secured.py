"""yarnserve on a real Hadoop with Kerberos on every door."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.kerberos.kdc import REALM
from tests.support import wait_until

if TYPE_CHECKING:
    from tests.kerberos.secured import SecuredHadoop

pytestmark = [pytest.mark.kerberos, pytest.mark.xdist_group("kerberos")]


def kerberos(secured: SecuredHadoop, principal: str = "alice/localhost") -> dict[str, str]:
    """What a service has to say."""
    return {"principal": f"{principal}@{REALM}", "keytab": f"file://{secured.kdc.keytab('alice')}"}


def ran(shell: Shell, *arguments: str) -> str:
    """Run a command that has to succeed."""
    run = shell(*arguments)
    assert run.status == 0, f"{arguments}: {run.stdout}{run.stderr}"
    return run.stdout


def launch(secured: SecuredHadoop, shell: Shell, write_spec: SpecWriter, name: str) -> None:
    """Publish the model, and launch a service of it."""
    base_path = f"/user/alice/{name}"
    ran(shell, "models", "publish", str(DIGITS / "model" / "1"), base_path, "--version", "1")
    model = {"base_path": f"hdfs://{base_path}", "name": "digits", "example": "example.json"}
    spec = str(write_spec(name, model=model, kerberos=kerberos(secured)))
    ran(shell, "doctor", spec)
    ran(shell, "launch", spec, "--wait", "--timeout", "80")
    assert "predictions" in ran(shell, "predict", name, "--example")


def test_every_verb(secured: SecuredHadoop, alice: Shell, write_spec: SpecWriter) -> None:
    """With a ticket everything works as without Kerberos."""
    launch(secured, alice, write_spec, "digits")
    assert '"user": "alice"' in ran(alice, "status", "digits", "-o", "json", "--exit-status")
    assert "Exporting HTTP/REST API" in ran(alice, "logs", "digits", "--replica", "0")
    ran(alice, "scale", "digits", "2", "--wait", "--timeout", "80")
    ran(alice, "restart", "digits", "--replica", "0", "--wait", "--timeout", "80")
    ran(alice, "stop", "digits")
    ran(alice, "destroy", "digits", "--yes")


def test_httpfs(secured: SecuredHadoop, alice: Shell, write_spec: SpecWriter) -> None:
    """By way of HttpFS alone a model is published and a service launched."""
    by_httpfs = Shell({**alice.environment, "YARNSERVE_NAMENODE": secured.httpfs_url})
    launch(secured, by_httpfs, write_spec, "by-httpfs")
    ran(by_httpfs, "destroy", "by-httpfs", "--yes")


def test_a_keytab(secured: SecuredHadoop, alice: Shell) -> None:
    """A keytab with its principal stands in for the ticket, by options and by variables."""
    bare = Shell(dict(secured.environment))
    options = ("--principal", f"alice@{REALM}", "--keytab", str(secured.kdc.keytab("alice")))
    assert bare("list", *options).status == 0
    variables = {"YARNSERVE_PRINCIPAL": f"alice@{REALM}", "YARNSERVE_KEYTAB": str(secured.kdc.keytab("alice"))}
    assert bare("list", **variables).status == 0
    lacking = bare("list", "--keytab", str(secured.kdc.keytab("alice")))
    assert (lacking.status, "--principal" in lacking.stderr) == (3, True)


def test_no_ticket(secured: SecuredHadoop) -> None:
    """Without a ticket nothing is sent, and kinit is named."""
    refused = Shell(dict(secured.environment))("list")
    assert refused.status == 4
    assert "no Kerberos ticket can be used" in refused.stderr
    assert "kinit" in refused.stderr


def test_an_expired_ticket(secured: SecuredHadoop) -> None:
    """A ticket that has expired is told as such."""
    shell = Shell({**secured.environment, **secured.kdc.ticket("alice", "-l", "1s")})
    refused = wait_until(lambda: (ran := shell("list")).status == 4 and ran, what="the end of the ticket")
    assert "expired" in refused.stderr
    assert "kinit" in refused.stderr


def test_the_wrong_principal(secured: SecuredHadoop, alice: Shell) -> None:
    """A principal whose ticket the cache does not hold is refused by name of what helps."""
    refused = alice("list", "--principal", f"bob@{REALM}")
    assert refused.status == 4
    assert "kinit" in refused.stderr


def test_an_address_in_place_of_a_host_name(secured: SecuredHadoop, alice: Shell) -> None:
    """Kerberos knows hosts by name: an address is told as the reason."""
    url = secured.resource_manager_url.replace("localhost", "127.0.0.1")
    refused = alice("list", "--resource-manager", url)
    assert refused.status == 4
    assert "not found in Kerberos database" in refused.stderr
    assert "host name" in refused.stderr


def test_a_clock_that_is_off(secured: SecuredHadoop) -> None:
    """Ten minutes are too many: the server's refusal is told with what to set."""
    with secured.kdc.late("alice") as late:
        refused = Shell({**secured.environment, **late})("list")
    assert refused.status == 4
    assert "Clock skew too great" in refused.stderr
    assert "clock" in refused.stderr


def test_a_service_without_a_principal(secured: SecuredHadoop, alice: Shell, write_spec: SpecWriter) -> None:
    """YARN would start it and nobody reach it: it is refused with the lines that are missing."""
    refused = alice("launch", str(write_spec("without")))
    assert refused.status == 3
    assert "principal: alice/_HOST@REALM" in refused.stderr
    others = alice("launch", str(write_spec("others", kerberos=kerberos(secured, "bob/localhost"))))
    assert others.status == 3
    assert "not yours" in others.stderr


def test_simple_authentication_is_refused(secured: SecuredHadoop, tmp_path: Path) -> None:
    """Whoever asks without Kerberos is told that the cluster wants it."""
    shell = Shell({"HADOOP_CONF_DIR": str(tmp_path), "HADOOP_USER_NAME": "alice"})
    refused = shell("list", "--resource-manager", secured.resource_manager_url)
    assert refused.status == 4
    assert "Kerberos" in refused.stderr
