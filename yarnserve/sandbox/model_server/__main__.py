"""``python -m yarnserve.sandbox.model_server --name=value ...``."""

from __future__ import annotations

import sys

from yarnserve.sandbox.model_server.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
