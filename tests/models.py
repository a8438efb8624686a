"""Model versions as training jobs export them, small: what publish looks for is in them, and nothing that computes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def saved_model(ops: Iterable[str] = ("Placeholder", "VarHandleOp"), padding: int = 0) -> bytes:
    """A SavedModel of one graph with a node for each of *ops*, and *padding* bytes of no meaning."""
    nodes = b"".join(
        _field(1, _field(1, f"n{index}".encode()) + _field(2, op.encode())) for index, op in enumerate(ops)
    )
    return _field(2, _field(2, nodes)) + (_field(15, b"x" * padding) if padding else b"")


def write_model(directory: Path, *, index: bytes = b"index" * 40, data: bytes = b"0123456789abcdef" * 20_000) -> Path:
    """A SavedModel with variables: some hundred kilobytes in three files."""
    (directory / "variables").mkdir(parents=True, exist_ok=True)
    (directory / "saved_model.pb").write_bytes(saved_model(padding=400))
    (directory / "variables" / "variables.index").write_bytes(index)
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(data)
    return directory


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])
