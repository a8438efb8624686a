"""Where replicas answer."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.spec.documents import MINIMAL, spec_of, specs
from yarnserve.errors import MalformedAnswerError
from yarnserve.records.replica import Endpoint
from yarnserve.spec.endpoints import endpoint, instance_number, port_expression
from yarnserve.spec.model import ServiceSpec


def test_each_replica_has_its_own_ports() -> None:
    """Replica n answers ten ports above replica n - 1."""
    assert endpoint(spec_of(MINIMAL), instance="serve-12", bare_host="node7") == Endpoint("node7", 8621, 8620)


def test_without_ports_per_replica_all_have_the_same() -> None:
    """One replica a host needs no offset."""
    spec = spec_of(MINIMAL + "ports: {per_replica: false}\n")
    assert endpoint(spec, instance="serve-12", bare_host="node7") == Endpoint("node7", 8501, 8500)
    assert port_expression(8501, spec) == "8501"


@given(specs())
def test_no_two_servers_meet_on_one_host(spec: ServiceSpec) -> None:
    """With ports per replica, every port of every replica is another one, and a port at all."""
    if not spec.ports.per_replica:
        return
    answers = [endpoint(spec, instance=f"serve-{number}", bare_host="node") for number in range(spec.replicas)]
    ports = [port for answer in answers for port in (answer.rest_port, answer.grpc_port)]
    assert len(set(ports)) == len(ports)
    assert all(0 < port < 65536 for port in ports)


@settings(max_examples=10)
@given(spec=specs(), number=st.integers(0, 49))
def test_the_shell_computes_the_same_ports(spec: ServiceSpec, number: int) -> None:
    """What a replica listens on, after YARN's substitution and the shell's sum, is where it is looked for."""
    written = port_expression(spec.ports.rest, spec).replace("${COMPONENT_ID}", str(number))
    printed = subprocess.run(["bash", "-c", f"echo {written}"], capture_output=True, check=True, text=True).stdout
    assert int(printed) == endpoint(spec, instance=f"serve-{number}", bare_host="node").rest_port


@pytest.mark.parametrize("instance", ["", "serve", "serve-", "serve-x", "serve-1.", "serve-1\n", "-1"])
def test_an_instance_without_a_number_is_a_malformed_answer(instance: str) -> None:
    """The name comes from YARN, so a strange one is YARN's mistake."""
    with pytest.raises(MalformedAnswerError):
        instance_number(instance)


@given(st.text())
def test_any_name_gives_a_number_or_our_error(instance: str) -> None:
    """No foreign exception comes out of a name."""
    try:
        number = instance_number(instance)
    except MalformedAnswerError:
        return
    assert number >= 0
