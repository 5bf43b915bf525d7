"""The contract of a benchmark: a folder with `benchmark.toml`, `benchmark.py` and one folder of code per language.

    thumbnailer/
        benchmark.toml          name, version, summary, defaults, needs, parameters, sizes, source, licence
        benchmark.py            payload(parameters, rng, storage) and check(payload, output, storage)
        python/function.py      handler(event, context) -> dict
        python/requirements.txt pinned

A user's own folder with these files is a benchmark too: `sebsx run benchmark ./thumbnailer`. Of the two
functions in `benchmark.py`, both optional:

    def payload(parameters, rng, storage):      # -> JSON-able dict; `storage` is None unless needed
    def check(payload, output, storage):        # -> None if right, or a string that says what is wrong
"""

from __future__ import annotations

import hashlib
import importlib.util
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.errors import SebsxError, UnknownNameError, UserError
from sebsx.model import Capability
from sebsx.settings import parse

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import ModuleType

    from sebsx.contracts.storage import Storage

MANIFEST = "benchmark.toml"
DEFAULT_SIZE = "small"
# A group `suite:NAME` makes a benchmark a member of the suite NAME; this one is of every benchmark there is.
SUITE_PREFIX = "suite:"
EVERY = "all"
IGNORED_PARTS = frozenset(
    {"__pycache__", "node_modules", ".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
)
_TYPES: dict[str, Any] = {"int": int, "float": float, "str": str, "bool": bool}
_REQUIRED = ("name", "version", "summary")
_KNOWN = frozenset({
    *_REQUIRED, "category", "groups", "source", "licence", "needs", "defaults", "languages", "parameters", "sizes",
    "steps", "expect", "external_binary",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a benchmark: its type, default, range and help."""

    name: str
    type: str
    default: Any
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None

    def parse(self, value: Any, where: str) -> Any:
        """Return `value` in the parameter's type.

        Raises:
            UserError: If it has the wrong type or is out of range; the message names `where`.
        """
        try:
            parsed = parse(value, _TYPES[self.type])
        except ValueError as exc:
            raise UserError(f"parameter {self.name!r} of {where} is {value!r}: {exc}") from exc
        if self.minimum is not None and parsed < self.minimum:
            raise UserError(f"parameter {self.name!r} of {where} is {value!r}: must be at least {self.minimum}")
        if self.maximum is not None and parsed > self.maximum:
            raise UserError(f"parameter {self.name!r} of {where} is {value!r}: must be at most {self.maximum}")
        return parsed


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbered sizes `1..count` of one parameter, chosen so that the work grows in equal steps.

    Args:
        parameter: Name of the parameter that a step sets.
        first: Its value at step 1.
        last: Its value at the last step.
        count: How many steps there are.
        growth: Exponent by which work grows with the parameter: work is proportional to `value ** growth`.
    """

    parameter: str
    first: float
    last: float
    count: int = 40
    growth: float = 1.0

    def value(self, step: int) -> float:
        """Return the parameter's value at a step from 1 to `count`."""
        low, high = self.first**self.growth, self.last**self.growth
        return float((low + (high - low) * (step - 1) / (self.count - 1)) ** (1 / self.growth))

    def __contains__(self, size: str) -> bool:
        return size.isdecimal() and 1 <= int(size) <= self.count


@dataclass(frozen=True)
class Benchmark:
    """What runs: a manifest, the driver's side of it, and code in one or more languages.

    Args:
        root: Its folder.
        name: What a user types.
        version: Changes whenever results of it stop being comparable.
        summary: One line.
        category: `web`, `multimedia`, `micro`, ...
        groups: Free labels (`suite:default` makes it part of the default suite).
        source: Where the workload comes from.
        licence: Licence of code and inputs.
        needs: Capabilities it asks of a platform.
        memory_mib: Provisioned memory that suffices for every size.
        timeout_s: Default time-out.
        languages: Language -> handler, `module.function`.
        parameters: By name.
        sizes: Size -> parameter values.
        steps: Numbered sizes beside the named ones; None where the work does not scale so.
        external_binary: Whether the work is done by a program of its own, whose time is a child's.
        expect: Size -> rough duration of one call in seconds, for plans.
    """

    root: Path
    name: str
    version: str
    summary: str
    category: str = "own"
    groups: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    needs: frozenset[Capability] = frozenset()
    memory_mib: int = 256
    timeout_s: float = 60.0
    languages: Mapping[str, str] = field(default_factory=lambda: {"python": "function.handler"})
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    steps: Steps | None = None
    external_binary: bool = False
    expect: Mapping[str, float] = field(default_factory=dict)

    def unsuitable(self, size: str, language: str, capabilities: Iterable[Capability]) -> str | None:
        """Return why it cannot run so, or None: it lacks the size or the language, or needs what is not offered.

        Args:
            size: A name or a step; empty for its own default.
            language: What its code must be in.
            capabilities: What the platform offers.
        """
        if size and size not in self.sizes and (self.steps is None or size not in self.steps):
            return f"no size {size!r}"
        if language not in self.languages:
            return f"no code in {language!r}"
        missing = sorted(need.value for need in self.needs - frozenset(capabilities))
        return f"needs {', '.join(missing)}" if missing else None

    @property
    def default_size(self) -> str:
        """The size meant when none is named: `small`, or the first where there is no `small`."""
        return DEFAULT_SIZE if DEFAULT_SIZE in self.sizes else next(iter(self.sizes))

    def code(self, language: str) -> Path:
        """Return the folder of its code in a language.

        Raises:
            UserError: If it has none.
        """
        if language not in self.languages:
            raise UserError(
                f"benchmark {self.name!r} has no code in {language!r}; it has {', '.join(sorted(self.languages))}"
            )
        return self.root / language

    def resolve(self, size: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameter values of a size with the user's own on top.

        Raises:
            UnknownNameError: If size or parameter does not exist.
            UserError: If a value has the wrong type or is out of range.
        """
        values = {name: parameter.default for name, parameter in self.parameters.items()}
        if size in self.sizes:
            values.update(self.sizes[size])
        elif self.steps is not None and size in self.steps:
            parameter, value = self.parameters[self.steps.parameter], self.steps.value(int(size))
            values[parameter.name] = round(value) if parameter.type == "int" else value
        else:
            words = [*self.sizes, *([f"1..{self.steps.count}"] if self.steps else [])]
            raise UnknownNameError(f"size of benchmark {self.name!r}", size, self.sizes, f"has {', '.join(words)}")
        for name, value in overrides.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "no parameters"
                raise UnknownNameError(f"parameter of benchmark {self.name!r}", name, self.parameters, f"has {known}")
            values[name] = self.parameters[name].parse(value, f"benchmark {self.name!r}")
        return values

    def payload(self, parameters: Mapping[str, Any], rng: random.Random, storage: Storage | None) -> dict[str, Any]:
        """Return the input of one invocation, uploading what it refers to.

        Raises:
            UserError: If the benchmark's own code fails, in whatever way.
        """
        function = getattr(self._driver, "payload", None)
        if function is None:
            return dict(parameters)
        try:
            return dict(function(dict(parameters), rng, storage))
        except SebsxError:
            raise  # of the storage, say
        except Exception as exc:  # a user's code may fail in any way; it is told as theirs
            where = f"payload() of {str(self.root / 'benchmark.py')!r}"
            raise UserError(f"{where} failed: {type(exc).__name__}: {exc}") from exc

    def check(self, payload: Mapping[str, Any], output: Any, storage: Storage | None) -> str | None:
        """Return None if `output` is right, or what is wrong with it; that `check` fails is wrong, too."""
        function = getattr(self._driver, "check", None)
        if function is None:
            return None
        try:
            problem = function(payload, output, storage)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
            return f"output has not the expected form: {type(exc).__name__}: {exc}"
        except SebsxError:
            raise
        except Exception as exc:  # noqa: BLE001  # a user's code may fail in any way; it is a result, not the end
            return f"check failed: {type(exc).__name__}: {exc}"
        return str(problem) if problem else None

    @cached_property
    def sha256(self) -> str:
        """Digest of every file in its folder: the identity of the benchmark as run."""
        digest = hashlib.sha256()
        for path in source_files(self.root):
            digest.update(path.relative_to(self.root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    @cached_property
    def _driver(self) -> ModuleType | None:
        path = self.root / "benchmark.py"
        if not path.is_file():
            return None
        spec = importlib.util.spec_from_file_location(f"sebsx_benchmark_{self.sha256[:12]}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as exc:  # a user's file may fail in any way; it is told as theirs
            raise UserError(f"{str(path)!r} cannot be loaded: {type(exc).__name__}: {exc}") from exc
        return module


def load(root: Path) -> Benchmark:
    """Return the benchmark in a folder.

    Raises:
        UserError: If the manifest is missing or wrong; the message names the file and the key.
    """
    path = root / MANIFEST
    try:
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        trouble = f"is no benchmark: it has no {MANIFEST}" if root.is_dir() else "does not exist"
        raise UserError(f"folder {str(root)!r} {trouble}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise UserError(f"{str(path)!r} cannot be read: {exc}") from exc
    try:
        return _from_manifest(root, manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise UserError(f"{str(path)!r} is wrong: {exc}") from exc


def discover(root: Path) -> list[Path]:
    """Return the benchmark folders at any depth below `root`, sorted."""
    return sorted(path.parent for path in root.rglob(MANIFEST) if not IGNORED_PARTS & set(path.relative_to(root).parts))


def suites(known: Iterable[Benchmark]) -> dict[str, list[str]]:
    """Return the suites that the labels of some benchmarks make, and `all`: name -> members, both sorted."""
    found: dict[str, set[str]] = {EVERY: set()}
    for benchmark in known:
        labels = [group.removeprefix(SUITE_PREFIX) for group in benchmark.groups if group.startswith(SUITE_PREFIX)]
        for name in (EVERY, *labels):
            found.setdefault(name, set()).add(benchmark.name)
    return {name: sorted(found[name]) for name in sorted(found)}


def source_files(root: Path) -> list[Path]:
    """Return the files below `root` that are source, not caches or compiled, sorted by path."""
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not IGNORED_PARTS & set(path.relative_to(root).parts)
    )


def _from_manifest(root: Path, manifest: Mapping[str, Any]) -> Benchmark:
    for key in _REQUIRED:
        if not isinstance(manifest.get(key), str):
            raise UserError(f"{str(root / MANIFEST)!r} needs {key!r}, a string")
    for key in manifest:
        if key not in _KNOWN:
            raise UnknownNameError(f"key in {str(root / MANIFEST)!r}", key, _KNOWN)
    defaults = manifest.get("defaults", {})
    parameters = {
        name: Parameter(
            name, entry["type"], entry["default"], entry.get("help", ""), entry.get("minimum"), entry.get("maximum")
        )
        for name, entry in manifest.get("parameters", {}).items()
    }
    benchmark = Benchmark(
        root=root,
        name=manifest["name"],
        version=manifest["version"],
        summary=manifest["summary"],
        category=manifest.get("category", "own"),
        groups=tuple(manifest.get("groups", ())),
        source=manifest.get("source", ""),
        licence=manifest.get("licence", ""),
        needs=frozenset(Capability(need) for need in manifest.get("needs", ())),
        memory_mib=int(defaults.get("memory_mib", 256)),
        timeout_s=float(defaults.get("timeout_s", 60)),
        languages={
            language: entry.get("handler", "function.handler")
            for language, entry in manifest.get("languages", {"python": {}}).items()
        },
        parameters=parameters,
        sizes=manifest.get("sizes", {}) or {"default": {}},
        steps=Steps(**manifest["steps"]) if "steps" in manifest else None,
        external_binary=bool(manifest.get("external_binary", False)),
        expect={size: float(value) for size, value in manifest.get("expect", {}).items()},
    )
    for size in benchmark.sizes:
        benchmark.resolve(size, benchmark.sizes[size])
    if benchmark.steps is not None and benchmark.steps.parameter not in benchmark.parameters:
        known = benchmark.parameters
        raise UnknownNameError(f"parameter of [steps] in {str(root / MANIFEST)!r}", benchmark.steps.parameter, known)
    for size in benchmark.expect:
        if size not in benchmark.sizes and (benchmark.steps is None or size not in benchmark.steps):
            raise UnknownNameError(f"size under [expect] in {str(root / MANIFEST)!r}", size, benchmark.sizes)
    return benchmark
