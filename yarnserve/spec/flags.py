"""The flags of ``tensorflow_model_server``, with the versions that know each.

The server prints one line about a flag that it does not know and goes on (tf-serving.md 1.1), so a misspelt or too
new flag would silently do nothing; a value of the wrong type ends it with exit status 255.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yarnserve.records.version import Version
from yarnserve.spec.model import Flag
from yarnserve.spec.source import Fault


@dataclass(frozen=True)
class FlagRule:
    """One flag.

    Attributes:
        kind: the type of its values.
        since: the first version that knows it; (0, 0) is any that yarnserve accepts.
        until: the last version that knows it; None: it is still there.
        least: the smallest value that makes sense; None: any.
        why: what a smaller value does.
    """

    kind: type[bool] | type[int] | type[float] | type[str]
    since: tuple[int, int] = (0, 0)
    until: tuple[int, int] | None = None
    least: int | None = None
    why: str = ""

    def known_to(self, version: Version) -> bool:
        """Whether the server of *version* obeys this flag."""
        gone = self.until is not None and version.at_least(self.until[0], self.until[1] + 1)
        return version.at_least(*self.since) and not gone


_NEVER_LOADS = "a server that never polls waits for ever for its first model"
_FROZEN = "REST's event loop takes one thread, so a single one freezes it"

#: tf-serving.md 1.2, without those that yarnserve sets itself (values.OWN_FLAGS).
FLAGS: Mapping[str, FlagRule] = {
    "allow_version_labels_for_unavailable_models": FlagRule(bool, (1, 15)),
    "batching_parameters_file": FlagRule(str, (0, 6)),
    "enable_batching": FlagRule(bool),
    "enable_grpc_healthcheck_service": FlagRule(bool, (2, 15)),
    "enable_model_warmup": FlagRule(bool, (1, 9)),
    "enable_per_model_batching_parameters": FlagRule(bool, (2, 11)),
    "enable_profiler": FlagRule(bool, (2, 5)),
    "enable_serialization_as_tensor_content": FlagRule(bool, (2, 19)),
    "enable_signature_method_name_check": FlagRule(bool, (2, 4)),
    "file_system_poll_wait_seconds": FlagRule(int, least=0, why=_NEVER_LOADS),
    "flush_filesystem_caches": FlagRule(bool, (1, 6)),
    "grpc_max_threads": FlagRule(int, (2, 5), least=1),
    "grpc_socket_path": FlagRule(str, (1, 13)),
    "load_retry_interval_micros": FlagRule(int, (1, 11)),
    "max_num_load_retries": FlagRule(int, (1, 11), least=0),
    "mixed_precision": FlagRule(str, (2, 15)),
    "model_config_file_poll_wait_seconds": FlagRule(int, (1, 15), least=0),
    "model_version_policy": FlagRule(str, until=(0, 6)),
    "monitoring_config_file": FlagRule(str, (1, 11)),
    "num_load_threads": FlagRule(int, (2, 5), least=0),
    "num_request_iterations_for_warmup": FlagRule(int, (2, 8), least=0),
    "num_tflite_interpreters_per_pool": FlagRule(int, (2, 5), least=1),
    "num_tflite_pools": FlagRule(int, (2, 5), least=1),
    "num_unload_threads": FlagRule(int, (2, 5), least=0),
    "per_process_gpu_memory_fraction": FlagRule(float, (1, 5), least=0),
    "platform_config_file": FlagRule(str),
    "prefer_tflite_model": FlagRule(bool, (2, 3)),
    "remove_unused_fields_from_bundle_metagraph": FlagRule(bool, (1, 15)),
    "rest_api_enable_cors_support": FlagRule(bool, (2, 5)),
    "rest_api_num_threads": FlagRule(int, (1, 8), least=2, why=_FROZEN),
    "rest_api_timeout_in_ms": FlagRule(int, (1, 8), least=1),
    "saved_model_tags": FlagRule(str, (1, 6)),
    "skip_initialize_tpu": FlagRule(bool, (2, 15)),
    "ssl_config_file": FlagRule(str, (1, 10)),
    "tensorflow_inter_op_parallelism": FlagRule(int, (1, 13), least=0),
    "tensorflow_intra_op_parallelism": FlagRule(int, (1, 13), least=0),
    "tensorflow_session_config_file": FlagRule(str, (2, 8)),
    "tensorflow_session_parallelism": FlagRule(int, least=0),
    "thread_pool_factory_config_file": FlagRule(str, (2, 6)),
    "use_alts_credentials": FlagRule(bool, (2, 6)),
    "use_saved_model": FlagRule(bool, until=(0, 6)),
    "use_tflite_model": FlagRule(bool, (1, 15), until=(2, 2)),
    "xla_cpu_compilation_enabled": FlagRule(bool, (2, 5)),
    "xla_gpu_compilation_enabled": FlagRule(bool, (2, 18)),
}

_PARALLELISM = (
    "tensorflow_session_parallelism",
    "tensorflow_inter_op_parallelism",
    "tensorflow_intra_op_parallelism",
)


def flag_faults(flags: Mapping[str, Flag], version: Version, *, batching: bool, force: bool) -> Iterator[Fault]:
    """Yield what the server of *version* would not obey.

    Args:
        flags: as the file says.
        version: TF Serving's.
        batching: whether the file has a ``batching`` section, from which yarnserve sets two flags itself.
        force: let flags pass that the official builds do not know; one of your own may.
    """
    for name, value in flags.items():
        rule = FLAGS.get(name)
        if rule is not None:
            yield from _rule_faults(name, rule, value, version, force=force)
        elif not force:
            meant = difflib.get_close_matches(name, FLAGS, n=1)
            yield Fault(_path(name), _allowed_names(version), meant[0] if meant else "")
    yield from _pair_faults(flags, batching=batching)


def _rule_faults(name: str, rule: FlagRule, value: Flag, version: Version, *, force: bool) -> Iterator[Fault]:
    if not force and not rule.known_to(version):
        first, last = ".".join(map(str, rule.since)), ".".join(map(str, rule.until or ()))
        span = f"{first} to {last}" if last else f"{first} and later"
        yield Fault(_path(name), f"a flag that {version} knows: {name} is one of {span}, and would be ignored")
    elif not _is_of(rule.kind, value):
        yield Fault(_path(name), f"{_KINDS[rule.kind]}: anything else ends the server")
    elif rule.least is not None and not isinstance(value, str) and value < rule.least:
        yield Fault(_path(name), f"{_KINDS[rule.kind]}, at least {rule.least}" + (f": {rule.why}" if rule.why else ""))
    elif name == "per_process_gpu_memory_fraction" and not isinstance(value, str) and value > 1:
        yield Fault(_path(name), "a fraction, 0 to 1")


def _pair_faults(flags: Mapping[str, Flag], *, batching: bool) -> Iterator[Fault]:
    """What does not fit together, and would end the server at its start (tf-serving.md 1.2)."""
    if batching:
        for name in ("enable_batching", "batching_parameters_file"):
            if name in flags:
                yield Fault(_path(name), f"no {name} beside serving.batching, which sets it")
        if "platform_config_file" in flags:
            yield Fault(_path("platform_config_file"), "no platform_config_file: serving.batching is ignored with it")
    elif "batching_parameters_file" in flags and flags.get("enable_batching") is not True:
        yield Fault(_path("batching_parameters_file"), "enable_batching: true beside it, or the server does not start")
    if all(flags.get(name) for name in _PARALLELISM):
        yield Fault(_path(_PARALLELISM[0]), "at most two of the three parallelism flags: the server takes no third")


#: What a value of each type is called.
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _is_of(kind: type, value: Flag) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float))
    return isinstance(value, kind)


def _allowed_names(version: Version) -> str:
    return f"a flag of TF Serving {version}, which ignores others (--force for a build of your own that knows it)"


def _path(name: str) -> tuple[str, str, str]:
    return ("serving", "flags", name)
