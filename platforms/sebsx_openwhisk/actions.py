"""Actions: what is sent of a package, and what the server reports back of the action that it became.

The package lies in a folder of its own in the zip, since the runtimes take names at its root for theirs: `exec` and
`requirements.txt`, `index.js` and `package.json`. An image holds the package; its action brings the entry alone.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnsupportedError
from sebsx_openwhisk.activations import annotations_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.model import FunctionConfig, Package

ZIP, IMAGE = KINDS = ("zip", "image")
BLACKBOX = "blackbox"
_ENTRIES = {"python": ("sebsx_action.py", "__main__.py"), "nodejs": ("sebsx_action.cjs", "index.js")}
_VARIABLES = "sebsx_variables.json"
IN_IMAGE = "/sebsx/package"
_TIME = (1980, 1, 1, 0, 0, 0)
_MIB = 2**20


def bundle(package: Package, variables: Mapping[str, str], *, with_package: bool) -> bytes:
    """Return the zip of an action, the same for the same package and variables.

    Args:
        package: What it runs.
        variables: Of the environment: the server knows none.
        with_package: Whether the package is in it; else an image has it.
    """
    source, name = _ENTRIES[package.target.language]
    entry = (files("sebsx_openwhisk") / "wrapper" / source).read_bytes()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _write(archive, name, entry)
        _write(archive, _VARIABLES, json.dumps(dict(variables), sort_keys=True).encode())
        if with_package:
            with zipfile.ZipFile(package.path) as packaged:
                for info in packaged.infolist():
                    if not info.is_dir():
                        _write(archive, f"package/{info.filename}", packaged.read(info), info.external_attr)
    return file.getvalue()


def exec_of(kind: str, code: bytes) -> dict[str, Any]:
    """Return the executable part of an action whose code is a zip.

    Args:
        kind: Of the runtime: `python:3.11`; or the image of a blackbox.
        code: The zip.
    """
    runtime = {"kind": BLACKBOX, "image": kind} if "/" in kind else {"kind": kind}
    return {**runtime, "code": base64.b64encode(code).decode(), "binary": True, "main": "main"}


def document_of(
    config: FunctionConfig, options: Mapping[str, Any], executable: Mapping[str, Any], tags: Mapping[str, str]
) -> dict[str, Any]:
    """Return an action as the API takes it.

    Args:
        config: What is asked.
        options: What it gets of every option.
        executable: Its code.
        tags: Whose it is.
    """
    limits = {"memory": config.memory_mib, "timeout": round(config.timeout_s * 1000)}
    if options["sandbox_concurrency"] > 1:
        limits["concurrency"] = options["sandbox_concurrency"]
    if options["max_instances"]:
        limits["instances"] = options["max_instances"]
    return {"exec": dict(executable), "limits": limits, "annotations": annotated(tags)}


def annotated(tags: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return tags as annotations."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def effective_of(action: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the server reports of an action, under the names of `FunctionConfig` and facts of its own."""
    limits, executable = action.get("limits", {}), action.get("exec", {})
    annotations = annotations_of(action)
    kind = executable.get("kind") or annotations.get("exec")
    facts = {
        "memory_mib": limits.get("memory"),
        "timeout_s": limits["timeout"] / 1000 if "timeout" in limits else None,
        "sandbox_concurrency": limits.get("concurrency", 1),
        "max_instances": limits.get("instances", 0),
        "runtime": kind,
        "image": executable.get("image"),
        "package": IMAGE if kind == BLACKBOX else ZIP,
        "version": action.get("version"),
        "namespace": action.get("namespace"),
    }
    return {name: value for name, value in facts.items() if value is not None}


def is_large(code: bytes, most_mib: int) -> bool:
    """Tell whether code is more than the server takes, in base64 as it is sent."""
    return len(code) * 4 / 3 > most_mib * _MIB


def check_size(code: bytes, package: Package, most_mib: int) -> None:
    """Refuse code that the server does not take.

    Raises:
        UnsupportedError: If it is too large.
    """
    if is_large(code, most_mib):
        raise UnsupportedError(
            f"package of {package.benchmark!r} is {len(code) * 4 / 3 / _MIB:.0f} MiB in a request, and the server "
            f"takes {most_mib} MiB; use --option package=image"
        )


def _write(archive: zipfile.ZipFile, name: str, data: bytes, attributes: int = 0o644 << 16) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    info.external_attr, info.compress_type = attributes, zipfile.ZIP_DEFLATED
    archive.writestr(info, data)
