"""Python functions: the shim that ships with them, their pinned requirements, and the command that starts them."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from sebsx.building import default_cache
from sebsx.building.tools import run_tool
from sebsx.contracts.languages import Built, Language, Starter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.languages import Inputs
    from sebsx.model import Target

_RUNTIME = "sebsx_runtime"
_REQUIREMENTS = "requirements.txt"
_COMPILES = Path(__file__).with_name("compiling.py")
_SEPARATOR = re.compile(r"[./]")
_HANDLER = re.compile(r"[^.].*\.[^./]+")
_STARTER = '''\
"""Answers a greeting."""


def handler(event, context):
    """Return a greeting of the name in the event, or of the world where it has none."""
    return {"greeting": f"Hello, {event.get('name', 'world')}!"}
'''


class PythonLanguage(Language):
    """Functions in Python 3.9 and later, on CPython."""

    name = "python"
    also_called = ("python3", "py", "cpython")
    summary = "Python 3.9+; requirements.txt is installed for the target by uv or pip"
    wrapper_suffix = ".py"
    starter = Starter(files={"function.py": _STARTER})
    handler_forms = ("app.handler", "package.app.handler", "src/app.handler")

    def host_version(self) -> str | None:
        """Return the version of the interpreter that runs sebsx."""
        return f"{sys.version_info.major}.{sys.version_info.minor}"

    def command(self, package_root: Path) -> Sequence[str]:
        """Return the command of the bootstrap: isolated and without `site`, which halves a cold start."""
        return [sys.executable, "-I", "-S", str(package_root / _RUNTIME / "bootstrap.py")]

    def takes(self, handler: str) -> bool:
        """Return whether a handler names a module, by dots or slashes, and a function in it, as Lambda takes it."""
        return (
            all(word.isidentifier() for word in _SEPARATOR.split(handler)) and _HANDLER.fullmatch(handler) is not None
        )

    def prepare(self, package_root: Path) -> None:
        """Compile every module, so that no cold start compiles; code that does not compile fails when it is called."""
        shelf = default_cache() / "bytecode"
        run_tool([sys.executable, "-I", str(_COMPILES), str(package_root), str(shelf)], package_root)

    def runtime_files(self) -> Mapping[str, bytes]:
        """Return every module of the shim, as a regular package."""
        folder = files("sebsx") / "runtime" / "python"
        modules = {
            f"{_RUNTIME}/{file.name}": file.read_bytes()
            for file in (folder.iterdir() if folder.is_dir() else ())
            if file.name.endswith(".py")
        }
        return {f"{_RUNTIME}/__init__.py": b""} | modules

    def inputs(self, source: Path, target: Target) -> Inputs | None:
        """Return `requirements.txt` and all that it names, with the tool; None where it asks for nothing."""
        file = source / _REQUIREMENTS
        if not file.is_file():
            return None
        from sebsx_python import requirements  # heavy, and most functions ask for nothing

        return requirements.inputs(file) if requirements.any_in(file) else None

    def build(self, source: Path, destination: Path, target: Target) -> Built:
        """Install what `requirements.txt` asks for, for `target`."""
        file = source / _REQUIREMENTS
        if not file.is_file():
            return Built()
        from sebsx_python import requirements  # heavy, and most functions ask for nothing

        return requirements.install(file, destination, target) if requirements.any_in(file) else Built()
