"""Numbered steps fitted to a platform: which values of a benchmark's parameter give which run time there.

Whoever measures them saves one small TOML file per platform, memory size and benchmark into the user's data folder;
`calibrated` gives a benchmark the steps of that file. One calibration serves every architecture of a platform,
so that a step is the same work on each.
"""

from __future__ import annotations

import json
import logging
import tomllib
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from sebsx.contracts.parameters import Steps
from sebsx.errors import UserError
from sebsx.system.folders import data_folder, has_home

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sebsx.contracts.benchmarks import Benchmark

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Steps of a benchmark as measured on a platform with so much memory.

    Args:
        benchmark: Its name.
        benchmark_version: Its version; results of another are not comparable.
        platform: Where it was measured.
        memory_mib: With how much memory.
        architecture: On which architecture.
        parameter: What the steps set.
        first: Its value at step 1.
        last: Its value at the last step.
        count: How many steps there are.
        growth: Exponent by which work grows with the parameter.
        first_s: Run time measured at step 1.
        last_s: Run time measured at the last step.
        r2: Of the line through all that was measured.
        run: Id of the run that measured it.
    """

    benchmark: str
    benchmark_version: str
    platform: str
    memory_mib: int
    architecture: str
    parameter: str
    first: float
    last: float
    count: int
    growth: float
    first_s: float
    last_s: float
    r2: float
    run: str

    @property
    def steps(self) -> Steps:
        """The steps."""
        return Steps(self.parameter, first=self.first, last=self.last, count=self.count, growth=self.growth)

    def expected_s(self, step: int) -> float:
        """Return the run time that a step should have."""
        return self.first_s + (self.last_s - self.first_s) * (step - 1) / (self.count - 1)


def save(calibration: Calibration) -> Path:
    """Write a calibration, replacing an older one of the same platform, memory and benchmark; return the file."""
    path = _path(calibration.platform, calibration.memory_mib, calibration.benchmark)
    lines = [f"{name} = {json.dumps(value)}" for name, value in asdict(calibration).items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as exc:
        raise UserError(f"calibration cannot be written: {exc}") from exc
    return path


def find(benchmark: Benchmark, platform: str, memory_mib: int) -> Calibration | None:
    """Return the calibration of a benchmark on a platform with so much memory, or None.

    Raises:
        UserError: If its file cannot be read.
    """
    if not has_home():
        return None
    path = _path(platform, memory_mib, benchmark.name)
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
        found = Calibration(**{item.name: stored[item.name] for item in fields(Calibration)})
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as exc:
        raise UserError(f"calibration {str(path)!r} cannot be read: {exc}; calibrate again or remove it") from exc
    if benchmark.steps is None or (found.benchmark_version, found.parameter) != (
        benchmark.version,
        benchmark.steps.parameter,
    ):
        logger.warning(
            "%s is of another version of benchmark %r and is not used; calibrate again", path, found.benchmark
        )
        return None
    return found


def calibrated(benchmark: Benchmark, size: str, platform: str, memory_mib: int) -> Benchmark:
    """Return the benchmark with the steps, and times, calibrated for a platform and memory size; or as it is.

    Named sizes and benchmarks without steps are never touched.
    """
    if size in benchmark.sizes or benchmark.steps is None or size not in benchmark.steps:
        return benchmark
    found = find(benchmark, platform, memory_mib)
    if found is None:
        return benchmark
    return replace(benchmark, steps=found.steps, expect={**benchmark.expect, size: found.expected_s(int(size))})


def spelt_out(benchmark: Benchmark, fitted: Benchmark, size: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a cell names, by name: those given, and that of a calibrated step.

    A calibrated step is spelt out, so that it is seen in the design and another calibration is another cell.

    Args:
        benchmark: As it came.
        fitted: The same as it is `calibrated`.
        size: Name of the size or number of the step.
        given: What the user set.

    Raises:
        UserError: If there is no such size or parameter, or a value does not fit.
    """
    values = fitted.resolve(size, given)
    names = {*given, *((fitted.steps.parameter,) if fitted.steps and fitted is not benchmark else ())}
    return {name: values[name] for name in sorted(names)}


def _path(platform: str, memory_mib: int, benchmark: str) -> Path:
    return data_folder() / "calibrations" / platform / f"{benchmark}-{memory_mib}.toml"
