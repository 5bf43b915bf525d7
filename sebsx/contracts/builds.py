"""The stage of a benchmark that makes files on the driver before it is deployed: `build` in `benchmark.py`.

    def build(parameters, artifacts, target):
        model = artifacts.folder / "model.onnx"
        convert(parameters["model"], model)
        artifacts.package(model)                    # into the package, beside the code
        artifacts.store(model)                      # or into the storage; `payload` is told the key

`artifacts` is an `Artifacts`, `target` a `BuildTarget`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sebsx.errors import UserError

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTarget:
    """What files are made for.

    Args:
        language: Name of the language that the function is in.
        version: Its version.
        architecture: `x86_64` or `arm64`; this machine may be another.
        binaries: Binary interface, as the language names it; empty for that of this machine.
        function: Which of the benchmark's functions; empty where it has one.
        variant: Which of its variants; empty for none.
    """

    language: str
    version: str
    architecture: str
    binaries: str = ""
    function: str = ""
    variant: str = ""


class Artifacts:
    """Where a build puts what it makes, and says what it reads. It is kept, and made again when any of that changes.

    Args:
        folder: An empty folder that is the build's to write to.

    Attributes:
        folder: That folder; what is neither packaged nor stored is thrown away.
        packaged: Files that go into the package, by path in it.
        stored: Files that go into the storage, by the name under which `payload` finds their keys.
        used: Files outside of the benchmark's folder that were read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packaged: dict[str, Path] = {}
        self.stored: dict[str, Path] = {}
        self.used: list[Path] = []

    def package(self, path: str | PathLike[str], name: str = "") -> None:
        """Put a file into the package, beside the code.

        Args:
            path: The file.
            name: Its path in the package; its own name where none is given.

        Raises:
            UserError: If it is not a file, or the name is taken or leaves the package.
        """
        self._put(self.packaged, path, name)

    def store(self, path: str | PathLike[str], name: str = "") -> None:
        """Put a file into the platform's storage, which the benchmark must need.

        `payload` finds its key under the name, if it takes `artifacts`.

        Raises:
            UserError: If it is not a file, or the name is taken.
        """
        self._put(self.stored, path, name)

    def uses(self, path: str | PathLike[str]) -> Path:
        """Return the path of a file outside of the benchmark's folder that is read: a change of it builds again.

        Raises:
            UserError: If it is not a file.
        """
        self.used.append(_file(path))
        return self.used[-1]

    def _put(self, files: dict[str, Path], path: str | PathLike[str], name: str) -> None:
        file = _file(path)
        place = PurePosixPath(name or file.name)
        if place.is_absolute() or ".." in place.parts:
            raise UserError(f"artifact {str(place)!r} has no name that can be used: it must be a path without '..'")
        if str(place) in files:
            raise UserError(f"artifact {str(place)!r} is there twice; name one of the two otherwise")
        files[str(place)] = file


def _file(path: str | PathLike[str]) -> Path:
    file = Path(path)
    if not file.is_file():
        raise UserError(f"artifact {str(file)!r} is not a file")
    return file
