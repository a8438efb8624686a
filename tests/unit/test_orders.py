"""Orders are taken when they are signed with the secret, for this run of the agent, for the first time."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import example, given

from yarnserve.orders import NONCE, SIGNATURE, Gate, Order, new_secret, sign


def test_a_signature_is_for_one_order_to_one_run_once() -> None:
    """Another order, another run, another secret, and a second time are refused."""
    secret = new_secret()
    signed = sign(secret, "run-1", Order.DRAIN)
    assert not Gate("run-2").admits(secret, Order.DRAIN, signed)
    gate = Gate("run-1")
    assert not gate.admits(secret, Order.LEAVE, signed)
    assert not gate.admits(new_secret(), Order.DRAIN, signed)
    assert gate.admits(secret, Order.DRAIN, signed)
    assert not gate.admits(secret, Order.DRAIN, signed)
    assert gate.admits(secret, Order.DRAIN, sign(secret, "run-1", Order.DRAIN))


def test_without_a_secret_nothing_passes() -> None:
    """An agent that could not read its secret takes no order signed with an empty one."""
    assert not Gate("run").admits("", Order.LEAVE, sign("", "run", Order.LEAVE))


def test_the_secret_is_in_no_header() -> None:
    """What travels is a signature."""
    secret = new_secret()
    assert all(secret not in value for value in sign(secret, "run", Order.LEAVE).values())


@given(st.text(st.characters()), st.text(st.characters()))
@example("\udcff", "")
def test_garbage_is_refused(nonce: str, signature: str) -> None:
    """Whatever stands in the headers, surrogates and all."""
    assert not Gate("run").admits("secret", Order.LEAVE, {NONCE: nonce, SIGNATURE: signature})
