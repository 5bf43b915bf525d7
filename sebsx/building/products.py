"""What languages build of code, kept by a digest of everything that was read for it.

dependencies/<hash>/files/              what was built
dependencies/<hash>/built.json          their digest, and what was resolved

Where something is pinned by nothing, the hash is of the run as well, so that no other run takes it for today's.
"""

from __future__ import annotations

import logging
import shutil
import sys
import sysconfig
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sebsx.building import archive, cache
from sebsx.errors import PackagingError
from sebsx.model import content_hash

if TYPE_CHECKING:
    from sebsx.building.archive import Contents
    from sebsx.contracts.languages import Built, Inputs, Language
    from sebsx.model import Target

logger = logging.getLogger(__name__)

SCHEMA = 2  # of the folders; a change makes every product a miss
_RECORD = "built.json"


@dataclass(frozen=True, slots=True)
class Product:
    """What a language built.

    Args:
        folder: Where its files are; None where there is nothing to build.
        digest: Of every file and its mode.
        requirements: As resolved.
    """

    folder: Path | None = None
    digest: str = ""
    requirements: tuple[str, ...] = ()

    @property
    def contents(self) -> Contents:
        """Its files by path in the package."""
        return tree(self.folder) if self.folder else {}

    @property
    def is_whole(self) -> bool:
        """Whether the files are still as they were built. Reads all of them."""
        return self.folder is None or self.digest == content_hash(archive.digests(self.contents))


class Products:
    """A folder of them. Safe in several processes and threads at once; what two threads want is built once.

    Args:
        folder: Made when first needed.
        run_id: Whose packages are built: what is not pinned is resolved once for it, also when it is resumed.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id
        self._building: dict[str, Lock] = {}

    def of(self, language: Language, source: Path, target: Target, *, whole: bool) -> Product:
        """Return what a language makes of a code folder, building it unless all that is read is as it was.

        Args:
            language: What builds it.
            source: The code folder.
            target: What for.
            whole: Read all files of what is cached, and build it again where they were damaged.

        Raises:
            PackagingError: If it cannot be built.
            OSError: If the folder cannot be written.
        """
        inputs = language.inputs(source, target)
        if inputs is None:
            return Product()
        key = _key(language, source, target, inputs)
        with self._building.setdefault(key, Lock()):
            for name in (key, self._of_run(key)):
                found = self._find(name)
                if found is not None and (not whole or found.is_whole):
                    return found
                if found is not None:
                    logger.warning("what is cached in %r is damaged and is built again", str(self._folder / name))
                    shutil.rmtree(self._folder / name, ignore_errors=True)
            return self._build(key, language, source, target)

    def _of_run(self, key: str) -> str:
        """Return the name of a product that holds for one run alone."""
        return content_hash([key, self._run_id])

    def _find(self, name: str) -> Product | None:
        known = cache.read_json(self._folder / name / _RECORD)
        if known is None or not isinstance(known.get("digest"), str):
            return None
        requirements = known.get("requirements")
        if not isinstance(requirements, list):
            return None
        return Product(self._folder / name / "files", known["digest"], tuple(map(str, requirements)))

    def _build(self, key: str, language: Language, source: Path, target: Target) -> Product:
        with cache.scratch(self._folder) as scratch:
            files = scratch / "entry" / "files"
            files.mkdir(parents=True)
            built = language.build(source, files, target)
            if built.unpinned:
                _warn_of_unpinned(built, source)
            digest = content_hash(archive.digests(tree(files)))
            requirements = sorted(built.requirements)
            record = {"requirements": requirements, "digest": digest}
            cache.write_json(scratch / "entry" / _RECORD, record, scratch)
            final = self._folder / (self._of_run(key) if built.unpinned else key)
            if self._find(final.name) is None:  # what cannot be read is in the way
                shutil.rmtree(final, ignore_errors=True)
            cache.publish_folder(scratch / "entry", final)
        return self._find(final.name) or Product(final / "files", digest, tuple(requirements))


def tree(folder: Path) -> Contents:
    """Return every built file but compiled ones of Python, which differ by interpreter."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }


def _key(language: Language, source: Path, target: Target, inputs: Inputs) -> str:
    """Return a digest of all that a build depends on: what it reads, what for, and the language's own code."""
    files = {_name(path, source): path for path in inputs.files}
    try:
        digests = sorted(archive.digests(files).items())
    except OSError as exc:
        raise PackagingError(f"{str(exc.filename)!r}, which {language.name} reads, cannot be read: {exc}") from exc
    host = "" if target.binaries else sysconfig.get_platform()  # native binaries are those of this machine
    return content_hash(
        {"schema": SCHEMA, "language": language.name, "target": asdict(target), "host": host}
        | {"files": digests, "facts": dict(inputs.facts), "builder": _code_of(language)}
    )


def _name(path: Path, source: Path) -> str:
    """Return what a file is called in a key: within the code folder the same wherever that lies."""
    return path.relative_to(source).as_posix() if path.is_relative_to(source) else str(path)


def _code_of(language: Language) -> list[tuple[str, str]]:
    """Return digests of the modules beside the class of a language: another version of it may build otherwise."""
    file = getattr(sys.modules.get(type(language).__module__), "__file__", None)
    modules = sorted(Path(file).parent.glob("*.py")) if file else []
    return [(module.name, archive.digest(module)) for module in modules]


def _warn_of_unpinned(built: Built, source: Path) -> None:
    logger.warning(
        "%s of %r are pinned by nothing: they are resolved once for each run, so that two runs may measure different "
        "versions; pin them with ==",
        ", ".join(sorted(built.unpinned)),
        str(source),
    )
