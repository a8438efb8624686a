"""Train the digits example and write every file beside this script that comes out of it.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python train.py

The data set comes with scikit-learn, so nothing is downloaded. A fifth of it is held out and never trained on; every
accuracy that is written down is measured on that fifth, with the files as they were saved.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # oneDNN sums in another order from one machine to the next

import keras
import numpy as np
import sklearn.datasets
import sklearn.model_selection
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.tools import flatbuffer_utils
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

HERE = Path(__file__).resolve().parent
VERSION_DIRECTORY = HERE / "model" / "1"

SEED = 20
HELD_OUT_SHARE = 0.2
EPOCHS = 40
BATCH = 32
LARGEST_PIXEL = 16  # the data set counts ink in 4 x 4 blocks
EXAMPLE_DIGITS = 6
TOLERANCE = 0.001

Classifier = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Digits:
    """Images are float32 [n, 8, 8] with whole values 0..16; labels are int64 [n]."""

    train_images: np.ndarray
    train_labels: np.ndarray
    heldout_images: np.ndarray
    heldout_labels: np.ndarray


def load_digits() -> Digits:
    """Split the 1,797 digits into four fifths to train on and one fifth held out, every class in proportion."""
    data = sklearn.datasets.load_digits()
    train_images, heldout_images, train_labels, heldout_labels = sklearn.model_selection.train_test_split(
        data.images.astype(np.float32), data.target, test_size=HELD_OUT_SHARE, stratify=data.target, random_state=SEED
    )
    return Digits(train_images, train_labels, heldout_images, heldout_labels)


def build_model() -> keras.Model:
    """Return the untrained network: ``images`` [batch, 8, 8] in 0..16 to ``probabilities`` [batch, 10]."""
    layers = keras.layers
    images = keras.Input((8, 8), name="images", dtype="float32")
    x = layers.Rescaling(1 / LARGEST_PIXEL)(images)
    x = layers.Reshape((8, 8, 1))(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.25)(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.5)(x)
    probabilities = layers.Dense(10, activation="softmax", name="probabilities")(x)
    return keras.Model(images, probabilities)


def train(digits: Digits) -> keras.Model:
    """Return the network, trained for a fixed number of epochs: the held-out digits choose nothing."""
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    model = build_model()
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")
    model.fit(digits.train_images, digits.train_labels, batch_size=BATCH, epochs=EPOCHS, verbose=2)
    return model


def save_tflite(model: keras.Model, path: Path) -> None:
    """Write *model* as TensorFlow Lite, with the signature ``serving_default``.

    TF Serving with ``--prefer_tflite_model`` looks for exactly ``model.tflite`` in the version directory. It does not
    read the signature that the converter writes, but makes one up from the names of the tensors (``tflite_session.cc``
    of TF Serving 2.6.5), so the tensors get the same names.
    """
    # A dict of outputs names them in the signature; the input's layer names the input.
    named = keras.Model(model.input, {"probabilities": model.output})
    lite = flatbuffer_utils.read_model_from_bytearray(tf.lite.TFLiteConverter.from_keras_model(named).convert())
    graph = lite.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = "images"
    graph.tensors[graph.outputs[0]].name = "probabilities"
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(lite))


def save_saved_model(model: keras.Model, directory: Path) -> None:
    """Write *model* as a SavedModel whose weights are constants of its graph.

    Restoring variables that today's TensorFlow saved takes operations (``DisableCopyOnRead``) that TensorFlow 2.6 does
    not have, and 2.6 is the last TF Serving that reads ``hdfs://``. A graph of constants loads in both.
    """
    shape = tf.TensorSpec([None, 8, 8], tf.float32, name="images")
    function = tf.function(lambda images: {"probabilities": model(images, training=False)})
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(shape))

    module = tf.Module()
    module.serve = tf.function(lambda images: {"probabilities": frozen(images)[0]}, input_signature=[shape])
    tf.saved_model.save(module, str(directory), signatures={"serving_default": module.serve})


def saved_model_classifier(directory: Path) -> Classifier:
    """Return the SavedModel's ``serving_default`` as a plain function."""
    loaded = tf.saved_model.load(str(directory))
    signature = loaded.signatures["serving_default"]
    return lambda images: signature(images=tf.constant(images))["probabilities"].numpy()


def tflite_classifier(path: Path) -> Classifier:
    """Return the TensorFlow Lite model's ``serving_default`` as a plain function."""
    runner = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    return lambda images: runner(images=images)["probabilities"]


def accuracy(classify: Classifier, digits: Digits) -> float:
    """Return the share of held-out digits that *classify* names correctly."""
    named = classify(digits.heldout_images).argmax(axis=1)
    return round(float((named == digits.heldout_labels).mean()), 4)


def example(classify: Classifier, digits: Digits) -> dict[str, Any]:
    """Return the first held-out digit as a request, with the answer that a replica has to give."""
    image = digits.heldout_images[:1]
    row = [round(float(value), EXAMPLE_DIGITS) for value in classify(image)[0]]
    return {
        "request": {"instances": image.astype(int).tolist()},
        "expected": {"predictions": [row]},
        "tolerance": TOLERANCE,
    }


def write_json(path: Path, document: Any, **layout: Any) -> None:
    """Write *document* with a newline at its end."""
    path.write_text(json.dumps(document, **layout) + "\n", encoding="utf-8")


def main() -> None:
    """Train, save, load what was saved, and measure it."""
    digits = load_digits()
    model = train(digits)

    shutil.rmtree(VERSION_DIRECTORY, ignore_errors=True)
    save_saved_model(model, VERSION_DIRECTORY)
    save_tflite(model, VERSION_DIRECTORY / "model.tflite")

    saved_model = saved_model_classifier(VERSION_DIRECTORY)
    tflite = tflite_classifier(VERSION_DIRECTORY / "model.tflite")
    figures = {
        "parameters": model.count_params(),
        "train_images": len(digits.train_labels),
        "heldout_images": len(digits.heldout_labels),
        "accuracy": {
            "keras": accuracy(lambda images: model.predict(images, verbose=0), digits),
            "saved_model": accuracy(saved_model, digits),
            "tflite": accuracy(tflite, digits),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("tensorflow-cpu", "keras", "scikit-learn", "ai-edge-litert")},
        },
    }
    heldout = {"images": digits.heldout_images.astype(int).tolist(), "labels": digits.heldout_labels.tolist()}
    write_json(HERE / "accuracy.json", figures, indent=2)
    write_json(HERE / "heldout.json", heldout, separators=(",", ":"))
    write_json(HERE / "example.json", example(tflite, digits))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
