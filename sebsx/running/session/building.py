"""Builds the packages of a run: each when its function is deployed, or many ahead, several at a time."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.building.tools import end_tools
from sebsx.errors import DeployError, PluginError, SebsxError, UnsupportedError
from sebsx.model import Package
from sebsx.system.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sebsx.building import Packager
    from sebsx.building.stages import Stage
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.functions import FunctionSpec
    from sebsx.contracts.observers import Observer
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.model import Target

logger = logging.getLogger(__name__)

_AT_ONCE = 2 * (os.cpu_count() or 1)  # a build waits for the network half of the time
_PAUSE_S = 0.05

_Built = Package | SebsxError


class Builder:
    """Builds packages, and hands out what was built ahead.

    Args:
        scene: The platforms, opened, and the benchmarks.
        packager: Builds packages.
        collectors: Names of the collectors to ship.
        observer: Hears of builds.
    """

    def __init__(self, scene: Scene, packager: Packager, collectors: Sequence[str], observer: Observer) -> None:
        self._scene = scene
        self._packager = packager
        self._collectors = collectors
        self._observer = observer
        self._ahead: dict[FunctionSpec, _Built] = {}

    def stage(
        self, spec: FunctionSpec, benchmark: Benchmark, parameters: Mapping[str, Any], target: Target
    ) -> Stage | None:
        """Return what a benchmark makes on the driver before it is deployed; None where it makes nothing."""
        if benchmark.builds:
            label = replace(spec, benchmark=benchmark.name).label
            self._observer.step(f"building the artifacts of {label}")
        return self._packager.stage(benchmark, parameters, target, spec.function, spec.variant)

    def package(self, spec: FunctionSpec, benchmark: Benchmark, target: Target, stage: Stage | None) -> Package:
        """Return the package of a function, built now or ahead.

        Raises:
            UnsupportedError: If that came of building it ahead.
            DeployError: If it could not be built ahead, while others could.
            PluginError: If a plugin fails.
            UserError: If it cannot be built now.
        """
        ahead = self._ahead.get(_built_of(spec))
        if isinstance(ahead, (UnsupportedError, DeployError, PluginError)):
            raise ahead
        if isinstance(ahead, SebsxError):
            raise DeployError(str(ahead)) from ahead
        if ahead is not None and ahead.path.exists():
            del self._ahead[_built_of(spec)]  # what is deployed of it next finds it in the cache
            return ahead
        self._observer.step(f"building {benchmark.name} for {target.language} {target.version} {target.architecture}")
        return self._build_of(spec, benchmark, target, stage)()

    def build_ahead(self, specs: Iterable[FunctionSpec]) -> None:
        """Build all packages of some functions that are not built yet, and let their platforms prepare them.

        One that cannot be built is told when its function is deployed.

        Raises:
            SebsxError: If none of several can be built: what the first one said.
            KeyboardInterrupt: When every program that it started has ended.
        """
        known = dict.fromkeys(map(_built_of, specs))
        if len(known) < 2:
            return
        builds: dict[FunctionSpec, Callable[[], Package]] = {}
        for spec in known:
            try:
                builds[spec] = self._planned(spec)
            except SebsxError as exc:
                self._ahead[spec] = exc
        self._ahead |= _at_once(builds, lambda done: self._observer.step(f"built {done} of {len(known)} packages"))
        failures = [built for built in map(self._ahead.get, known) if isinstance(built, SebsxError)]
        if len(failures) == len(known):
            raise failures[0]

    def _planned(self, spec: FunctionSpec) -> Callable[[], Package]:
        """Return what builds a package; what runs code of the benchmark has then run, in this thread."""
        platform, benchmark = self._scene.platforms[spec.platform], self._scene.benchmark(spec.benchmark)
        target = platform.target(spec.language, spec.architecture)
        stage = self.stage(spec, benchmark, benchmark.resolve(spec.size, dict(spec.parameters)), target)
        return partial(_prepared, platform, self._build_of(spec, benchmark, target, stage))

    def _build_of(
        self, spec: FunctionSpec, benchmark: Benchmark, target: Target, stage: Stage | None
    ) -> Callable[[], Package]:
        registry = self._scene.registry
        sources = {name: registry.get("collectors", name)().source(spec.language) for name in self._collectors}
        return partial(
            self._packager.build,
            benchmark,
            registry.get("languages", spec.language)(),
            target,
            function=spec.function,
            variant=spec.variant,
            platform=self._scene.platforms[spec.platform],
            files={**(stage.packaged if stage else {}), **dict(spec.files)},
            collectors={name: source for name, source in sources.items() if source is not None},
            padding_bytes=spec.padding_bytes,
        )


def _built_of(spec: FunctionSpec) -> FunctionSpec:
    """Return the same spec without what no package depends on."""
    return replace(spec, memory_mib=0, timeout_s=0.0, options=(), needs=frozenset())


def _prepared(platform: Platform[Any], build: Callable[[], Package]) -> Package:
    package = build()
    try:
        platform.prepare(package)
    except SebsxError:  # the deployment does it again, and says what is wrong
        logger.info("package of %s could not be prepared", package.benchmark, exc_info=True)
    return package


def _at_once(
    builds: Mapping[FunctionSpec, Callable[[], Package]], told: Callable[[int], None]
) -> dict[FunctionSpec, _Built]:
    """Do builds in threads, and return what came of each."""
    found: dict[FunctionSpec, _Built] = {}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="build") as threads:
        futures = {threads.submit(build): spec for spec, build in builds.items()}
        try:
            for future in as_completed(futures):
                try:
                    found[futures[future]] = future.result()
                except SebsxError as exc:
                    found[futures[future]] = exc
                told(len(found))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            with interrupts.shielded(swallow=True):
                while wait(futures, _PAUSE_S).not_done:
                    end_tools()
            raise
    return found
