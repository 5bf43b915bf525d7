"""Makes functions ready to be called, by deploying them or by adopting what exists, and tears them down."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import secrets
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.contracts.functions import Function, FunctionSource
from sebsx.errors import DeployError, PluginError, UnsupportedError
from sebsx.model import Capability, FunctionConfig, content_hash
from sebsx.running.environment import source_of
from sebsx.running.session import staging
from sebsx.sending.roundtrip import round_trip_s
from sebsx.system.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.functions import FunctionSpec
    from sebsx.contracts.observers import Observer
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.scene import Scene
    from sebsx.model import Adoption, Package, Run
    from sebsx.running.session.building import Builder
    from sebsx.store import Store

logger = logging.getLogger(__name__)


def round_trip_to(function: Function) -> float | None:
    """Return how far away a function is, None for one without an address."""
    endpoint = function.deployment.endpoint
    return round_trip_s(endpoint) if endpoint else None


def rng_for(run: Run, *purpose: object) -> random.Random:
    """Return a generator for one purpose: the same for a seed, whatever was drawn or interrupted before."""
    return random.Random("/".join(map(str, (run.seed, *purpose))))  # noqa: S311  # a seeded design


class Deployer:
    """Deploys and adopts functions, stores each with what it is called with, and knows which are still there.

    Args:
        run: The run as stored.
        store: Where deployments are written down, those that failed as well.
        scene: The platforms, opened, and the benchmarks.
        builder: Builds packages.
        observer: Hears of deployments and teardowns.
    """

    def __init__(self, run: Run, store: Store, scene: Scene, builder: Builder, observer: Observer) -> None:
        self._run = run
        self._store = store
        self._scene = scene
        self._builder = builder
        self._observer = observer
        self._live: dict[int, Function] = {}
        self._ready_s: dict[int, float] = {}  # since when each is there, by the monotonic clock
        self._sources: dict[str, str] = {}  # where others find the code of a benchmark, by its digest
        self._tried = 0
        # A run that is resumed must not meet the names that its killed process took.
        self._token = secrets.token_hex(2)

    def close(self) -> None:
        """Tear down what is still there. A second call is harmless."""
        for function in list(self._live.values()):
            self.teardown(function)

    def label_of(self, spec: FunctionSpec) -> str:
        """Return how messages call a function: its benchmark by name, where the spec has the path of a folder."""
        return _label(spec, self._scene.benchmark(spec.benchmark))

    def deploy(self, spec: FunctionSpec) -> Function:
        """Build a function, deploy it and return it with the input of its benchmark.

        Raises:
            UnsupportedError: If the platform cannot do it; that is stored.
            DeployError: If the platform would not; that is stored.
            PluginError: If a plugin fails, the platform or the benchmark; that is stored.
        """
        platform, benchmark = self._scene.platforms[spec.platform], self._scene.benchmark(spec.benchmark)
        parameters = benchmark.resolve(spec.size, dict(spec.parameters))
        label = _label(spec, benchmark)
        run = self._run.id
        config = FunctionConfig(
            name=f"sebsx-{run[-8:].lower()}-{benchmark.name}-{spec.memory_mib}-{self._tried}-{self._token}",
            memory_mib=spec.memory_mib,
            timeout_s=spec.timeout_s,
            architecture=spec.architecture,
            options=dict(spec.options),
        )
        described: dict[str, Any] = {
            "platform": spec.platform,
            "benchmark": benchmark.name,
            "benchmark_version": benchmark.version,
            "benchmark_sha256": benchmark.sha256,
            "language": spec.language,
            "size": spec.size,
            "parameters": parameters,
            "config": config,
        }
        self._tried += 1
        package: Package | None = None
        started_s = time.perf_counter()
        try:
            needs = benchmark.demands(spec.function, spec.variant).needs | spec.needs
            _check_needs(platform, benchmark, needs)
            described["config"] = config = platform.offered(config)
            target = platform.target(spec.language, spec.architecture)
            stage = self._builder.stage(spec, benchmark, parameters, target)
            package = self._builder.package(spec, benchmark, target, stage)
            self._observer.step(f"deploying {label}")
            started_s = time.perf_counter()
            storage = platform.storage() if Capability.STORAGE in needs else None
            source = FunctionSource(
                spec=spec, benchmark=benchmark, storage=storage, artifacts=staging.upload(stage, storage, benchmark)
            )
            if Capability.TABLE in needs:
                platform.table()
            payload, check = self._input(source, parameters, platform)
            deployment = platform.deploy(package, config)
        except (UnsupportedError, DeployError, PluginError) as exc:
            described |= {"language_version": package.target.version if package else "", "package": package}
            self._refused(described, exc, time.perf_counter() - started_s)
            raise
        described |= {"language_version": package.target.version, "package": package}
        function = Function(
            id=0,
            label=label,
            platform=platform,
            deployment=deployment,
            payload=payload,
            check=check,
            source=source,
            meaning=benchmark.meaning_of(spec.function),
        )
        deploy_s, ready_s = time.perf_counter() - started_s, time.monotonic()
        away_s, told = round_trip_to(function), self._source(benchmark)
        with self._store.together():
            self._mention(package)
            function = self._ready(function, described, deploy_s, ready_s)
            self.record_round_trip(function, away_s)
            self.record_input(function)
            self._record_text("client.source", told, function)
        if stage is not None:
            staging.record(stage, self._store, self._run.id, function.id)
        return function

    def adopt(self, adoption: Adoption) -> Function:
        """Take a function that exists; what the platform says of it stands where a benchmark's manifest would.

        It is called with nothing until it is `given` an input.

        Raises:
            UnsupportedError: If the platform cannot do it; that is stored.
            DeployError: If the platform would not; that is stored.
            PluginError: If a plugin fails, the platform or the benchmark; that is stored.
        """
        platform = self._scene.platforms[adoption.platform]
        described: dict[str, Any] = {
            "platform": adoption.platform, "benchmark": adoption.subject, "size": "", "parameters": {}, "package": None,
        }  # fmt: skip
        self._observer.step(f"taking {adoption.label}")
        started_s = time.perf_counter()
        try:
            deployment = platform.adopt(adoption)
        except (UnsupportedError, DeployError, PluginError) as exc:
            described |= {"config": adoption.config, **_code_of(adoption, {})}
            self._refused(described, exc, time.perf_counter() - started_s)
            raise
        described |= {"config": deployment.config, **_code_of(adoption, deployment.effective)}
        for note in deployment.effective.get("notes", ()):
            self._observer.warned(f"{adoption.label}: {note}")
        function = Function(
            id=0,
            label=adoption.label,
            platform=platform,
            deployment=deployment,
            payload=b"",
            check=lambda _output: None,
        )
        deploy_s, ready_s = time.perf_counter() - started_s, time.monotonic()
        away_s = round_trip_to(function)
        with self._store.together():
            function = self._ready(function, described, deploy_s, ready_s)
            self.record_round_trip(function, away_s)
        return function

    def called(self, function: Function, parameters: Mapping[str, Any]) -> Function:
        """Return the same deployment called with other input.

        Args:
            function: The deployment.
            parameters: Of the benchmark, on top of those it was deployed with.

        Raises:
            UnsupportedError: If the platform does not take so large a payload.
            UserError: If it was not deployed from a benchmark.
        """
        source = function.known_source()
        values = source.benchmark.resolve(source.spec.size, {**dict(source.spec.parameters), **parameters})
        return function.given(*self._input(source, values, function.platform))

    def record_input(self, function: Function, cell_id: int | None = None) -> None:
        """Store what a function, or it in one cell, is called with."""
        told = {"sha256": hashlib.sha256(function.payload).hexdigest(), "bytes": len(function.payload)}
        self._record_text("client.input", json.dumps(told), function, cell_id)

    def record_round_trip(self, function: Function, seconds: float | None) -> None:
        """Store how far away a function is: before it is measured and after."""
        if seconds is not None:
            self._store.add_value(self._run.id, "client.round_trip_s", seconds, deployment_id=function.id)

    def teardown(self, function: Function) -> float:
        """Tear down one function and return for how many seconds it was there, 0 if it is gone already.

        Trouble is told and left to `sebsx clean`, the results are safe.
        """
        if self._live.pop(function.id, None) is None:
            return 0.0
        deployment = function.deployment
        self._observer.step(f"tearing down {function.label}")
        with interrupts.shielded():
            try:
                (function.platform.release if deployment.adopted else function.platform.teardown)(deployment)
            except Exception as exc:
                logger.info("teardown of %s failed", deployment.id, exc_info=True)
                self._observer.warned(f"{deployment.id} could not be torn down: {exc} (sebsx clean)")
            else:
                self._store.design.update_deployment(function.id, status="deleted")
        return time.monotonic() - self._ready_s.pop(function.id)

    def _input(
        self, source: FunctionSource, parameters: Mapping[str, Any], platform: Platform[Any]
    ) -> tuple[bytes, Callable[[Any], str | None]]:
        """Return a payload and what checks its output; the same for a seed, whatever was deployed before."""
        benchmark, size = source.benchmark, source.spec.size
        rng = rng_for(self._run, benchmark.name, size)
        spec = source.spec
        part = benchmark.function(spec.function)
        named = {"function": part.name if part else "", "variant": spec.variant}
        more = {**named, "artifacts": dict(source.artifacts)}
        event = benchmark.payload(parameters, rng, source.storage, **more)
        payload = source.encode(event)
        if len(payload) > platform.payload_bytes:
            raise UnsupportedError(
                f"payload of {benchmark.name!r} at size {size!r} is {len(payload)} bytes; "
                f"platform {platform.name!r} takes at most {platform.payload_bytes}"
            )
        return payload, partial(source.check, event)

    def _ready(self, function: Function, described: Mapping[str, Any], deploy_s: float, ready_s: float) -> Function:
        """Store a function that is ready, with what its invocations cost, and remember that it is there."""
        deployment, package = function.deployment, described["package"]
        deployed_sha256 = deployment.deployed_sha256 or (package.sha256 if package else None)
        identifier = self._store.design.add_deployment(
            self._run.id,
            **described,
            deployment=deployment,
            status="ready",
            error=None,
            deploy_s=deploy_s,
            deployed_sha256=deployed_sha256,
        )
        self._live[identifier] = function = replace(function, id=identifier)
        self._ready_s[identifier] = ready_s
        if book := function.platform.context.prices.book_of(function.platform, deployment):
            self._record_text("price_book", json.dumps(book, sort_keys=True), function)
        return function

    def _refused(self, described: Mapping[str, Any], exc: Exception, deploy_s: float) -> None:
        status = "unsupported" if isinstance(exc, UnsupportedError) else "failed"
        with self._store.together():
            self._mention(described["package"])
            self._store.design.add_deployment(
                self._run.id, **described, deployment=None, status=status, error=str(exc), deploy_s=deploy_s
            )

    def _mention(self, package: Package | None) -> None:
        """Store where the package of a deployment lies."""
        if package is not None:
            facts = {"requirements": list(package.requirements), "content_hash": package.content_hash}
            self._store.artifacts.mention(package.sha256, "package", package.bytes, package.path, facts)

    def _source(self, benchmark: Benchmark) -> str:
        """Return where others find the code of a benchmark: git, which takes 60 ms, is asked once for each digest."""
        if benchmark.sha256 not in self._sources:
            self._sources[benchmark.sha256] = json.dumps(source_of(benchmark, self._scene.registry))
        return self._sources[benchmark.sha256]

    def _record_text(self, metric: str, text: str, function: Function, cell_id: int | None = None) -> None:
        self._store.add_value(self._run.id, metric, None, deployment_id=function.id, cell_id=cell_id, text=text)


def _code_of(adoption: Adoption, told: Mapping[str, Any]) -> dict[str, str]:
    """Return what is stored of code that is not ours: its identity, or that of its name where nobody tells it."""
    return {
        "benchmark_version": str(told.get("version", "")),
        "benchmark_sha256": str(told.get("code_sha256") or content_hash([adoption.platform, adoption.subject])),
        "language": str(told.get("language", "")),
        "language_version": str(told.get("language_version", "")),
    }


def _label(spec: FunctionSpec, benchmark: Benchmark) -> str:
    return replace(spec, benchmark=benchmark.name).label


def _check_needs(platform: Platform[Any], benchmark: Benchmark, needs: frozenset[Capability]) -> None:
    missing = sorted(needs - platform.capabilities)
    if missing:
        raise UnsupportedError(f"benchmark {benchmark.name!r} needs {', '.join(missing)}; {platform.name!r} has none")
