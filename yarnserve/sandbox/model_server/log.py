"""Log lines on stderr, in the form of TensorFlow's."""

from __future__ import annotations

import sys
from datetime import datetime


def log(severity: str, source: str, message: str) -> None:
    """Write one line; *severity* is I, W or E, *source* the file of TF Serving that would write it."""
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")
    print(f"{now}: {severity} tensorflow_serving/{source}] {message}", file=sys.stderr, flush=True)
