"""The contract of a language: how function code becomes a package, and how it starts.

Adding a language is one class and the shim it ships; nothing in core asks which language it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.model import Target


class Language(ABC):
    """How functions in one language are packaged and started. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a manifest says under `[languages.<name>]`, and the folder of its code.
        summary: One line.
        wrapper_suffix: Ending of wrapper and collector files, with the dot.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    wrapper_suffix: ClassVar[str]

    @abstractmethod
    def host_version(self) -> str | None:
        """Return the version that this machine runs (`3.11`), or None if it has no interpreter."""

    @abstractmethod
    def command(self, package_root: Path) -> Sequence[str]:
        """Return the command that starts the bootstrap of an unpacked package on this machine.

        The bootstrap speaks the AWS Lambda Runtime API at `AWS_LAMBDA_RUNTIME_API` (host:port).
        """

    def prepare(self, package_root: Path) -> None:  # noqa: B027  # optional by intent
        """Make an unpacked package ready on this machine, once: do what cold starts would repeat."""

    @abstractmethod
    def runtime_files(self) -> Mapping[str, bytes]:
        """Return the shim and the bootstrap, by path in the package."""

    @abstractmethod
    def lock_files(self, source: Path) -> Sequence[Path]:
        """Return the files in a benchmark's code folder that pin its dependencies; they enter the hash."""

    @abstractmethod
    def install(self, source: Path, destination: Path, target: Target) -> Sequence[str]:
        """Put the pinned dependencies for `target` into `destination`; return them as `name==version`.

        Works without Docker and for a foreign architecture.

        Raises:
            PackagingError: If they cannot be resolved; the message holds the resolver's reason.
        """
