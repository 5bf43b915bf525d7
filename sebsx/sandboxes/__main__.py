"""Entry point of the gateway process: `python -m sebsx.sandboxes`, with its configuration as one JSON line on stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys

from sebsx.sandboxes.server import ServerConfig, serve


def main() -> None:
    """Read the configuration and serve."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(sys.stdin.fileno(), 65536)
        if not piece:
            return
        line += piece
    gc.freeze()  # nothing that was imported is garbage: collections stay short in the measured path
    run = asyncio.run
    try:
        import uvloop
    except ImportError:
        pass
    else:
        run = uvloop.run
    run(serve(ServerConfig(**json.loads(line))))


if __name__ == "__main__":
    main()
