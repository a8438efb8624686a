"""What the REST API answers, request by request, with the digits model loaded (tf-serving.md 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model_server.processes import add_version, example
from yarnserve.sandbox.model_server.loading import Loading
from yarnserve.sandbox.model_server.manager import Manager
from yarnserve.sandbox.model_server.model_config import Batching, ModelConfig
from yarnserve.sandbox.model_server.models import Models
from yarnserve.sandbox.model_server.rest import answer
from yarnserve.sandbox.model_server.servable import load
from yarnserve.sandbox.model_server.shared import Shared

IMAGE = [[0.0] * 8] * 8
PREDICT = "/v1/models/digits:predict"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Version 1 has ended, version 2 serves, and is called stable; gone is a version that does not serve."""
    base = tmp_path_factory.mktemp("digits")
    models = serving("digits", base, labels={"stable": 2, "gone": 1})
    for name in ("1", "2"):
        add_version(base, name)
        models.poll()
    return models


def serving(
    name: str, base: Path, *, labels: Mapping[str, int] | None = None, batching: Batching | None = None
) -> Models:
    """The one model in *base*, not loaded yet."""
    shared = Shared(Loading(partial(load, prefer_tflite=True), max_retries=0, retry_seconds=0))
    return Models([Manager(ModelConfig(name, str(base)), shared)], batching, {name: labels or {}})


def post(models: Models, body: Any, target: str = PREDICT) -> tuple[int, Any]:
    """Post a JSON document; return status and JSON."""
    found = answer(models, "POST", target, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert found.content_type == "application/json"
    return found.status, json.loads(found.body)


def test_status(models: Models) -> None:
    """All versions ever seen, highest first, numbers as strings, indented by one."""
    ok = {"error_code": "OK", "error_message": ""}
    found = answer(models, "GET", "/v1/models/digits", b"")
    assert (found.status, found.content_type) == (200, "application/json")
    assert json.loads(found.body) == {
        "model_version_status": [
            {"version": "2", "state": "AVAILABLE", "status": ok},
            {"version": "1", "state": "END", "status": ok},
        ]
    }
    assert found.body.startswith(b'{\n "model_version_status": [\n  {\n')


@pytest.mark.parametrize(
    ("target", "numbers"),
    [
        ("/v1/models/digits/versions/1", ["1"]),
        ("/v1/models/digits/labels/none", ["2", "1"]),
        ("/V1/MODELS/digits", ["2", "1"]),
        ("/v1/models/%64igits", ["2", "1"]),
    ],
)
def test_status_targets(models: Models, target: str, numbers: list[str]) -> None:
    """One version, a label (which is ignored), any case, an encoded name."""
    document = json.loads(answer(models, "GET", target, b"").body)
    assert [each["version"] for each in document["model_version_status"]] == numbers


def test_failed_version_in_status(tmp_path: Path) -> None:
    """A failed load is END with the code's name and the reason."""
    add_version(tmp_path, "1", broken=True)
    models = serving("m", tmp_path)
    models.poll()
    (version,) = json.loads(answer(models, "GET", "/v1/models/m", b"").body)["model_version_status"]
    assert version["state"] == "END"
    assert version["status"]["error_code"] == "NOT_FOUND"
    assert version["status"]["error_message"].startswith("Could not find SavedModel .pb or .pbtxt")


@pytest.mark.parametrize(
    ("method", "target", "status", "error"),
    [
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/", 400, "Malformed request: GET /v1/models/"),
        ("GET", "/v1/models/digits/", 400, "Malformed request: GET /v1/models/digits/"),
        ("PUT", "/v1/models/digits", 400, "Malformed request: PUT /v1/models/digits"),
        ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
        ("GET", "/v1/models/digits?x=1", 404, "Could not find any versions of model digits?x=1"),
        ("GET", "/v1/models/digits/versions/7", 404, "Could not find version 7 of model digits"),
        ("GET", "/v1/models/digits/versions/x", 400, "Malformed request: GET /v1/models/digits/versions/x"),
        (
            "GET",
            "/v1/models/digits/versions/99999999999999999999",
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
        ("GET", "/v1/models/digits/versions/1/metadata", 404, "Servable not found for request: Specific(digits, 1)"),
        ("GET", "/v1/models/other/metadata", 404, "Servable not found for request: Latest(other)"),
        ("POST", "/v1/models/digits:predict?x=1", 400, "Malformed request: POST /v1/models/digits:predict?x=1"),
        ("POST", "/v1/models/digits:explain", 400, "Malformed request: POST /v1/models/digits:explain"),
    ],
)
def test_errors(models: Models, method: str, target: str, status: int, error: str) -> None:
    """Errors are JSON with one key, indented by four."""
    found = answer(models, method, target, b"{}")
    assert (found.status, json.loads(found.body)) == (status, {"error": error})
    assert found.body.startswith(b'{\n    "error": ')


@pytest.mark.parametrize("target", ["/", "/v1", "/healthz", "/v2/models/digits"])
def test_outside_the_api(models: Models, target: str) -> None:
    """Outside /v1/ the HTTP library's own HTML page answers."""
    found = answer(models, "GET", target, b"")
    assert (found.status, found.content_type) == (404, "text/html")
    assert found.body.startswith(b"<HTML>")


def test_metadata(models: Models) -> None:
    """The signature is the model's own, below two signature_def."""
    document = json.loads(answer(models, "GET", "/v1/models/digits/metadata", b"").body)
    assert document["model_spec"] == {"name": "digits", "signature_name": "", "version": "2"}
    signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["images"]["dtype"] == "DT_FLOAT"
    dimensions = signature["inputs"]["images"]["tensor_shape"]["dim"]
    assert [dimension["size"] for dimension in dimensions] == ["-1", "8", "8"]
    assert list(signature["outputs"]) == ["probabilities"]


def test_every_format_gives_the_same(models: Models) -> None:
    """Rows, named rows, a column and a named column are four ways to ask one thing."""
    instances = example()["request"]["instances"]
    _, rows = post(models, {"instances": instances})
    _, named_rows = post(models, {"instances": [{"images": instances[0]}], "signature_name": "serving_default"})
    _, column = post(models, {"inputs": instances})
    _, named_column = post(models, {"inputs": {"images": instances, "more": 1}})
    assert rows == named_rows
    assert column == named_column == {"outputs": rows["predictions"]}
    assert rows["predictions"][0] == pytest.approx(example()["expected"]["predictions"][0], abs=1e-3)


def test_batches(models: Models) -> None:
    """A batch gives one prediction for each instance, and the interpreter goes back to a smaller one."""
    instances = example()["request"]["instances"]
    _, single = post(models, {"instances": instances})
    status, batch = post(models, {"instances": [IMAGE, instances[0], IMAGE]})
    assert status == 200
    assert batch["predictions"][1] == pytest.approx(single["predictions"][0], abs=1e-6)
    assert post(models, {"instances": instances})[1] == single


def test_what_follows_the_document_is_ignored(models: Models) -> None:
    """The parser stops at the end of the first JSON document."""
    assert post(models, json.dumps({"instances": [IMAGE]}).encode() + b"}} garbage")[0] == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b'{"instances": x}', "JSON Parse error: Invalid value. at offset: 14"),
        (b"[1]", "Is not object"),
        (b"\xff", "JSON Parse error: Invalid encoding"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": [IMAGE], "inputs": [IMAGE]}, "expecting only one of 'inputs' or 'instances' keys to exist"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": 1}, "'instances' to be an list/array"),
        ({"instances": [IMAGE], "signature_name": 1}, "'signature_name' key must be a string value."),
        ({"instances": [IMAGE], "signature_name": "s"}, 'Serving signature name: "s" not found in signature def'),
        ({"instances": [[["a"]]]}, 'JSON Value: "a" Type: String is not of expected type: float'),
        ({"instances": [[[None]]]}, "JSON Value: null Type: Null is not of expected type: float"),
        ({"instances": [[[True]]]}, "JSON Value: true Type: True is not of expected type: float"),
        ({"instances": [[[2**24]]]}, "Cannot convert JSON value: 16777216 to float without loss of precision."),
        ({"instances": [[[1e39]]]}, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ({"instances": [[[10**400]]]}, "to float without loss of precision."),
        ({"instances": [[1, 2], [1]]}, "Expecting shape [2] but got: [1]"),
        ({"instances": [[[1, 2], [1]]]}, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ({"instances": [[[1], 2]]}, "found at incorrect level"),
        ({"instances": [[1, [2]]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"instances": [{"pictures": IMAGE}]}, "keys must be equal to: images"),
        ({"instances": [{"images": IMAGE}, IMAGE]}, "Expecting object but got list at item 1 of input list"),
        ({"inputs": {"pictures": [IMAGE]}}, "Missing named input: images in 'inputs' object."),
        ({"instances": [[1.0] * 7]}, "of shape [1, 7] does not fit the model's [-1, 8, 8]"),
    ],
)
def test_bad_requests(models: Models, body: Any, error: str) -> None:
    """What cannot be predicted is a 400 that says why."""
    status, document = post(models, body)
    assert status == 400
    assert error in document["error"]


def test_json_is_read_before_the_model_is_looked_up(models: Models) -> None:
    """Bad JSON for an unknown model is 400, good JSON is 404."""
    assert post(models, b"{", "/v1/models/other:predict")[0] == 400
    status, document = post(models, {}, "/v1/models/other:predict")
    assert (status, document) == (404, {"error": "Servable not found for request: Latest(other)"})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["images", "b64", "x"]), below),
    max_leaves=8,
)


@given(st.binary() | st.fixed_dictionaries({"instances": _JSON}) | st.fixed_dictionaries({"inputs": _JSON}))
def test_any_body_is_answered(models: Models, body: Any) -> None:
    """Whatever is posted is answered in JSON, and never with a 5xx."""
    status, document = post(models, body)
    assert status in (200, 400)
    assert isinstance(document, dict)


@given(st.text(alphabet="/v1modelsdigt:prec?%0 ", max_size=40).map(lambda rest: f"/v1/{rest}"))
def test_any_target_is_answered(models: Models, target: str) -> None:
    """Whatever is asked for under /v1/ is answered in JSON."""
    assert isinstance(json.loads(answer(models, "GET", target, b"").body), dict)


@pytest.mark.parametrize(
    ("label", "status", "error"),
    [
        ("stable", 200, None),
        ("sta%62le", 200, None),
        ("gone", 404, "Servable not found for request: Specific(digits, 1)"),
        ("none", 400, "Unrecognized servable version label: none"),
    ],
)
def test_labels(models: Models, label: str, status: int, error: str | None) -> None:
    """A label stands for its version, in predictions and metadata; an unknown one is refused by name."""
    found, document = post(models, {"instances": [IMAGE]}, f"/v1/models/digits/labels/{label}:predict")
    assert (found, document.get("error")) == (status, error)
    assert answer(models, "GET", f"/v1/models/digits/labels/{label}/metadata", b"").status == status


@pytest.mark.parametrize(
    ("batching", "status"), [(None, 200), (Batching(2), 400), (Batching(3), 200), (Batching(2, splits=True), 200)]
)
def test_larger_than_a_batch(tmp_path: Path, batching: Batching | None, status: int) -> None:
    """With batching a request of more rows than a batch holds is refused, unless large ones are split."""
    models = serving("digits", tmp_path, batching=batching)
    add_version(tmp_path, "1")
    models.poll()
    found, document = post(models, {"instances": [IMAGE] * 3})
    assert found == status
    if status == 400:
        assert document["error"] == "Task size 3 is larger than maximum input batch size 2"
