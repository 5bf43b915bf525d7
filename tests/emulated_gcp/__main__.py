"""Starts an emulated project and prints the variables by which the platform `gcp` finds it, until it is interrupted."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from tests.emulated_gcp import EmulatedProject


def main() -> None:
    """Serve until Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="sebsx-project-") as folder, EmulatedProject(Path(folder)) as project:
        for name, value in project.environment.items():
            print(f"export {name}='{value}'", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("# over: everything in it is gone")


if __name__ == "__main__":
    main()
