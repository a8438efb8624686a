"""Start-up in TF Serving's order: load first, then the gRPC port, then REST (tf-serving.md 5.3)."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from yarnserve.sandbox.model_server import flags, reload, server
from yarnserve.sandbox.model_server.labels import resolve
from yarnserve.sandbox.model_server.loading import Loading, in_threads, inline
from yarnserve.sandbox.model_server.log import log
from yarnserve.sandbox.model_server.loop import Loop
from yarnserve.sandbox.model_server.manager import Manager
from yarnserve.sandbox.model_server.metrics import Metrics
from yarnserve.sandbox.model_server.model_config import (
    Batching,
    ModelConfig,
    check_models,
    read_batching,
    read_models,
)
from yarnserve.sandbox.model_server.models import Models
from yarnserve.sandbox.model_server.monitoring import read_path, with_page
from yarnserve.sandbox.model_server.reload import Reloader
from yarnserve.sandbox.model_server.rest import answer
from yarnserve.sandbox.model_server.servable import has_engine, load
from yarnserve.sandbox.model_server.shared import Shared
from yarnserve.sandbox.model_server.source import LocalSource, Source
from yarnserve.sandbox.model_server.status import Code, ServingError, invalid_argument

VERSION = "2.6.0"
_PROGRAM = "tensorflow_model_server"
_SERVER = "model_servers/server.cc"
_FAILURE = 255  # -1, as a shell sees it


def main(arguments: Sequence[str]) -> int:
    """Run the server; it returns only what to exit with when it cannot start or has nothing to do."""
    # Ctrl-C ends TF Serving without a word, and so does SIGTERM, whose disposition Python leaves alone.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        command_line = flags.parse(arguments)
    except flags.UnparsableFlagError:
        print(flags.usage(_PROGRAM), end="", flush=True)
        return _FAILURE
    if command_line.options.version:
        print(f"TensorFlow ModelServer: {VERSION} (yarnserve's stand-in)\nTensorFlow Library: {VERSION}")
        return 0
    if command_line.unknown:
        print(f"unknown argument: {command_line.unknown[0]}\n{flags.usage(_PROGRAM)}", end="", flush=True)
    for name in command_line.without_effect:
        log("W", "model_servers/main.cc", f"--{name} has no effect in this stand-in")
    try:
        _serve(command_line.options)
    except ServingError as error:
        print(f"Failed to start server. Error: {error}", flush=True)
        return _FAILURE


def _serve(options: flags.Options) -> NoReturn:
    _check(options)
    configs = _configured(options)
    labels = resolve(
        configs, lambda model: (), {}, allow_unavailable=options.allow_version_labels_for_unavailable_models
    )
    log("I", "model_servers/server_core.cc", "Adding/updating models.")
    metrics = Metrics()
    shared = _shared(options, metrics)
    models = Models([Manager(config, shared) for config in configs], _batching(options), labels)
    _obey_signals(models)
    loop = Loop(models, shared.changes, options.file_system_poll_wait_seconds)
    while not models.has_started:
        loop.turn()
    if (failure := models.failure()) is not None:
        raise failure
    if options.model_config_file and options.model_config_file_poll_wait_seconds > 0:
        reloader = Reloader(models, shared, allow_unavailable=options.allow_version_labels_for_unavailable_models)
        reload.follow(options.model_config_file, options.model_config_file_poll_wait_seconds, reloader.reload)
    _open_grpc(options)
    _open_rest(options, models, metrics)
    while True:
        loop.turn()


def _check(options: flags.Options) -> None:
    if not options.model_base_path and not options.model_config_file:
        raise invalid_argument("Both server_options.model_base_path and server_options.model_config_file are empty!")
    if options.port == 0:
        raise invalid_argument(
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."
        )
    if not has_engine(prefer_tflite=options.prefer_tflite_model):
        raise ServingError(Code.FAILED_PRECONDITION, _no_engine(options.prefer_tflite_model))


def _configured(options: flags.Options) -> list[ModelConfig]:
    """Return the models to serve: those of the file, where one is given."""
    if options.model_config_file:
        models = read_models(options.model_config_file) or []
    else:
        name, path = options.model_name, options.model_base_path
        building = f"Building single TensorFlow model file config:  model_name: {name} model_base_path: {path}"
        log("I", _SERVER, building)
        models = [ModelConfig(name, path)]
    check_models(models)
    return models


def _batching(options: flags.Options) -> Batching | None:
    if not options.enable_batching:
        if options.batching_parameters_file:
            raise invalid_argument(
                "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
            )
        return None
    return read_batching(options.batching_parameters_file) if options.batching_parameters_file else Batching()


def _shared(options: flags.Options, metrics: Metrics) -> Shared:
    loading = Loading(
        partial(load, prefer_tflite=options.prefer_tflite_model),
        max_retries=options.max_num_load_retries,
        retry_seconds=options.load_retry_interval_micros / 1e6,
        count=metrics.count_load,
    )
    threads = options.num_load_threads
    return Shared(loading, _source, in_threads(threads) if threads > 0 else inline)


def _obey_signals(models: Models) -> None:
    """USR1 lets predictions hang while all else answers, USR2 lets them go on; TF Serving would die of either."""

    def hang(*_: object) -> None:
        models.hang()
        log("W", "model_servers/main.cc", "Predictions hang until SIGUSR2")

    signal.signal(signal.SIGUSR1, hang)
    signal.signal(signal.SIGUSR2, lambda *_: models.recover())


def _no_engine(prefer_tflite: bool) -> str:
    if prefer_tflite:
        return "nothing is installed that could infer: pip install 'yarnserve[sandbox]'"
    return (
        "without tensorflow only model.tflite can be served: pass --prefer_tflite_model"
        " (after pip install 'yarnserve[sandbox]'), or install tensorflow for SavedModels"
    )


def _source(base_path: str) -> Source:
    if not base_path.startswith("hdfs://"):
        return LocalSource(base_path)
    from yarnserve.sandbox.model_server.hdfs import HdfsSource

    return HdfsSource(base_path, os.environ)


def _open_grpc(options: flags.Options) -> None:
    exclusive = "grpc.so_reuseport=0" in options.grpc_channel_arguments.split(",")
    try:
        server.hold(server.listening(options.port, reuse_port=not exclusive))
    except (OSError, OverflowError) as error:
        log("E", _SERVER, f"Cannot listen on port {options.port}: {error}")
        raise invalid_argument("Failed to BuildAndStart gRPC server") from error
    log("I", _SERVER, f"Running gRPC ModelServer at 0.0.0.0:{options.port} ...")


def _open_rest(options: flags.Options, models: Models, metrics: Metrics) -> None:
    """Start REST; where it cannot, TF Serving says so and goes on with gRPC alone."""
    port = options.rest_api_port
    if port == 0:
        return
    if port == options.port:
        log("E", _SERVER, "server_options.http_port cannot be same as grpc_port. Skipped exporting HTTP/REST API.")
        return
    page = read_path(options.monitoring_config_file) if options.monitoring_config_file else None
    handle = with_page(partial(answer, models, metrics=metrics), page, metrics)
    try:
        server.serve_rest(server.listening(port, reuse_port=False), handle)
    except (OSError, OverflowError):
        log("E", _SERVER, f"Failed to start HTTP Server at localhost:{port}")
        return
    log("I", _SERVER, f"Exporting HTTP/REST API at:localhost:{port} ...")
