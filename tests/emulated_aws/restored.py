"""Runs AWS's runtime client in a sandbox that stands for one restored from a snapshot.

The client runs the hooks of before the snapshot and of after the restore; the wait between them is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from awslambdaric.__main__ import main
from awslambdaric.lambda_runtime_client import LambdaRuntimeClient


def go_on(_client: LambdaRuntimeClient) -> None:
    """Be restored as soon as the snapshot could be taken."""


if __name__ == "__main__":
    LambdaRuntimeClient.restore_next = go_on
    sys.path[0] = str(Path.cwd())  # where the function is, as with `python -m`
    main(sys.argv)
