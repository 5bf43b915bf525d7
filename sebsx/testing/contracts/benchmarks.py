"""The contract of a benchmark: complete, reproducible, self-contained, and checked."""

from __future__ import annotations

import contextlib
import itertools
import json
import platform
import random
import re
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from sebsx.building.stages import Stages
from sebsx.contracts.sources import source_files
from sebsx.errors import UnsupportedError
from sebsx.model import Capability, FunctionConfig, Status, Target
from sebsx.running.session.staging import upload
from sebsx.testing import mutations
from sebsx.testing.contexts import context_for
from sebsx.testing.contracts import metadata
from sebsx.testing.handlers import FolderStorage, run_handler, unpack
from sebsx.testing.invoking import Answer, invoke

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.building import Packager
    from sebsx.building.stages import Stage
    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.languages import Language
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.storage import Storage
    from sebsx.model import Deployment
    from sebsx.model.meaning import Meaning
    from sebsx.plugins import Registry
    from sebsx.testing.mutations import Mutant

_SIZES = {"test", "small", "large"}
# What AWS Lambda takes unpacked, layers included (docs.aws.amazon.com, "Lambda quotas", 2026).
_ZIP_BYTES = 250 * 1024 * 1024
_SEED = 42


class BenchmarkContract:
    """Every benchmark: override the fixture `benchmark`. Its code runs, so its dependencies must be at hand.

    Attributes:
        informational: Fields of the output that `check` need not guard, such as a time of day.
        function: Which of the benchmark's functions is tested; subclass once for each.
        variant: Which of its variants.
    """

    informational: ClassVar[frozenset[str]] = frozenset()
    function: ClassVar[str] = ""
    variant: ClassVar[str] = ""

    @pytest.fixture
    def benchmark(self) -> Benchmark:
        """Return the benchmark under test."""
        raise NotImplementedError("override the fixture 'benchmark'")

    @pytest.fixture
    def mutants(self) -> Sequence[Mutant]:
        """Return functions that do the work wrong, each of which the check must notice."""
        return ()

    @pytest.fixture
    def storage(self, benchmark: Benchmark, tmp_path: Path) -> Storage | None:
        """Return storage if the benchmark needs it."""
        needs = benchmark.demands(self.function, self.variant).needs
        return FolderStorage(tmp_path / "storage") if Capability.STORAGE in needs else None

    @pytest.fixture
    def stage(self, benchmark: Benchmark, sebsx_packager: Packager, sebsx_registry: Registry) -> Stage | None:
        """Return what the benchmark's `build` makes for this machine; None where it makes nothing."""
        parameters = benchmark.resolve(_smallest(benchmark), {})
        return sebsx_packager.stage(benchmark, parameters, _target(sebsx_registry), self.function, self.variant)

    @pytest.fixture
    def package_root(
        self,
        benchmark: Benchmark,
        stage: Stage | None,
        sebsx_registry: Registry,
        sebsx_packager: Packager,
        tmp_path: Path,
    ) -> Path:
        """Return the benchmark's package for this machine, unpacked."""
        if "python" not in benchmark.languages:
            pytest.skip(f"benchmark {benchmark.name!r} has no code in python")
        package = sebsx_packager.build(
            benchmark,
            sebsx_registry.get("languages", "python")(),
            _target(sebsx_registry),
            function=self.function,
            variant=self.variant,
            files=stage.packaged if stage else None,
        )
        assert package.unpacked_bytes < _ZIP_BYTES, "too large for a zip of AWS Lambda"
        return unpack(package, tmp_path / "package")

    @pytest.fixture
    def payload(self, benchmark: Benchmark, storage: Storage | None, stage: Stage | None) -> dict[str, Any]:
        """Return the input of the smallest size."""
        return self._payload(benchmark, storage, stage)

    def _payload(self, benchmark: Benchmark, storage: Storage | None, stage: Stage | None) -> dict[str, Any]:
        part = benchmark.function(self.function)
        return benchmark.payload(
            benchmark.resolve(_smallest(benchmark), {}),
            random.Random(_SEED),  # noqa: S311  # seeded by intent
            storage,
            function=part.name if part else "",
            variant=self.variant,
            artifacts=upload(stage, storage, benchmark),
        )

    @pytest.fixture
    def output(self, package_root: Path, payload: dict[str, Any], tmp_path: Path) -> Any:
        """Return what the handler answers to it."""
        return run_handler(package_root, payload, tmp_path / "storage")

    def test_manifest_is_complete(self, benchmark: Benchmark) -> None:
        metadata.check_words(benchmark)
        for key in ("version", "category", "source", "licence"):
            assert getattr(benchmark, key), f"{key!r} is missing in the manifest"
        assert benchmark.languages
        for name, parameter in benchmark.parameters.items():
            assert parameter.help, f"parameter {name!r} has no help"
        if benchmark.parameters:
            assert benchmark.sizes.keys() >= _SIZES, f"sizes are {', '.join(benchmark.sizes)}"
        assert benchmark.expect.keys() <= benchmark.sizes.keys()
        for language in benchmark.languages:
            for function in benchmark.functions or [""]:
                assert benchmark.code(language, function).files()

    def test_requirements_are_pinned(self, benchmark: Benchmark) -> None:
        for file in (path for path in source_files(benchmark.root) if path.match("requirements*.txt")):
            for line in file.read_text(encoding="utf-8").splitlines():
                text = line.partition("#")[0].strip()
                assert not text or text.startswith("-r ") or re.match(r"[\w.\[\],-]+==[\w.!+]+(\s*;.*)?$", text), line

    def test_payload_is_the_same_for_a_seed_and_is_json(
        self, benchmark: Benchmark, storage: Storage | None, stage: Stage | None
    ) -> None:
        first = self._payload(benchmark, storage, stage)
        objects = _objects(storage)
        assert json.loads(json.dumps(first, allow_nan=False)) == first
        assert self._payload(benchmark, storage, stage) == first
        assert _objects(storage) == objects

    def test_output_is_right_in_each_language_with_the_default_memory(
        self, benchmark: Benchmark, sebsx_registry: Registry, sebsx_packager: Packager, tmp_path: Path
    ) -> None:
        """On the platform that needs no account, where the bootstrap of each language runs."""
        missing = []
        with self._platform(benchmark, sebsx_registry, tmp_path) as (platform, storage):
            for language in benchmark.languages:
                try:
                    payload, answer = self._answered(
                        benchmark, sebsx_registry.get("languages", language)(), platform, storage, sebsx_packager
                    )
                except UnsupportedError as exc:
                    missing.append(str(exc))
                    continue
                assert answer.status is Status.OK, f"{language}: {answer.envelope or answer.reply.body!r}"
                assert benchmark.check(payload, answer.output, storage) is None, language
                _check_meaning(benchmark.meaning_of(self.function), answer, language)
                if language != "python":  # whose output a test of its own breaks
                    self._check_catches(benchmark, payload, answer.output, storage, language)
        if missing:
            pytest.skip("; ".join(missing))

    def test_work_done_wrong_is_caught(
        self,
        benchmark: Benchmark,
        mutants: Sequence[Mutant],
        sebsx_registry: Registry,
        sebsx_packager: Packager,
        tmp_path: Path,
    ) -> None:
        if not mutants:
            return
        with self._platform(benchmark, sebsx_registry, tmp_path) as (platform, storage):
            for number, mutant in enumerate(mutants):
                mutated = mutant.of(benchmark, tmp_path / f"mutant-{number}")
                language = sebsx_registry.get("languages", mutant.language)()
                payload, answer = self._answered(mutated, language, platform, storage, sebsx_packager)
                assert answer.status is Status.OK, f"{mutant.what}: {answer.envelope or answer.reply.body!r}"
                assert benchmark.check(payload, answer.output, storage), f"check takes for right: {mutant.what}"

    @contextlib.contextmanager
    def _platform(
        self, benchmark: Benchmark, registry: Registry, folder: Path
    ) -> Iterator[tuple[Platform[Any], Storage | None]]:
        """Yield the platform that needs no account, with its storage if the benchmark needs it."""
        cls = next(cls for cls in registry.platforms.values() if cls.default)
        with cls(cls.Settings(), context_for(cls, folder / "platform")) as platform:
            needs = benchmark.demands(self.function, self.variant).needs
            if not needs <= platform.capabilities:
                pytest.skip(f"platform {platform.name!r} has not what {benchmark.name!r} needs")
            yield platform, platform.storage() if Capability.STORAGE in needs else None

    def _answered(
        self,
        benchmark: Benchmark,
        language: Language,
        platform: Platform[Any],
        storage: Storage | None,
        packager: Packager,
    ) -> tuple[dict[str, Any], Answer]:
        """Return the payload of the smallest size, and what the function answers to it.

        Raises:
            UnsupportedError: If the platform cannot run the language.
        """
        target = platform.target(language.name, platform.architectures[0])
        parameters = benchmark.resolve(_smallest(benchmark), {})
        stage = packager.stage(benchmark, parameters, target, self.function, self.variant)
        deployment = self._deploy(platform, benchmark, language, target, packager, stage)
        payload = self._payload(benchmark, storage, stage)
        return payload, invoke(platform, deployment, payload)

    def test_output_of_a_bare_interpreter_is_right_and_a_wrong_one_is_caught(
        self, benchmark: Benchmark, payload: dict[str, Any], output: Any, storage: Storage | None
    ) -> None:
        assert isinstance(output, dict), "a handler returns a dict, so that every figure in it has a name"
        assert benchmark.check(payload, output, storage) is None
        self._check_catches(benchmark, payload, output, storage, "python")

    def _check_catches(
        self, benchmark: Benchmark, payload: dict[str, Any], output: Any, storage: Storage | None, language: str
    ) -> None:
        """Break a right output: in shape, by missing fields, and by other values of each.

        A check may allow some tolerance: of each field's other values at least one must be caught.
        """
        for shape in mutations.wrong_shapes():
            assert benchmark.check(payload, shape, storage), f"{language}: check takes {shape!r} for right"
        for field in output.keys() - self.informational:
            for broken in (mutations.without(output, field), output | {field: None}):
                assert benchmark.check(payload, broken, storage), f"{language}: check does not miss {field!r}"
            caught = [benchmark.check(payload, broken, storage) for broken in mutations.changed(output, field)]
            assert any(caught), f"{language}: check takes any value of {field!r} for right"

    def test_sizes_differ_and_grow(self, benchmark: Benchmark) -> None:
        if not benchmark.parameters:
            return  # one size is all it can have
        resolved = [benchmark.resolve(size, {}) for size in ("test", "small", "large")]
        assert resolved[0] != resolved[1] != resolved[2]
        numbers = [[value for value in values.values() if _is_number(value)] for values in resolved]
        for smaller, larger in itertools.pairwise(numbers):
            assert any(a < b for a, b in zip(smaller, larger, strict=True)), "no parameter grows with the size"
        expected = [benchmark.expect[size] for size in ("test", "small", "large") if size in benchmark.expect]
        assert expected == sorted(expected)

    def test_defaults_are_usable(self, benchmark: Benchmark) -> None:
        asked = benchmark.demands(self.function, self.variant)
        assert 32 <= asked.memory_mib <= 10240
        assert all(seconds < asked.timeout_s for seconds in benchmark.expect.values())

    def test_what_is_built_is_the_same_each_time(
        self, benchmark: Benchmark, stage: Stage | None, sebsx_registry: Registry, tmp_path: Path
    ) -> None:
        if stage is None:
            return
        parameters = benchmark.resolve(_smallest(benchmark), {})
        again = Stages(tmp_path / "again").of(
            benchmark, parameters, _target(sebsx_registry), self.function, self.variant
        )
        assert again is not None
        assert again.digests == stage.digests

    def _deploy(
        self,
        platform: Platform[Any],
        benchmark: Benchmark,
        language: Language,
        target: Target,
        packager: Packager,
        stage: Stage | None,
    ) -> Deployment:
        package = packager.build(
            benchmark,
            language,
            target,
            function=self.function,
            variant=self.variant,
            platform=platform,
            files=stage.packaged if stage else None,
        )
        asked = benchmark.demands(self.function, self.variant)
        name = f"{benchmark.name}-{language.name}"
        return platform.deploy(
            package,
            FunctionConfig(
                name, memory_mib=asked.memory_mib, timeout_s=asked.timeout_s, architecture=target.architecture
            ),
        )


def _check_meaning(meaning: Meaning, answer: Answer, language: str) -> None:
    """Hold that an answer marks the phases of its named work, one after the other, and tells its facts."""
    told = (answer.envelope or {})["sebsx"]
    assert meaning.fault(told["samples"], answer.output) is None, language
    over = meaning.subject_s(told["samples"]) - told["duration_s"]
    assert over <= 1e-3, f"{language}: the phases under 'subject' overlap: they take {over} s more than the handler"


def _target(registry: Registry) -> Target:
    """Return what Python on this machine is."""
    machine = {"x86_64": "x86_64", "amd64": "x86_64"}.get(platform.machine().lower(), "arm64")
    return Target("python", registry.get("languages", "python")().host_version(), architecture=machine)


def _smallest(benchmark: Benchmark) -> str:
    return "test" if "test" in benchmark.sizes else next(iter(benchmark.sizes))


def _objects(storage: Storage | None) -> Mapping[str, bytes]:
    return {key: storage.get(key) for key in storage.keys()} if storage else {}  # noqa: SIM118  # no mapping


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
