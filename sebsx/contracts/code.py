"""The code of a benchmark: one function or several, and variants of them that bring files of their own.

pipeline/
resize/python/function.py               [functions.resize]
store/python/function.py                [functions.store]
variants/onnx/resize/python/...         [variants.onnx]: its files lie over those of the function
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sebsx.contracts.sources import source_files
from sebsx.errors import UnknownNameError, UserError
from sebsx.model import Capability

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sebsx.contracts.tables import ManifestTable

VARIANTS = "variants"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # part of the names of deployments on every platform
_WORD = re.compile(r"[A-Za-z0-9_]+")  # of a phase, or of a field of an output


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A function or a variant of a benchmark; what it leaves out is as the benchmark says.

    Args:
        name: What a user types, kebab-case.
        folder: Its folder in that of the benchmark, with slashes.
        summary: One line.
        handler: Of a function, in all its languages.
        memory_mib: Provisioned memory that suffices for every size.
        timeout_s: Default time-out.
        needs: Capabilities it asks of a platform, besides those of the benchmark.
        languages: Those it has code in; empty for all of the benchmark.
        functions: Those that a variant is of; empty for all.
        subject: Of a function, phases that are its named work.
        facts: Of a function, fields of its output that tell how the work was done.
    """

    name: str
    folder: str
    summary: str = ""
    handler: str = ""
    memory_mib: int | None = None
    timeout_s: float | None = None
    needs: frozenset[Capability] = frozenset()
    languages: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: str, table: ManifestTable, capabilities: Collection[str], *, variant: bool) -> Part:
        """Return the function or variant that a table of a manifest describes; `needs` may name `capabilities`.

        Raises:
            UserError: If a key is unknown or of a wrong type, or a name or folder cannot be used.
        """
        if not _NAME.fullmatch(name):
            raise UserError(f"name {name!r} of {table.where} is invalid; use lower-case letters, digits and hyphens")
        part = cls(
            name=name,
            folder=_folder(table, f"{VARIANTS}/{name}" if variant else name),
            summary=table.text("summary", ""),
            handler="" if variant else table.text("handler", ""),
            memory_mib=table.integer("memory_mib") if "memory_mib" in table else None,
            timeout_s=float(table.number("timeout_s", above=0)) if "timeout_s" in table else None,
            needs=needs(table, capabilities),
            languages=table.words("languages"),
            functions=table.words("functions") if variant else (),
            subject=() if variant else names_under(table, "subject"),
            facts=() if variant else names_under(table, "facts"),
        )
        table.done()
        return part


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What a function of a benchmark asks for unless the user says otherwise: memory, time and capabilities."""

    memory_mib: int
    timeout_s: float
    needs: frozenset[Capability]

    def of(self, part: Part | None) -> Demands:
        """Return what is asked for by a function or variant on top of this."""
        if part is None:
            return self
        return Demands(
            memory_mib=self.memory_mib if part.memory_mib is None else part.memory_mib,
            timeout_s=self.timeout_s if part.timeout_s is None else part.timeout_s,
            needs=self.needs | part.needs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The code of one function in one language.

    Args:
        root: Folder of the benchmark, which no link may leave.
        folder: Its own folder.
        overlay: Folder of a variant, whose files lie over those of `folder`; None without a variant.
        handler: What is called.
    """

    root: Path
    folder: Path
    overlay: Path | None = None
    handler: str

    def files(self) -> dict[str, Path]:
        """Return the files by path in the package, sorted; those of a variant in the place of others.

        Raises:
            UserError: If a link leaves the benchmark's folder or points nowhere, or a name is not UTF-8.
        """
        found: dict[str, Path] = {}
        for folder in (self.folder, self.overlay):
            if folder is not None:
                found |= {path.relative_to(folder).as_posix(): path for path in source_files(folder, self.root)}
        return dict(sorted(found.items()))


def needs(table: ManifestTable, known: Collection[str]) -> frozenset[Capability]:
    """Return the capabilities under `needs` of a table.

    Raises:
        UnknownNameError: If one is not known.
    """
    check_words(table.words("needs"), known, "capability", f"'needs' in {table.where}")
    return frozenset(map(Capability, table.words("needs")))


def names_under(table: ManifestTable, key: str) -> tuple[str, ...]:
    """Return the names of phases or fields under a key of a table.

    Raises:
        UserError: If one cannot be a name, or stands there twice.
    """
    names = table.words(key)
    if len(set(names)) < len(names) or not all(_WORD.fullmatch(name) for name in names):
        raise table.refused(key, "a list of names that differ, of letters, digits and '_',")
    return names


def check_words(words: Iterable[str], known: Iterable[str], kind: str, where: str) -> None:
    """Refuse the first word that is not known.

    Raises:
        UnknownNameError: If there is one.
    """
    known = list(known)
    for word in words:
        if word not in known:
            raise UnknownNameError(kind, word, known, of=where)


def _folder(table: ManifestTable, default: str) -> str:
    """Return a folder inside of the benchmark's, as it is written."""
    word: Any = table.text("folder", default)
    path = PurePosixPath(word)
    if path.is_absolute() or ".." in path.parts or not word:
        raise table.refused("folder", "a folder inside of the benchmark's")
    return path.as_posix()
