"""Node.js functions: the shim that ships with them, their locked packages, and the command that starts them."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

from sebsx.contracts.languages import Built, Language, Starter
from sebsx_nodejs import lockfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.languages import Inputs
    from sebsx.model import Target

_RUNTIME = "sebsx_runtime"
_OLDEST = 18
_HANDLER = re.compile(r"(?!/)(?:[^/]+/)*[^./]+(?:\.[^./]+)+")
# A heap as large as the whole sandbox: the system's limit is met first, and says out of memory. V8's own default is a
# fraction of it, at which it aborts.
_START = 'exec "$0" --max-old-space-size="${AWS_LAMBDA_FUNCTION_MEMORY_SIZE:-4096}" "$1"'
_STARTER = """\
// Answers a greeting.
exports.handler = async (event) => ({ greeting: `Hello, ${event.name ?? 'world'}!` });
"""


class NodejsLanguage(Language):
    """Functions in JavaScript, on Node.js 18 and later; CommonJS or ES modules."""

    name = "nodejs"
    also_called = ("javascript", "js", "node", "node.js")
    summary = f"Node.js {_OLDEST}+; package-lock.json is installed for the target by npm"
    wrapper_suffix = ".cjs"
    starter = Starter(files={"function.js": _STARTER})
    handler_forms = ("index.handler", "src/index.handler", "index.api.handler")

    def host_version(self) -> str | None:
        """Return the major version of the `node` on PATH; None if there is none or it is too old."""
        node = shutil.which("node")
        return _version(node) if node else None

    def command(self, package_root: Path) -> Sequence[str]:
        """Return the command of the bootstrap, by way of a shell that knows the sandbox's memory."""
        bootstrap = str(package_root / _RUNTIME / "bootstrap.cjs")
        return ["/bin/sh", "-c", _START, shutil.which("node") or "node", bootstrap]

    def takes(self, handler: str) -> bool:
        """Return whether a handler names a module by its path and what it exports, as Lambda takes it."""
        return ".." not in handler and _HANDLER.fullmatch(handler) is not None

    def runtime_files(self) -> Mapping[str, bytes]:
        """Return every module of the shim."""
        folder = files("sebsx") / "runtime" / "nodejs"
        return {f"{_RUNTIME}/{file.name}": file.read_bytes() for file in folder.iterdir() if file.name.endswith(".cjs")}

    def inputs(self, source: Path, target: Target) -> Inputs | None:
        """Return the lock file and the packages that lie beside it, with npm; None without dependencies."""
        return lockfile.inputs(source) if lockfile.any_in(source) else None

    def build(self, source: Path, destination: Path, target: Target) -> Built:
        """Install the packages of `package-lock.json` for `target`; without dependencies there is nothing to do."""
        return Built(requirements=lockfile.install(source, destination, target) if lockfile.any_in(source) else ())


@functools.cache
def _version(node: str) -> str | None:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    major = done.stdout.strip().removeprefix("v").partition(".")[0]
    return major if major.isdecimal() and int(major) >= _OLDEST else None
