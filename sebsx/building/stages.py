"""What benchmarks build on the driver before they are deployed, kept by a digest of everything that was read for it.

artifacts/<hash>/package/               files for the package
artifacts/<hash>/storage/               files for the storage
artifacts/<hash>/built.json             their digests, how long it took, and what was read that the hash cannot know
"""

from __future__ import annotations

import logging
import platform
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.building import archive, cache
from sebsx.building.tools import own_name
from sebsx.contracts.builds import Artifacts, BuildTarget
from sebsx.errors import PackagingError
from sebsx.model import content_hash
from sebsx.system.processes import marking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.model import Target

logger = logging.getLogger(__name__)

SCHEMA = 1  # of the folders; a change makes every artefact a miss
_RECORD = "built.json"
_PACKAGE, _STORAGE = "package", "storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a benchmark built.

    Args:
        packaged: Files for the package, by path in it.
        stored: Files for the storage, by name.
        digests: SHA-256 of each, by `package/NAME` and `storage/NAME`.
        build_s: How long it took when it was made.
        cached: Whether it was there already.
    """

    packaged: Mapping[str, Path] = field(default_factory=dict)
    stored: Mapping[str, Path] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    build_s: float = 0.0
    cached: bool = False


class Stages:
    """A folder of them. Safe in several processes at once.

    Args:
        folder: Made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(
        self, benchmark: Benchmark, parameters: Mapping[str, Any], target: Target, function: str = "", variant: str = ""
    ) -> Stage | None:
        """Return what a benchmark builds for some parameters, building it unless all that it reads is as it was.

        None where it builds nothing. What counts: every file of the benchmark, the parameters, the target, Python, the
        files that it says it uses, and the version of each distribution that was loaded while it ran.

        Raises:
            UserError: If the benchmark's own code fails.
            PackagingError: If the folder cannot be written.
        """
        if not benchmark.builds:
            return None
        part = benchmark.function(function)
        build_target = BuildTarget(**asdict(target), function=part.name if part else "", variant=variant)
        key = content_hash(
            {"schema": SCHEMA, "benchmark": benchmark.sha256, "parameters": dict(parameters)}
            | {"target": asdict(build_target), "python": sys.version, "machine": platform.machine()}
        )
        try:
            return self._find(key) or self._build(key, benchmark, parameters, build_target)
        except OSError as exc:
            raise PackagingError(
                f"what benchmark {benchmark.name!r} builds cannot be kept in {str(self._folder)!r}: {exc}; "
                "free space there, or make it writable"
            ) from exc

    def _find(self, key: str) -> Stage | None:
        folder = self._folder / key
        known = cache.read_json(folder / _RECORD)
        if known is None:
            return None
        try:
            if known["files"] == _digests(folder) and _same_files(known["used"]) and _same_versions(known["loaded"]):
                return _stage(folder, known, cached=True)
        except (KeyError, TypeError, ValueError, AttributeError, OSError):
            logger.warning("what is cached in %r cannot be read and is built again", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
        return None

    def _build(self, key: str, benchmark: Benchmark, parameters: Mapping[str, Any], target: BuildTarget) -> Stage:
        with cache.scratch(self._folder) as scratch:
            (scratch / "work").mkdir()
            artifacts = Artifacts(scratch / "work")
            started_s = time.perf_counter()
            with marking(own_name()):  # a converter that it starts is found again if we are killed
                benchmark.build(parameters, artifacts, target)
            build_s = time.perf_counter() - started_s
            entry = scratch / "entry"
            entry.mkdir()
            for kind, files in ((_PACKAGE, artifacts.packaged), (_STORAGE, artifacts.stored)):
                for name, path in files.items():
                    _take(path, entry / kind / name, artifacts.folder)
            record = {
                "files": _digests(entry),
                "used": {str(path.resolve()): archive.digest(path) for path in artifacts.used},
                "loaded": _loaded(),
                "build_s": build_s,
            }
            cache.write_json(entry / _RECORD, record, scratch)
            cache.publish_folder(entry, self._folder / key)
        return _stage(self._folder / key, record, cached=False)


def _stage(folder: Path, record: Mapping[str, Any], *, cached: bool) -> Stage:
    return Stage(
        packaged=_files(folder / _PACKAGE),
        stored=_files(folder / _STORAGE),
        digests=dict(record["files"]),
        build_s=float(record["build_s"]),
        cached=cached,
    )


def _files(folder: Path) -> dict[str, Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in found}


def _digests(entry: Path) -> dict[str, str]:
    return archive.digests({
        f"{kind}/{name}": path for kind in (_PACKAGE, _STORAGE) for name, path in _files(entry / kind).items()
    })  # fmt: skip


def _take(path: Path, place: Path, own: Path) -> None:
    """Put a file in its place: the build's own is linked or moved there, another one is copied."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.resolve().is_relative_to(own.resolve()) and not path.is_symlink():
        place.hardlink_to(path)
    else:
        shutil.copy(path, place)


def _same_files(used: Mapping[str, str]) -> bool:
    return all(Path(path).is_file() and archive.digest(Path(path)) == digest for path, digest in used.items())


def _loaded() -> dict[str, str]:
    """Return the version of every distribution that is loaded: a converter's other version converts otherwise."""
    modules = {name.partition(".")[0] for name in list(sys.modules)}
    owners = metadata.packages_distributions()
    return {name: metadata.version(name) for module in modules for name in owners.get(module, ())}


def _same_versions(loaded: Mapping[str, str]) -> bool:
    try:
        return all(metadata.version(name) == version for name, version in loaded.items())
    except metadata.PackageNotFoundError:
        return False
