"""The contract of a language: how function code becomes a package, and how it starts.

Adding a language is one class and the shim it ships; nothing in core asks which language it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.sources import source_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sebsx.model import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a build reads besides its target: what is built once is used again while all of it is the same.

    Args:
        files: Files by their path, wherever they are.
        facts: What else decides: tools with their versions, variables of the environment. Only a digest is kept.
    """

    files: Iterable[Path] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build came to.

    Args:
        requirements: Dependencies as resolved, `name==version`.
        unpinned: Those of them that another build might resolve otherwise: they are resolved again for each run.
    """

    requirements: Sequence[str] = ()
    unpinned: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """A first function, for `sebsx new`: it answers whatever it is called with.

    Args:
        handler: As a manifest names it.
        files: Text by path in the code folder.
    """

    handler: str = "function.handler"
    files: Mapping[str, str] = field(default_factory=dict)


class Language(ABC):
    """How functions in one language are packaged and started. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a manifest says under `[languages.<name>]`, and the folder of its code.
        summary: One line.
        also_called: Other words that people type for it, in lower case; whoever types one is told the name.
        wrapper_suffix: Ending of wrapper and collector files, with the dot.
        handler_forms: Examples of handlers that it takes, for messages and docs.
        starter: What `sebsx new` writes; without files where there is none.
        ships_source: Whether the code folder itself goes into the package; not where `build` makes a program of it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    also_called: ClassVar[tuple[str, ...]] = ()
    wrapper_suffix: ClassVar[str]
    handler_forms: ClassVar[tuple[str, ...]] = ("function.handler",)
    starter: ClassVar[Starter] = Starter()
    ships_source: ClassVar[bool] = True

    @abstractmethod
    def host_version(self) -> str | None:
        """Return the version that this machine runs (`3.11`), or None if it has no interpreter."""

    @abstractmethod
    def command(self, package_root: Path) -> Sequence[str]:
        """Return the command that starts the bootstrap of an unpacked package on this machine.

        The bootstrap speaks the AWS Lambda Runtime API at `AWS_LAMBDA_RUNTIME_API` (host:port).
        """

    def takes(self, handler: str) -> bool:
        """Return whether a handler has a form that the bootstrap can call; by default whatever is not empty."""
        return bool(handler)

    def prepare(self, package_root: Path) -> None:  # noqa: B027  # optional by intent
        """Make an unpacked package ready on this machine, once: do what cold starts would repeat."""

    @abstractmethod
    def runtime_files(self) -> Mapping[str, bytes]:
        """Return the shim and the bootstrap, by path in the package."""

    def inputs(self, source: Path, target: Target) -> Inputs | None:
        """Return everything that `build` reads, or None where there is nothing to build.

        What is left out here is measured stale. The default, every file of the code folder, is right for a compiler
        that reads nothing else; a language that only installs dependencies names the files that say which, so that a
        change of the code alone installs nothing.

        Args:
            source: The code folder.
            target: What is built for.

        Raises:
            PackagingError: If a file that is named there cannot be read.
        """
        return Inputs(files=source_files(source))

    def build(self, source: Path, destination: Path, target: Target) -> Built:
        """Put what goes into the package beside the code into `destination`: dependencies, a compiled program.

        Works without Docker and for a foreign architecture, and leaves `source` as it is. The same inputs give the same
        bytes. The default makes nothing.

        Raises:
            PackagingError: If it cannot be done; the message begins with the tool's own reason.
        """
        return Built()
