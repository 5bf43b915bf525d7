"""Starts an emulated server for people, and says how to reach it."""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path

from tests.emulated_openfaas import EmulatedOpenFaas


def main() -> None:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulated_openfaas", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 [default: any free one]")
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory() as folder, EmulatedOpenFaas(Path(folder), port=port) as server:
        for name, value in server.environment.items():
            print(f"export {name}={value}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
