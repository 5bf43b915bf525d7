"""Makes a package of a benchmark: gathers what goes in, hashes it, and zips it unless the cache has it.

cache/<content hash>.zip, .json         packages, and what is known of each
cache/dependencies/                     what languages built of code, see `products`
cache/artifacts/                        what benchmarks built on the driver, see `stages`
"""

from __future__ import annotations

import logging
import random
import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from sebsx.building import archive, cache
from sebsx.building.products import Product, Products
from sebsx.building.stages import Stage, Stages
from sebsx.errors import PackagingError
from sebsx.model import Manifest, Package, content_hash
from sebsx.system.folders import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sebsx.building.archive import Contents
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.code import Code
    from sebsx.contracts.languages import Language
    from sebsx.model import Target

logger = logging.getLogger(__name__)

SCHEMA = 1  # of the package's layout; a change makes every cached package a miss
MANIFEST = "sebsx.json"
PADDING = "sebsx_padding.bin"


def cached_bytes() -> int:
    """Return how large the default cache is: packages, what was built for them, and prepared trees."""
    return sum(path.lstat().st_size for path in default_cache().rglob("*") if not path.is_dir())


def default_cache() -> Path:
    """Return the user's folder for packages; it need not exist."""
    return cache_folder() / "packages"


class PackageHost(Protocol):
    """What a package must know of the platform that it is made for; each `Platform` is one."""

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the platform's side of the context."""
        ...

    def layout(self, package: Manifest, target: Target) -> Mapping[str, bytes]:
        """Return what the host wants besides."""
        ...


class Packager:
    """Builds packages into a cache. Safe in several processes at once on one folder.

    Args:
        cache: Folder for packages and dependencies; made when first needed.
        run_id: Whose packages are built: dependencies that nothing pins are resolved once for it.
    """

    def __init__(self, cache: Path, run_id: str = "") -> None:
        self._cache = cache
        self._products = Products(cache / "dependencies", run_id)
        self._stages = Stages(cache / "artifacts")

    def stage(
        self, benchmark: Benchmark, parameters: Mapping[str, Any], target: Target, function: str = "", variant: str = ""
    ) -> Stage | None:
        """Return what a benchmark's `build` makes for some parameters, from the cache if it reads nothing new.

        None where it has none.

        Raises:
            UserError: If the benchmark's own code fails.
            PackagingError: If the cache cannot be written.
        """
        return self._stages.of(benchmark, parameters, target, function, variant)

    def build(
        self,
        benchmark: Benchmark,
        language: Language,
        target: Target,
        *,
        function: str = "",
        variant: str = "",
        platform: PackageHost | None = None,
        files: Mapping[str, bytes | Path] | None = None,
        collectors: Mapping[str, bytes] | None = None,
        padding_bytes: int = 0,
    ) -> Package:
        """Return the package of a benchmark's code, from the cache if everything that goes in is the same.

        Args:
            benchmark: Whose code.
            language: What turns it into a package; its name is `target.language`.
            target: What it is built for.
            function: Which of the benchmark's functions; empty for the first.
            variant: Which of its variants; empty for none.
            platform: Whose side of the context goes in, and what its host wants besides.
            files: More files by path in the package.
            collectors: Code of each collector by its name.
            padding_bytes: Size of a file beside all that, which does not compress and is never read.

        Raises:
            UserError: If the benchmark has no code in that language, or no such function or variant.
            PackagingError: If requirements cannot be resolved, files collide or the cache not be written.
        """
        started_s = time.perf_counter()
        code = benchmark.code(language.name, function, variant)
        if not language.takes(code.handler):
            raise PackagingError(
                f"handler {code.handler!r} of benchmark {benchmark.name!r} has no form that {language.name} takes; "
                f"write it like {', '.join(map(repr, language.handler_forms))}"
            )
        sources = _sources(benchmark, code)
        modules = {name.replace("-", "_"): text for name, text in (collectors or {}).items()}
        manifest = _manifest(benchmark, code, target, modules, function, variant)
        own: Contents = {MANIFEST: manifest.encode()}
        shipped = {f"sebsx_collectors/{name}{language.wrapper_suffix}": text for name, text in modules.items()}
        _merge(own, language.runtime_files(), "the runtime")
        if platform is not None:
            _merge(own, platform.wrapper_files(language.name), "the platform's wrapper")
            _merge(own, platform.layout(manifest, target), "the platform's layout")
        _merge(own, files or {}, "what is added")
        _merge(own, shipped, "a collector")
        if language.ships_source:
            _merge(own, sources, "the code")
        if padding_bytes:
            _merge(own, {PADDING: _padding(padding_bytes)}, "the padding")
        try:
            with _one_folder(code, sources, self._cache) as source:
                key, known, product, cached = self._packed(own, language, source, target)
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

    def _packed(
        self, own: Contents, language: Language, source: Path, target: Target
    ) -> tuple[str, dict[str, Any], Product, bool]:
        """Return the key of a package, what is known of it, what the language built, and whether it was there."""
        product = self._products.of(language, source, target, whole=False)
        key = _key(own, product, target)
        known = self._find(key)
        if known is not None:
            return key, known, product, True
        logger.info("building %s for %s %s", str(source), target.architecture, target.version)
        product = self._products.of(language, source, target, whole=True)
        key = _key(own, product, target)  # another one where it was damaged and resolves otherwise now
        return key, self._make(key, own, product), product, False

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


def _sources(benchmark: Benchmark, code: Code) -> dict[str, Path]:
    files = code.files()
    if not files:
        raise PackagingError(
            f"benchmark {benchmark.name!r} has no code: put handler {code.handler!r} into {str(code.folder)!r}"
        )
    return files


def _manifest(
    benchmark: Benchmark, code: Code, target: Target, modules: Iterable[str], function: str, variant: str
) -> Manifest:
    return Manifest(
        handler=code.handler,
        benchmark=benchmark.name,
        benchmark_version=benchmark.version,
        language=target.language,
        language_version=target.version,
        architecture=target.architecture,
        collectors=tuple(sorted(modules)),
        function=function,
        variant=variant,
    )


@contextmanager
def _one_folder(code: Code, files: Mapping[str, Path], folder: Path) -> Iterator[Path]:
    """Lend a folder that holds the code: its own, or one in which the files of a variant lie over it."""
    if code.overlay is None:
        yield code.folder
        return
    with cache.scratch(folder) as scratch:
        for name, path in files.items():
            copy = scratch / "code" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        yield scratch / "code"


def _merge(contents: Contents, more: Mapping[str, bytes | Path], owner: str) -> None:
    clash = sorted(contents.keys() & more.keys())
    if clash:
        raise PackagingError(f"file {clash[0]!r} of {owner} is in the package already; rename one of the two")
    contents.update(more)


def _padding(size: int) -> bytes:
    """Return bytes that do not compress, the same for a size."""
    rng = random.Random(size)  # noqa: S311  # padding, not a secret
    return b"".join(rng.randbytes(min(2**20, size - at)) for at in range(0, size, 2**20))
