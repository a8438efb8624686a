"""The REST API: a request's method, target and body in, an answer out (tf-serving.md 4). No sockets."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from yarnserve.sandbox.model_server.manager import VersionStatus
from yarnserve.sandbox.model_server.metrics import Metrics
from yarnserve.sandbox.model_server.models import Models
from yarnserve.sandbox.model_server.servable import Servable, Signature, TensorInfo
from yarnserve.sandbox.model_server.status import Code, ServingError, invalid_argument
from yarnserve.sandbox.model_server.tensors import from_columns, from_rows, parse_request, to_json, to_rows

_MODEL = r"/v1/models/([^/:]+)(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_PREDICTION = re.compile(rf"{_MODEL}:(classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(rf"{_MODEL}(/metadata)?", re.IGNORECASE)
_DEFAULT_SIGNATURE = "serving_default"
#: libevent's own page, for what is outside /v1/.
_NOT_FOUND_PAGE = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


@dataclass(frozen=True)
class Answer:
    """What goes back to the client."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class _Call:
    """What a request asks for; *verb* is empty for a GET."""

    model: str = ""
    version: str | None = None
    label: str | None = None
    verb: str = ""
    wants_metadata: bool = False


def answer(models: Models, method: str, target: str, body: bytes, metrics: Metrics | None = None) -> Answer:
    """Answer one request; *target* is path and query as they came, for a query is never split off.

    Everything below /v1/ is counted in *metrics*.
    """
    if not re.match("/v1/", target, re.IGNORECASE):
        return Answer(404, "text/html", _NOT_FOUND_PAGE)
    began = time.perf_counter()
    call = _parsed(method, target)
    outcome = "OK"
    try:
        found = _dispatch(models, call, method, target, body)
    except ServingError as error:
        outcome = error.code.name
        found = _json(error.code.http_status, {"error": error.message}, indent=4)
    if metrics is not None:
        microseconds = (time.perf_counter() - began) * 1e6
        metrics.count_request(call.model if call else "", call.verb if call else "", outcome, microseconds)
    return found


def _json(status: int, document: Any, indent: int | None) -> Answer:
    return Answer(status, "application/json", (json.dumps(document, indent=indent) + "\n").encode())


def _parsed(method: str, target: str) -> _Call | None:
    """Read a target, None when it is malformed."""
    if method == "POST" and (match := _PREDICTION.fullmatch(target)):
        name, version, label, verb = match.groups()
        return _Call(unquote(name), version, label and unquote(label), verb.lower())
    if method == "GET" and target.lower() == "/v1/models":
        return _Call()
    if method == "GET" and (match := _STATUS.fullmatch(target)):
        name, version, label, metadata = match.groups()
        return _Call(unquote(name), version, label and unquote(label), wants_metadata=bool(metadata))
    return None


def _dispatch(models: Models, call: _Call | None, method: str, target: str, body: bytes) -> Answer:
    if call is None:
        raise invalid_argument(f"Malformed request: {method} {target}")
    if not call.model:
        raise invalid_argument("Missing model name in request.")
    version = _number(call.version)
    if not call.verb:
        shown = (
            _metadata(models, call.model, version, call.label)
            if call.wants_metadata
            else _status(models, call.model, version)
        )
        return _json(200, shown, indent=1)
    if call.verb != "predict":
        raise ServingError(Code.UNIMPLEMENTED, f"The stand-in answers predict, not {call.verb}")
    # On one line, numbers and all: TF Serving breaks it into three.
    return _json(200, _predict(models, call.model, version, call.label, body), indent=None)


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    if int(version) >= 2**63:
        raise invalid_argument(f"Failed to convert version: {version} to numeric.")
    return int(version)


def _status(models: Models, model: str, version: int | None) -> dict[str, Any]:
    statuses = models.statuses(model)
    if not statuses:
        raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {model}")
    if version is not None:
        if version not in statuses:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {version} of model {model}")
        statuses = {version: statuses[version]}
    return {"model_version_status": [_version_status(number, status) for number, status in statuses.items()]}


def _version_status(version: int, status: VersionStatus) -> dict[str, Any]:
    error = status.error
    reason = {"error_code": error.code.name if error else "OK", "error_message": error.message if error else ""}
    return {"version": str(version), "state": status.state, "status": reason}


def _metadata(models: Models, model: str, version: int | None, label: str | None) -> dict[str, Any]:
    with models.use(model, version, label) as (number, servable):
        signatures = {name: _signature(each) for name, each in servable.signatures.items()}
    return {
        "model_spec": {"name": model, "signature_name": "", "version": str(number)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": {alias: _tensor(info) for alias, info in signature.inputs.items()},
        "outputs": {alias: _tensor(info) for alias, info in signature.outputs.items()},
        "method_name": "tensorflow/serving/predict",
    }


def _tensor(info: TensorInfo) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in info.shape or ()]
    return {
        "dtype": info.dtype,
        "tensor_shape": {"dim": dimensions, "unknown_rank": info.shape is None},
        "name": info.name,
    }


def _predict(models: Models, model: str, version: int | None, label: str | None, body: bytes) -> dict[str, Any]:
    request = parse_request(body)
    name = request.get("signature_name", _DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {json.dumps(request, indent=4)} not formatted correctly."
            " 'signature_name' key must be a string value."
        )
    name = name or _DEFAULT_SIGNATURE
    with models.use(model, version, label) as (_, servable):
        return _run(models, servable, name, request)


def _run(models: Models, servable: Servable, name: str, request: dict[str, Any]) -> dict[str, Any]:
    if name not in servable.signatures:
        raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
    inputs = servable.signatures[name].inputs
    if "instances" in request and "inputs" in request:
        raise invalid_argument(
            f"JSON Value: {json.dumps(request, indent=4)} Not formatted correctly expecting only"
            " one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in request:
        return {"predictions": to_rows(models.run(servable, name, from_rows(request["instances"], inputs)))}
    if "inputs" not in request:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    outputs = models.run(servable, name, from_columns(request["inputs"], inputs))
    columns = {alias: to_json(array) for alias, array in outputs.items()}
    return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
