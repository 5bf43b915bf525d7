"""Builds packages for tests: the runtime, some function code, and what the test adds."""

from __future__ import annotations

import hashlib
import json
import sys
import textwrap
import zipfile
from pathlib import Path

import sebsx.runtime
from sebsx.model import Package, Target

RUNTIME = Path(sebsx.runtime.__file__).parent / "python"


def package_files(code: str, collectors: dict[str, bytes] | None = None, **others: bytes) -> dict[str, bytes]:
    """Return the files of a package whose `function.py` is `code`; `others` are `name__py=...` modules."""
    manifest = {"schema": 1, "handler": "function.handler", "collectors": list(collectors or ())}
    files = {f"sebsx_runtime/{path.name}": path.read_bytes() for path in RUNTIME.glob("*.py")}
    files |= {f"sebsx_collectors/{name}.py": source for name, source in (collectors or {}).items()}
    files |= {name.replace("__py", ".py"): source for name, source in others.items()}
    files |= {"sebsx.json": json.dumps(manifest).encode(), "function.py": textwrap.dedent(code).encode()}
    return files


def write_package(root: Path, code: str, collectors: dict[str, bytes] | None = None, **others: bytes) -> Path:
    """Write a package as a folder and return it."""
    for name, content in package_files(code, collectors, **others).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def zip_package(path: Path, architecture: str, code: str, **others: bytes) -> Package:
    """Write a package as a zip and return it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in package_files(code, None, **others).items():
            archive.writestr(name, content)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    target = Target("python", f"{sys.version_info.major}.{sys.version_info.minor}", architecture=architecture)
    size = path.stat().st_size
    return Package(
        path=path,
        sha256=digest,
        bytes=size,
        unpacked_bytes=size,
        content_hash=digest,
        target=target,
        benchmark="test",
        benchmark_version="1",
        build_s=0.0,
        cached=True,
    )
