"""Starts an emulated subscription and prints the variables that lead the platform `azure` to it, until interrupted."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from tests.emulated_azure import EmulatedSubscription


def main() -> None:
    """Serve until Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="sebsx-azure-") as folder, EmulatedSubscription(Path(folder)) as opened:
        for name, value in opened.environment.items():
            print(f"export {name}='{value}'", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("# over: everything in it is gone")


if __name__ == "__main__":
    main()
