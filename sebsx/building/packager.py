"""Makes a package of a benchmark: gathers what goes in, hashes it, and zips it unless the cache has it.

cache/<content hash>.zip, .json         packages, and what is known of each
cache/dependencies/                     what languages built of code, see `products`
"""

from __future__ import annotations

import json
import logging
import random
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import platformdirs

from sebsx.building import archive, cache
from sebsx.building.products import Product, Products
from sebsx.contracts.sources import source_files
from sebsx.errors import PackagingError
from sebsx.model import Package, content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sebsx.building.archive import Contents
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.languages import Language
    from sebsx.model import Target

logger = logging.getLogger(__name__)

SCHEMA = 1  # of the package's layout and manifest; a change makes every cached package a miss
MANIFEST = "sebsx.json"
PADDING = "sebsx_padding.bin"


def default_cache() -> Path:
    """Return the user's folder for packages; it need not exist."""
    return platformdirs.user_cache_path("sebsx") / "packages"


class Packager:
    """Builds packages into a cache. Safe in several processes at once on one folder.

    Args:
        cache: Folder for packages and dependencies; made when first needed.
        run_id: Whose packages are built: dependencies that nothing pins are resolved once for it.
    """

    def __init__(self, cache: Path, run_id: str = "") -> None:
        self._cache = cache
        self._products = Products(cache / "dependencies", run_id)

    def build(
        self,
        benchmark: Benchmark,
        language: Language,
        target: Target,
        *,
        wrapper: Mapping[str, bytes] | None = None,
        collectors: Mapping[str, bytes] | None = None,
        padding_bytes: int = 0,
    ) -> Package:
        """Return the package of a benchmark's code, from the cache if everything that goes in is the same.

        Args:
            benchmark: Whose code.
            language: What turns it into a package; its name is `target.language`.
            target: What it is built for.
            wrapper: The platform's files, by path in the package.
            collectors: Code of each collector by its name.
            padding_bytes: Size of a file beside all that, which does not compress and is never read.

        Raises:
            UserError: If the benchmark has no code in that language.
            PackagingError: If requirements cannot be resolved, files collide or the cache not be written.
        """
        started_s = time.perf_counter()
        source = _code_folder(benchmark, language)
        own = _own_contents(benchmark, language, target, source, wrapper or {}, collectors or {})
        if padding_bytes:
            _merge(own, {PADDING: _padding(padding_bytes)}, "the padding")
        try:
            product = self._products.of(language, source, target, whole=False)
            key = _key(own, product, target)
            known = self._find(key)
            cached = known is not None
            if known is None:
                logger.info("building %s for %s %s", benchmark.name, target.architecture, target.version)
                product = self._products.of(language, source, target, whole=True)
                key = _key(own, product, target)  # another one where it was damaged and resolves otherwise now
                known = self._make(key, own, product)
        except OSError as exc:
            raise PackagingError(
                f"package of {benchmark.name!r} cannot be built in {str(self._cache)!r}: {exc}; "
                "free space there, make it writable or use another cache folder"
            ) from exc
        return Package(
            path=self._zip(key),
            sha256=known["sha256"],
            bytes=known["bytes"],
            unpacked_bytes=known["unpacked_bytes"],
            content_hash=key,
            target=target,
            benchmark=benchmark.name,
            benchmark_version=benchmark.version,
            build_s=0.0 if cached else time.perf_counter() - started_s,
            cached=cached,
            requirements=product.requirements,
        )

    def _zip(self, key: str) -> Path:
        return self._cache / f"{key}.zip"

    def _find(self, key: str) -> dict[str, Any] | None:
        """Return what is known of a cached package, or None if it is missing or damaged."""
        known, path = cache.read_json(self._cache / f"{key}.json"), self._zip(key)
        try:
            if known and path.stat().st_size == known["bytes"] and archive.digest(path) == known["sha256"]:
                return known
        except (OSError, KeyError):
            return None
        return None

    def _make(self, key: str, own: Contents, product: Product) -> dict[str, Any]:
        contents = dict(own)
        _merge(contents, product.contents, "a dependency")
        with cache.scratch(self._cache) as scratch:
            built = scratch / "package.zip"
            unpacked_bytes = archive.write_zip(built, contents)
            known = {
                "sha256": archive.digest(built),
                "bytes": built.stat().st_size,
                "unpacked_bytes": unpacked_bytes,
            }
            built.replace(self._zip(key))
            cache.write_json(self._cache / f"{key}.json", known, scratch)
        return known


def _key(own: Contents, product: Product, target: Target) -> str:
    return content_hash(
        {"schema": SCHEMA, "files": archive.digests(own), "built": product.digest, "target": asdict(target)}
    )


def _code_folder(benchmark: Benchmark, language: Language) -> Path:
    source = benchmark.code(language.name)
    if not source_files(source, benchmark.root):
        raise PackagingError(
            f"benchmark {benchmark.name!r} has no code: put handler {benchmark.languages[language.name]!r} "
            f"into {str(source)!r}"
        )
    return source


def _own_contents(
    benchmark: Benchmark,
    language: Language,
    target: Target,
    source: Path,
    wrapper: Mapping[str, bytes],
    collectors: Mapping[str, bytes],
) -> Contents:
    """Return everything that goes in but the dependencies."""
    modules = {name.replace("-", "_"): code for name, code in collectors.items()}
    manifest = {
        "schema": SCHEMA,
        "handler": benchmark.languages[language.name],
        "benchmark": benchmark.name,
        "benchmark_version": benchmark.version,
        "language": language.name,
        "language_version": target.version,
        "architecture": target.architecture,
        "collectors": sorted(modules),
    }
    contents: Contents = {MANIFEST: json.dumps(manifest, sort_keys=True, indent=1).encode()}
    _merge(contents, language.runtime_files(), "the runtime")
    _merge(contents, wrapper, "the platform's wrapper")
    shipped = {f"sebsx_collectors/{name}{language.wrapper_suffix}": code for name, code in modules.items()}
    _merge(contents, shipped, "a collector")
    if language.ships_source:
        code = source_files(source, benchmark.root)
        _merge(contents, {path.relative_to(source).as_posix(): path for path in code}, "the code")
    return contents


def _merge(contents: Contents, more: Mapping[str, bytes | Path], owner: str) -> None:
    clash = sorted(contents.keys() & more.keys())
    if clash:
        raise PackagingError(f"file {clash[0]!r} of {owner} is in the package already; rename one of the two")
    contents.update(more)


def _padding(size: int) -> bytes:
    """Return bytes that do not compress, the same for a size."""
    rng = random.Random(size)  # noqa: S311  # padding, not a secret
    return b"".join(rng.randbytes(min(2**20, size - at)) for at in range(0, size, 2**20))
