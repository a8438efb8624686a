"""SavedModels, loaded by TensorFlow itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.model_server.processes import EXAMPLES, example, started

pytestmark = pytest.mark.savedmodel

#: Seconds: CI installs TensorFlow's sources alone, and compiles what is imported, beside all other tests.
_TENSORFLOW_IMPORTED = 300.0


def test_a_saved_model_answers_the_example_as_the_tflite_does(tmp_path: Path) -> None:
    """Without --prefer_tflite_model the SavedModel is served, and gives the recorded answer."""
    shutil.copytree(EXAMPLES / "model" / "1", tmp_path / "model" / "1")
    (tmp_path / "model" / "1" / "model.tflite").unlink()
    with started(tmp_path, str(tmp_path / "model"), "--prefer_tflite_model=false") as server:
        server.wait_for({"1": "AVAILABLE"}, deadline=_TENSORFLOW_IMPORTED)
        request = json.dumps(example()["request"]).encode()
        status, answer = server.call("/v1/models/digits:predict", request)
    assert status == 200
    assert answer["predictions"][0] == pytest.approx(example()["expected"]["predictions"][0], abs=1e-3)
