"""Configuration files in protocol buffers' text form, and TF Serving's words for those that cannot be read."""

from __future__ import annotations

from pathlib import Path

from yarnserve.sandbox.model_server.log import log
from yarnserve.sandbox.model_server.status import Code, ServingError, invalid_argument
from yarnserve.sandbox.model_server.text_format import Document, Message, TextFormatError, parse


def read(file: str, message: Message) -> Document:
    """Read *file* as a *message*; raises ServingError."""
    try:
        return parse(Path(file).read_text(encoding="utf-8"), message)
    except FileNotFoundError as error:
        raise ServingError(Code.NOT_FOUND, f"{file}; No such file or directory") from error
    except OSError as error:
        raise ServingError(Code.UNKNOWN, str(error)) from error
    except (TextFormatError, UnicodeDecodeError) as error:
        log("E", "util/proto_util.cc", f"Error parsing text-format {message.name}: {error}")
        raise invalid_argument(f"Invalid protobuf file: '{file}'") from error
