"""The command line of ``tensorflow_model_server`` for a service."""

from __future__ import annotations

import shlex

from yarnserve.records.version import Version
from yarnserve.serving.threads import thread_flags
from yarnserve.spec.endpoints import port_expression
from yarnserve.spec.model import Flag, ServiceSpec

#: Without it gRPC shares its port: two servers on one host both seem to work, and each gets some of the other's
#: requests (tf-serving.md 7.6).
_EXCLUSIVE_GRPC_PORT = "grpc.so_reuseport=0"


def server_arguments(spec: ServiceSpec) -> tuple[str, ...]:
    """Return the model server's arguments, each as ``--name=value``, the only form it parses (tf-serving.md 1.1).

    The ports are shell expressions (:func:`yarnserve.spec.endpoints.port_expression`). Thread counts and the user's
    flags come last, by name, so that the order in which they were written is no change of the service.
    """
    model = spec.models[0]
    ours: dict[str, Flag] = {
        "port": port_expression(spec.ports.grpc, spec),
        "rest_api_port": port_expression(spec.ports.rest, spec),
        "model_name": model.name,
        "model_base_path": _hdfs_uri(model.base_path),
        "grpc_channel_arguments": _EXCLUSIVE_GRPC_PORT,
    }
    given = spec.serving.flags
    threads = thread_flags(spec.resources.cpus, Version.parse(spec.serving.version), given.keys())
    flags = [*ours.items(), *sorted({**threads, **given}.items())]
    return tuple(f"--{name}={_text(value)}" for name, value in flags)


def launch_command(spec: ServiceSpec) -> str:
    """Return the launch command of a replica, for Docker's normal mode and for a plain process alike.

    ``exec`` makes the server the process that YARN signals (docker-on-yarn-observed.md, "How it ends"). YARN puts
    the whole command between double quotes without escaping (yarn-services.md 5.1), so single quotes protect a
    value, and ``$`` stands only in the port expressions: the spec's checks keep both out of every value.
    """
    arguments = (argument if "$" in argument else shlex.quote(argument) for argument in server_arguments(spec))
    return " ".join(["exec tensorflow_model_server", *arguments])


def _hdfs_uri(base_path: str) -> str:
    """A plain path is one on the default file system; the server takes it for a local one without the scheme."""
    return f"hdfs://{base_path}" if base_path.startswith("/") else base_path


def _text(value: Flag) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
