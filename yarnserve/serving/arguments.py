"""The command line of ``tensorflow_model_server`` for a service."""

from __future__ import annotations

import shlex

from yarnserve.records.replica import Endpoint
from yarnserve.records.version import Version
from yarnserve.serving import config_files
from yarnserve.serving.threads import thread_flags
from yarnserve.spec.endpoints import port_expression
from yarnserve.spec.flags import FLAGS
from yarnserve.spec.model import Flag, ServiceSpec

#: The model server, as agents and launch commands call it.
PROGRAM = "tensorflow_model_server"

#: Without it gRPC shares its port: two servers on one host both seem to work, and each gets some of the other's
#: requests (tf-serving.md 7.6).
_EXCLUSIVE_GRPC_PORT = "grpc.so_reuseport=0"

#: What libhdfs needs inside an image (tf-serving.md 6.2): a class path without wildcards, which Java's native
#: interface does not expand, and libjvm, which lies elsewhere in Java 8. The image says where Java and Hadoop are, by
#: JAVA_HOME and HADOOP_HDFS_HOME (or ``hadoop`` on its PATH), or brings a CLASSPATH of its own. The files that YARN
#: delivers come first, so that the cluster's file systems have their names.
_HADOOP_IN_IMAGE = (
    "export CLASSPATH=$PWD/conf:${CLASSPATH:-$(${HADOOP_HDFS_HOME:+$HADOOP_HDFS_HOME/bin/}hadoop classpath --glob)}"
    " LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$JAVA_HOME/lib/server:$JAVA_HOME/jre/lib/amd64/server;"
)


def server_arguments(spec: ServiceSpec) -> tuple[str, ...]:
    """Return the model server's arguments, each as ``--name=value``, the only form it parses (tf-serving.md 1.1).

    The ports are shell expressions (:func:`yarnserve.spec.endpoints.port_expression`). Thread counts and the user's
    flags come last, by name, so that the order in which they were written is no change of the service.
    """
    ours: dict[str, Flag] = {
        "port": port_expression(spec.ports.grpc, spec),
        "rest_api_port": port_expression(spec.ports.rest, spec),
        **_models(spec),
        "grpc_channel_arguments": _EXCLUSIVE_GRPC_PORT,
    }
    if spec.serving.batching is not None:
        ours |= {"enable_batching": True, "batching_parameters_file": config_files.path(config_files.BATCHING, spec)}
    given = spec.serving.flags
    threads = thread_flags(spec.resources.cpus, Version.parse(spec.serving.version), given.keys())
    flags = [*ours.items(), *sorted({**threads, **given}.items())]
    return tuple(f"--{name}={_text(value)}" for name, value in flags)


def steered_arguments(spec: ServiceSpec, ports: Endpoint, *, models: str, monitoring: str, batching: str) -> list[str]:
    """Return the arguments by which an agent starts the server of *spec* on its own *ports*.

    *models*, *monitoring* and *batching* are the paths of the configuration files. Loads and unloads have a thread of
    their own, so that a slow one holds up nothing else (tf-serving.md 5.5, 7.3); a load that failed is told at once,
    and tried again by the agent.
    """
    version, given = Version.parse(spec.serving.version), spec.serving.flags
    ours: dict[str, Flag] = {
        "port": ports.grpc_port,
        "rest_api_port": ports.rest_port,
        "model_config_file": models,
        "model_config_file_poll_wait_seconds": spec.agent.poll,
        "monitoring_config_file": monitoring,
        "max_num_load_retries": 0,
        # A label is looked up before anything is loaded (tf-serving.md 3.2).
        "allow_version_labels_for_unavailable_models": True,
        "grpc_channel_arguments": _EXCLUSIVE_GRPC_PORT,
    }
    if spec.serving.batching is not None:
        ours |= {"enable_batching": True, "batching_parameters_file": batching}
    # Else every reading of the configuration, changed or not, drops the model's files out of the page cache.
    wanted = {"num_load_threads": 1, "num_unload_threads": 1, "flush_filesystem_caches": False}
    known = {name: value for name, value in wanted.items() if FLAGS[name].known_to(version)}
    flags = {**known, **thread_flags(spec.resources.cpus, version, given.keys()), **given}
    return [f"--{name}={_text(value)}" for name, value in [*ours.items(), *sorted(flags.items())]]


def launch_command(spec: ServiceSpec) -> str:
    """Return the launch command of a replica: of a plain process, and of Docker in both of its modes.

    ``exec`` makes the server the process that YARN signals (docker-on-yarn-observed.md, "How it ends"). YARN puts
    the whole command between double quotes without escaping (yarn-services.md 5.1), so single quotes protect a
    value, and ``$`` stands only in expressions of ours: the spec's checks keep both out of every value.

    An image's own ENTRYPOINT gets the arguments as a list with commas, without a shell; of an image with an agent it
    runs the program that the list begins with (docker/entrypoint.sh).
    """
    if spec.has_agent:
        told = ["--instance", "${COMPONENT_INSTANCE_NAME}"]
        agent = [spec.agent.command, "agent", config_files.path(config_files.ASSIGNMENT, spec), *told]
        return ",".join(agent) if spec.entrypoint else " ".join(["exec", *agent])
    if spec.entrypoint:
        return ",".join(server_arguments(spec))
    arguments = (argument if "$" in argument else shlex.quote(argument) for argument in server_arguments(spec))
    before = [_HADOOP_IN_IMAGE] if reads_hdfs_in_docker(spec) else []
    return " ".join([*before, f"exec {PROGRAM}", *arguments])


def reads_hdfs_in_docker(spec: ServiceSpec) -> bool:
    """Whether the launch command has to show an image's server its Java and Hadoop.

    An ENTRYPOINT does that by itself, and a plain process has what its node has.
    """
    return spec.image is not None and not spec.entrypoint and not spec.has_agent


def _models(spec: ServiceSpec) -> dict[str, Flag]:
    if config_files.needs_model_config(spec):
        return {"model_config_file": config_files.path(config_files.MODELS, spec)}
    (model,) = spec.models
    return {"model_name": model.name, "model_base_path": config_files.hdfs_uri(model.base_path)}


def _text(value: Flag) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
