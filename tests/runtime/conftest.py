"""Runs the shim in an interpreter of its own, as it runs in a sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.packages import write_package
from tests.support import interpreters

# Those between the oldest and the newest are for the slow tests; a change of the language that breaks one of them
# alone is rare.
_OLD_TO_NEW = [path for _, path in sorted(interpreters().items(), key=lambda item: int(item[0].partition(".")[2]))]
PYTHONS = [
    pytest.param(path, marks=[] if path in (_OLD_TO_NEW[0], _OLD_TO_NEW[-1]) else [pytest.mark.slow])
    for path in _OLD_TO_NEW
]

SCRIPT = """
import sys
root = sys.argv[1]
sys.path.insert(0, root)
from sebsx_runtime.shim import LoadError, Shim
shim = Shim(root)
import json
try:
    shim.load()
except LoadError as exc:
    print(json.dumps([[exc.text, exc.error_type]]))
    raise SystemExit
answers = [shim.invoke(event, "id-%d" % number, None) for number, event in enumerate(json.loads(sys.argv[2]))]
sys.stdout = sys.__stdout__
print(json.dumps([[answer.text, answer.error_type] for answer in answers]))
"""


def invoke_all(
    root: Path, code: str, events: list[Any], python: str = sys.executable, environment: Any = None, **package: Any
) -> list[tuple[Any, str | None]]:
    """Return (envelope, error type) of each event, or of the failure to load."""
    write_package(root, code, **package)
    done = subprocess.run(
        [python, "-I", "-S", "-c", SCRIPT, str(root), json.dumps(events)],
        capture_output=True,
        text=True,
        env=environment or {},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [(json.loads(text), error_type) for text, error_type in json.loads(done.stdout.splitlines()[-1])]


def invoke(root: Path, code: str, event: Any = None, **others: Any) -> tuple[Any, str | None]:
    """Return (envelope, error type) of one event."""
    return invoke_all(root, code, [event], **others)[0]
