"""yarnserve on a real Hadoop with Kerberos on every door."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import DIGITS, Shell, SpecWriter
from tests.kerberos.kdc import REALM
from tests.sandbox.cluster_support import send
from tests.support import wait_until
from yarnserve.errors import AccessError
from yarnserve.hadoop.delegation import DelegationTokenAuthentication
from yarnserve.hadoop.session import HadoopSession
from yarnserve.spec.endpoints import PORT_STRIDE
from yarnserve.storage.client import Storage

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


def launch(secured: SecuredHadoop, shell: Shell, write_spec: SpecWriter, name: str, **fields: Any) -> None:
    """Publish the model, and launch a service of it; *fields* go into its spec, *delivery* into its model."""
    base_path = f"/user/alice/{name}"
    ran(shell, "models", "publish", str(DIGITS / "model" / "1"), base_path, "--version", "1")
    model = {"base_path": f"hdfs://{base_path}", "name": "digits", "example": "example.json"}
    model["delivery"] = fields.pop("delivery", "native")
    spec = str(write_spec(name, model=model, **{"kerberos": kerberos(secured), **fields}))
    ran(shell, "doctor", spec)
    ran(shell, "launch", spec, "--wait", "--timeout", "200")
    assert "predictions" in ran(shell, "predict", name, "--example")


def test_every_verb(secured: SecuredHadoop, alice: Shell, write_spec: SpecWriter) -> None:
    """With a ticket everything works as without Kerberos."""
    launch(secured, alice, write_spec, "digits")
    assert '"user": "alice"' in ran(alice, "status", "digits", "-o", "json", "--exit-status")
    assert "Exporting HTTP/REST API" in ran(alice, "logs", "digits", "--replica", "0")
    ran(alice, "scale", "digits", "2", "--wait", "--timeout", "200")
    ran(alice, "restart", "digits", "--replica", "0", "--wait", "--timeout", "200")
    ran(alice, "stop", "digits")
    ran(alice, "destroy", "digits", "--yes")


def with_agents(write_spec: SpecWriter, **fields: Any) -> dict[str, Any]:
    """What a spec says for models that agents bring, who look at HDFS once a second."""
    ports = {"grpc": write_spec.base, "rest": write_spec.base + 1, "agent": write_spec.base + 2}
    return {"delivery": "sync", "agent": {"poll": 1}, "ports": ports, **fields}


def agent_status(write_spec: SpecWriter, replica: int) -> dict[str, Any]:
    """What the agent of a replica says of itself and of its model; empty while it is not there."""
    try:
        answer = send("GET", f"http://localhost:{write_spec.base + 2 + PORT_STRIDE * replica}/status")
    except OSError:
        return {}
    document = answer.document()
    return {**document, **document["models"][0]}


def test_agents_with_the_containers_token(secured: SecuredHadoop, alice: Shell, write_spec: SpecWriter) -> None:
    """Agents without a keytab bring models by the token of their containers, and say when it is not good any more."""
    on_hdfs = {**kerberos(secured), "keytab": f"hdfs://{secured.upload_keytab('alice')}"}
    launch(secured, alice, write_spec, "synced", **with_agents(write_spec, replicas=2, kerberos=on_hdfs))
    assert '"live": 2' in ran(alice, "status", "synced", "-o", "json", "--exit-status")
    ran(alice, "models", "publish", str(DIGITS / "model" / "1"), "/user/alice/synced", "--version", "2")
    for replica in (0, 1):
        wait_until(lambda: agent_status(write_spec, replica).get("version") == 2, 30, "version 2")  # noqa: B023
    token = DelegationTokenAuthentication(secured.token_file())
    with HadoopSession(token) as session:
        assert Storage(session, [secured.namenode_url]).home() == "/user/alice"
        with pytest.raises(AccessError, match="HttpFS does not take HDFS's token"):
            Storage(session, [secured.httpfs_url]).list("/")
        held = token.credentials(secured.namenode_url).query["delegation"]
        url = f"{secured.namenode_url}/webhdfs/v1/"
        assert session.request("PUT", url, params={"op": "CANCELDELEGATIONTOKEN", "token": held}).status == 200
    told = wait_until(lambda: agent_status(write_spec, 0)["trouble"], 30, "the token to be missed")
    assert told == "the server does not take this container's token"
    assert agent_status(write_spec, 0)["state"] == "ready"
    ran(alice, "destroy", "synced", "--yes")


def test_httpfs(secured: SecuredHadoop, alice: Shell, write_spec: SpecWriter) -> None:
    """By way of HttpFS alone a model is published, a service launched, and brought there by agents with a keytab."""
    by_httpfs = Shell({**alice.environment, "YARNSERVE_NAMENODE": secured.httpfs_url})
    environment = {"KRB5_CONFIG": str(secured.kdc.configuration)}
    launch(secured, by_httpfs, write_spec, "by-httpfs", **with_agents(write_spec, env=environment))
    told = agent_status(write_spec, 0)
    assert (told["version"], told["state"], told["trouble"]) == (1, "ready", "")
    ran(by_httpfs, "destroy", "by-httpfs", "--yes")
    assert by_httpfs("status", "by-httpfs").status == 5


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
