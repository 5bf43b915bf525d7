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
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.contracts import tables
from sebsx.contracts.drivers import Driver
from sebsx.contracts.parameters import Parameter, Steps
from sebsx.contracts.sources import IGNORED_PARTS, source_files
from sebsx.errors import UnknownNameError, UserError
from sebsx.model import Capability
from sebsx.model.capabilities import CORE_CAPABILITIES

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from sebsx.contracts.storage import Storage
    from sebsx.contracts.tables import Table

MANIFEST = "benchmark.toml"
DEFAULT_SIZE = "small"
# A group `suite:NAME` makes a benchmark a member of the suite NAME; this one is of every benchmark there is.
SUITE_PREFIX = "suite:"
EVERY = "all"
HANDLER = "function.handler"


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
        missing = sorted(self.needs - frozenset(capabilities))
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
        return self._driver.payload(parameters, rng, storage)

    def check(self, payload: Mapping[str, Any], output: Any, storage: Storage | None) -> str | None:
        """Return None if `output` is right, or what is wrong with it; that `check` fails is wrong, too."""
        return self._driver.check(payload, output, storage)

    @cached_property
    def sha256(self) -> str:
        """Digest of every file in its folder: the identity of the benchmark as run."""
        digest = hashlib.sha256()
        for path in source_files(self.root):
            digest.update(path.relative_to(self.root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    @cached_property
    def _driver(self) -> Driver:
        return Driver(self.root, self.sha256)


def load(root: Path, capabilities: Collection[str] = CORE_CAPABILITIES) -> Benchmark:
    """Return the benchmark in a folder.

    Args:
        root: The folder.
        capabilities: The words that `needs` may name; those of plugins are in the registry.

    Raises:
        UserError: If the manifest is missing or wrong; the message names the file and the key.
    """
    try:
        table = tables.read(root / MANIFEST)
    except FileNotFoundError:
        trouble = f"is no benchmark: it has no {MANIFEST}" if root.is_dir() else "does not exist"
        raise UserError(f"folder {str(root)!r} {trouble}") from None
    return _read(root, table, capabilities)


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


def _read(root: Path, table: Table, capabilities: Collection[str]) -> Benchmark:
    """Return what a manifest describes, and refuse every key that it cannot have."""
    defaults, languages = table.table("defaults"), table.tables("languages")
    benchmark = Benchmark(
        root=root,
        name=table.text("name"),
        version=table.text("version"),
        summary=table.text("summary"),
        category=table.text("category", "own"),
        groups=table.words("groups"),
        source=table.text("source", ""),
        licence=table.text("licence", ""),
        needs=_needs(table, capabilities),
        memory_mib=defaults.integer("memory_mib", 256),
        timeout_s=float(defaults.number("timeout_s", 60.0, above=0)),
        languages={name: entry.text("handler", HANDLER) for name, entry in languages.items()} or {"python": HANDLER},
        parameters={name: Parameter.read(name, entry) for name, entry in table.tables("parameters").items()},
        sizes={name: _values(entry) for name, entry in table.tables("sizes").items()} or {"default": {}},
        steps=Steps.read(table.table("steps")) if "steps" in table else None,
        external_binary=table.flag("external_binary", False),
        expect=_expectations(table.table("expect")),
    )
    for entry in (table, defaults, *languages.values()):
        entry.done()
    _check_references(benchmark, root / MANIFEST)
    return benchmark


def _needs(table: Table, known: Collection[str]) -> frozenset[Capability]:
    for word in table.words("needs"):
        if word not in known:
            raise UnknownNameError(f"capability under 'needs' in {table.where}", word, known)
    return frozenset(map(Capability, table.words("needs")))


def _values(table: Table) -> dict[str, Any]:
    return {name: table.any(name) for name in table.keys}  # not a mapping


def _expectations(table: Table) -> dict[str, float]:
    return {size: float(table.number(size)) for size in table.keys}  # not a mapping


def _check_references(benchmark: Benchmark, path: Path) -> None:
    """Refuse what names a parameter or a size that is not there."""
    for size in benchmark.sizes:
        benchmark.resolve(size, benchmark.sizes[size])
    if benchmark.steps is not None and benchmark.steps.parameter not in benchmark.parameters:
        raise UnknownNameError(
            f"parameter of [steps] in {str(path)!r}", benchmark.steps.parameter, benchmark.parameters
        )
    for size in benchmark.expect:
        if size not in benchmark.sizes and (benchmark.steps is None or size not in benchmark.steps):
            raise UnknownNameError(f"size under [expect] in {str(path)!r}", size, benchmark.sizes)
