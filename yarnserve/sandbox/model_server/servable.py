"""A loaded model version: its signatures, and how to run one. numpy and the engines are imported on first use."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from yarnserve.sandbox.model_server.status import Code, ServingError, invalid_argument

#: numpy's names of types, as TensorFlow's.
_DTYPES = {
    "float32": "DT_FLOAT",
    "float64": "DT_DOUBLE",
    "int8": "DT_INT8",
    "int16": "DT_INT16",
    "int32": "DT_INT32",
    "int64": "DT_INT64",
    "uint8": "DT_UINT8",
    "uint32": "DT_UINT32",
    "uint64": "DT_UINT64",
    "bool": "DT_BOOL",
    "object": "DT_STRING",
    "bytes": "DT_STRING",
}


@dataclass(frozen=True)
class TensorInfo:
    """One input or output; *shape* has -1 where any size will do, and is None where the rank is unknown."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """One way to call a model; inputs and outputs by alias."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


class Servable(Protocol):
    """A loaded model version."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """What it can be asked, by signature name."""

    def run(self, signature: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Infer: arrays by alias in, arrays by alias out; raises ServingError. Safe from any thread."""


def has_engine(*, prefer_tflite: bool) -> bool:
    """Whether anything is installed that could infer."""
    engines = ["tensorflow", "ai_edge_litert"] if prefer_tflite else ["tensorflow"]
    return any(importlib.util.find_spec(engine) for engine in engines)


def load(directory: Path, shown_path: str, *, prefer_tflite: bool) -> Servable:
    """Load the version in *directory*; *shown_path* is its name in messages.

    Raises:
        ServingError: NOT_FOUND without a model, otherwise what the engine said.
    """
    lite = directory / "model.tflite"
    if prefer_tflite and lite.exists() and importlib.util.find_spec("ai_edge_litert"):
        return _TfliteServable(lite.read_bytes())
    if not any((directory / name).exists() for name in ("saved_model.pb", "saved_model.pbtxt")):
        raise ServingError(
            Code.NOT_FOUND, f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {shown_path}"
        )
    if not importlib.util.find_spec("tensorflow"):
        raise ServingError(Code.UNIMPLEMENTED, f"{shown_path} is a SavedModel, and tensorflow is not installed")
    return _SavedModelServable(directory)


class _TfliteServable:
    """``model.tflite`` in one interpreter, which one caller at a time may use."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            # Small replicas on one host: a thread pool each would only make them fight for cores.
            interpreter = Interpreter(model_content=content, num_threads=1)
            self._runners = {name: interpreter.get_signature_runner(name) for name in interpreter.get_signature_list()}
        except (ValueError, RuntimeError) as error:
            raise ServingError(Code.DATA_LOSS, f"Failed to load model.tflite: {error}") from error
        if not self._runners:
            raise invalid_argument("model.tflite has no signatures")
        self._lock = threading.Lock()
        self.signatures = {
            name: Signature(_lite_tensors(runner.get_input_details()), _lite_tensors(runner.get_output_details()))
            for name, runner in self._runners.items()
        }

    def run(self, signature: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        expected = self.signatures[signature].inputs
        for name, tensor in inputs.items():
            _require_shape(expected[name], tensor.shape)
        try:
            with self._lock:
                outputs: Mapping[str, Any] = self._runners[signature](**inputs)
                return outputs
        except (ValueError, RuntimeError) as error:
            raise ServingError(Code.INTERNAL, f"Failed to run model.tflite: {error}") from error


def _lite_tensors(details: Mapping[str, Mapping[str, Any]]) -> dict[str, TensorInfo]:
    return {
        alias: TensorInfo(
            name=detail["name"],
            dtype=_DTYPES.get(_numpy_name(detail["dtype"]), "DT_INVALID"),
            shape=tuple(int(size) for size in detail["shape_signature"]),
        )
        for alias, detail in details.items()
    }


def _numpy_name(dtype: Any) -> str:
    import numpy

    return str(numpy.dtype(dtype).name)


def _require_shape(info: TensorInfo, shape: tuple[int, ...]) -> None:
    """Refuse what the model cannot take; the interpreter itself would only say that a kernel failed."""
    wanted = info.shape or ()
    if len(shape) != len(wanted) or any(size not in (-1, given) for size, given in zip(wanted, shape, strict=True)):
        raise invalid_argument(f"Tensor {info.name} of shape {list(shape)} does not fit the model's {list(wanted)}")


class _SavedModelServable:
    """A SavedModel, run by TensorFlow."""

    def __init__(self, directory: Path) -> None:
        tensorflow: Any = importlib.import_module("tensorflow")
        self._tensorflow = tensorflow
        try:
            # Held as a whole: the functions of a loaded model do not keep its variables alive.
            self._model = tensorflow.saved_model.load(str(directory), tags=["serve"])
        except (OSError, ValueError, RuntimeError, tensorflow.errors.OpError) as error:
            raise ServingError(Code.INTERNAL, f"Failed to load the SavedModel: {error}") from error
        self.signatures = {
            name: Signature(
                _specified(name, function.structured_input_signature[1]), _specified(name, function.structured_outputs)
            )
            for name, function in self._model.signatures.items()
        }

    def run(self, signature: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        errors = self._tensorflow.errors
        try:
            tensors = {name: self._tensorflow.constant(value) for name, value in inputs.items()}
            outputs = self._model.signatures[signature](**tensors)
        except (ValueError, TypeError, errors.InvalidArgumentError, errors.FailedPreconditionError) as error:
            raise invalid_argument(str(error)) from error
        except errors.OpError as error:
            raise ServingError(Code.INTERNAL, str(error)) from error
        return {name: tensor.numpy() for name, tensor in outputs.items()}


def _specified(signature: str, specifications: Mapping[str, Any]) -> dict[str, TensorInfo]:
    return {
        alias: TensorInfo(
            name=f"{signature}_{alias}:0",
            dtype="DT_STRING"
            if specification.dtype.name == "string"
            else _DTYPES.get(specification.dtype.name, "DT_INVALID"),
            shape=None
            if specification.shape.rank is None
            else tuple(-1 if size is None else size for size in specification.shape.as_list()),
        )
        for alias, specification in specifications.items()
    }
