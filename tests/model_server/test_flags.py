"""The command line, by TF Serving's own parser's rules."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yarnserve.sandbox.model_server.flags import CommandLine, Options, UnparsableFlagError, parse, usage


def test_defaults() -> None:
    """Without arguments, the defaults are those of tf-serving.md 1.2."""
    assert parse([]) == CommandLine(Options(), (), ())
    assert (Options.port, Options.rest_api_port, Options.model_name) == (8500, 0, "default")


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--port=1", "--port=2"], "port", 2),
        (["--prefer_tflite_model"], "prefer_tflite_model", True),
        (["--prefer_tflite_model=false"], "prefer_tflite_model", False),
        (["--model_name=a=b"], "model_name", "a=b"),
        (["--model_name="], "model_name", ""),
        (["--file_system_poll_wait_seconds=-1"], "file_system_poll_wait_seconds", -1),
    ],
)
def test_values(arguments: list[str], name: str, value: object) -> None:
    """--name=value is read, the last of several wins."""
    assert getattr(parse(arguments).options, name) == value


@pytest.mark.parametrize(
    "argument",
    ["--port=x", "--port=", "--port=1.5", "--prefer_tflite_model=yes", "--per_process_gpu_memory_fraction=a"],
)
def test_unparsable(argument: str) -> None:
    """A value of the wrong type is refused, also for a flag that has no effect here."""
    with pytest.raises(UnparsableFlagError):
        parse([argument])


@pytest.mark.parametrize("arguments", [["--port", "1"], ["port=1"], ["-port=1"], ["--prt=1"]])
def test_unknown(arguments: list[str]) -> None:
    """Everything that is not --name=value of a known flag is unknown, and changes nothing."""
    command_line = parse(arguments)
    assert command_line.unknown == tuple(arguments)
    assert command_line.options == Options()


def test_without_effect() -> None:
    """Flags that TF Serving knows and the stand-in does not obey are named."""
    assert parse(["--enable_profiler", "--port=1"]).without_effect == ("enable_profiler",)


def test_usage_names_every_flag() -> None:
    """The usage has a line for obeyed and other flags, with type and default."""
    text = usage("tensorflow_model_server")
    assert "\t--port=8500\tint32\n" in text
    assert "\t--enable_profiler=true\tbool\n" in text


@given(st.lists(st.text() | st.from_regex(r"--[a-z_]+=?.{0,5}")))
def test_any_command_line(arguments: list[str]) -> None:
    """Whatever stands on the command line, it is read or refused."""
    with suppress(UnparsableFlagError):
        assert set(parse(arguments).unknown) <= set(arguments)
