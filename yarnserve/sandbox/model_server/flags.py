"""The command line of TF Serving 2.6, by its own parser's rules (tf-serving.md 1.1 and 1.2). Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Options:
    """The flags that the stand-in obeys, with TF Serving's defaults."""

    port: int = 8500
    rest_api_port: int = 0
    model_name: str = "default"
    model_base_path: str = ""
    model_config_file: str = ""
    model_config_file_poll_wait_seconds: int = 0
    enable_batching: bool = False
    batching_parameters_file: str = ""
    allow_version_labels_for_unavailable_models: bool = False
    file_system_poll_wait_seconds: int = 1
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    num_load_threads: int = 0
    prefer_tflite_model: bool = False
    monitoring_config_file: str = ""
    grpc_channel_arguments: str = ""
    version: bool = False


#: Flags of 2.6 that are parsed and change nothing here, with a value of their type.
WITHOUT_EFFECT: Mapping[str, Value] = {
    "grpc_socket_path": "",
    "rest_api_num_threads": 0,
    "rest_api_timeout_in_ms": 30000,
    "rest_api_enable_cors_support": False,
    "num_unload_threads": 0,
    "flush_filesystem_caches": True,
    "tensorflow_session_parallelism": 0,
    "tensorflow_intra_op_parallelism": 0,
    "tensorflow_inter_op_parallelism": 0,
    "use_alts_credentials": False,
    "ssl_config_file": "",
    "platform_config_file": "",
    "per_process_gpu_memory_fraction": 0.0,
    "saved_model_tags": "serve",
    "grpc_max_threads": 0,
    "enable_model_warmup": True,
    "remove_unused_fields_from_bundle_metagraph": True,
    "num_tflite_pools": 1,
    "num_tflite_interpreters_per_pool": 1,
    "enable_signature_method_name_check": False,
    "xla_cpu_compilation_enabled": False,
    "enable_profiler": True,
    "thread_pool_factory_config_file": "",
}

_OBEYED: Mapping[str, Value] = dataclasses.asdict(Options())
_DEFAULTS: Mapping[str, Value] = {**_OBEYED, **WITHOUT_EFFECT}


class UnparsableFlagError(Exception):
    """A known flag has a value that is not of its type, or help was asked for: usage, and exit status 255."""


@dataclass(frozen=True)
class CommandLine:
    """What was found: *unknown* arguments are tolerated, *without_effect* are names of flags not obeyed here."""

    options: Options
    unknown: tuple[str, ...]
    without_effect: tuple[str, ...]


def parse(arguments: Sequence[str]) -> CommandLine:
    """Read ``--name=value`` arguments; the last of several wins, ``--name value`` is two unknown arguments.

    Raises:
        UnparsableFlagError: see there.
    """
    values: dict[str, Value] = {}
    unknown: list[str] = []
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        default = _DEFAULTS.get(name) if argument.startswith("--") else None
        if default is None or not (equals or isinstance(default, bool)):
            unknown.append(argument)
        else:
            values[name] = _read(argument, default, text if equals else "true")
    if unknown[:1] == ["--help"]:
        raise UnparsableFlagError("--help")
    obeyed: dict[str, Any] = {name: value for name, value in values.items() if name in _OBEYED}
    options = dataclasses.replace(Options(), **obeyed)
    return CommandLine(options, tuple(unknown), tuple(sorted(values.keys() - _OBEYED.keys())))


def usage(program: str) -> str:
    """Return the text that follows a mistake."""
    lines = (f"\t--{name}={_shown(value)}\t{_TYPE_NAMES[type(value)]}" for name, value in _DEFAULTS.items())
    return "\n".join([f"usage: {program}", "Flags:", *lines, ""])


_TYPE_NAMES = {bool: "bool", int: "int32", float: "float", str: "string"}


def _read(argument: str, default: Value, text: str) -> Value:
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise UnparsableFlagError(argument)
        return text == "true"
    pattern = r"[+-]?\d+" if isinstance(default, int) else r"[+-]?\d+(\.\d*)?"
    if not re.fullmatch(pattern, text, re.ASCII):
        raise UnparsableFlagError(argument)
    return type(default)(text)


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
