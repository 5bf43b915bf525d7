"""The contract of a benchmark: a folder with `benchmark.toml`, `benchmark.py` and one folder of code per language.

    thumbnailer/
        benchmark.toml          name, version, summary, defaults, needs, parameters, sizes, source, licence
        benchmark.py            payload(parameters, rng, storage), check(payload, output, storage), build(...)
        python/function.py      handler(event, context) -> dict
        python/requirements.txt pinned

A user's own folder with these files is a benchmark too: `sebsx run benchmark ./thumbnailer`. Of the three
functions in `benchmark.py`, all optional:

    def payload(parameters, rng, storage):      # -> JSON-able dict; `storage` is None unless needed
    def check(payload, output, storage):        # -> None if right, or a string that says what is wrong
    def build(parameters, artifacts, target):   # makes files before it is deployed, see `sebsx.contracts.builds`
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.contracts import tables
from sebsx.contracts.code import Code, Demands, Part, check_words, names_under, needs
from sebsx.contracts.drivers import Driver
from sebsx.contracts.parameters import Parameter, Steps
from sebsx.contracts.sources import IGNORED_PARTS, source_files
from sebsx.errors import UnknownNameError, UserError
from sebsx.model.capabilities import CORE_CAPABILITIES
from sebsx.model.meaning import Meaning

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterable, Mapping

    from sebsx.contracts.builds import Artifacts, BuildTarget
    from sebsx.contracts.storage import Storage
    from sebsx.contracts.tables import ManifestTable
    from sebsx.model import Capability

MANIFEST = "benchmark.toml"
DEFAULT_SIZE = "small"
# A group `suite:NAME` makes a benchmark a member of the suite NAME; this one is of every benchmark there is.
SUITE_PREFIX = "suite:"
EVERY = "all"
HANDLER = "function.handler"


@dataclass(frozen=True, kw_only=True)
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
        meaning: The phases that are its named work, and what its output tells of how that was done.
        expect: Size -> rough duration of one call in seconds, for plans.
        functions: Its functions by name, the one meant when none is named first; empty where it has one without a name.
        variants: What can be laid over its code, by name.
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
    meaning: Meaning = field(default_factory=Meaning)
    expect: Mapping[str, float] = field(default_factory=dict)
    functions: Mapping[str, Part] = field(default_factory=dict)
    variants: Mapping[str, Part] = field(default_factory=dict)

    def unsuitable(
        self, size: str, language: str, capabilities: Iterable[Capability], function: str = "", variant: str = ""
    ) -> str | None:
        """Return why it cannot run so, or None: it lacks the size or the language, or needs what is not offered.

        Args:
            size: A name or a step; empty for its own default.
            language: What its code must be in.
            capabilities: What the platform offers.
            function: Which of its functions; empty for the first.
            variant: Which of its variants; empty for none.
        """
        if size and size not in self.sizes and (self.steps is None or size not in self.steps):
            return f"no size {size!r}"
        try:
            self.code(language, function, variant)
        except UnknownNameError:
            raise
        except UserError:
            return f"no code in {language!r}"
        missing = sorted(need for need in self.demands(function, variant).needs - frozenset(capabilities))
        return f"needs {', '.join(missing)}" if missing else None

    def function(self, name: str = "") -> Part | None:
        """Return a function by name, the first for an empty one; None where it has one function without a name.

        Raises:
            UnknownNameError: If it has no such function.
        """
        if not name:
            return next(iter(self.functions.values()), None)
        if name not in self.functions:
            raise UnknownNameError("function", name, self.functions, of=f"benchmark {self.name!r}")
        return self.functions[name]

    def variant(self, name: str = "") -> Part | None:
        """Return a variant by name; None for an empty one.

        Raises:
            UnknownNameError: If it has no such variant.
        """
        if not name:
            return None
        if name not in self.variants:
            raise UnknownNameError("variant", name, self.variants, of=f"benchmark {self.name!r}")
        return self.variants[name]

    def demands(self, function: str = "", variant: str = "") -> Demands:
        """Return what a function asks for unless the user says otherwise: a variant's word counts most.

        Raises:
            UnknownNameError: If it has no such function or variant.
        """
        own = Demands(memory_mib=self.memory_mib, timeout_s=self.timeout_s, needs=self.needs)
        return own.of(self.function(function)).of(self.variant(variant))

    def meaning_of(self, function: str = "") -> Meaning:
        """Return what the numbers of a function mean: what it says itself counts more than what the benchmark does.

        Raises:
            UnknownNameError: If it has no such function.
        """
        part = self.function(function)
        if part is None:
            return self.meaning
        return Meaning(subject=part.subject or self.meaning.subject, facts=part.facts or self.meaning.facts)

    @property
    def default_size(self) -> str:
        """The size meant when none is named: `small`, or the first where there is no `small`."""
        return DEFAULT_SIZE if DEFAULT_SIZE in self.sizes else next(iter(self.sizes))

    def code(self, language: str, function: str = "", variant: str = "") -> Code:
        """Return its code in a language.

        Args:
            language: Name of a language.
            function: Which of its functions; empty for the first.
            variant: Which of its variants; empty for none.

        Raises:
            UnknownNameError: If it has no such function or variant.
            UserError: If it has none in that language, or the variant none of that function.
        """
        part, over = self.function(function), self.variant(variant)
        limits = [of.languages for of in (part, over) if of and of.languages]
        allowed = [name for name in self.languages if all(name in limit for limit in limits)]
        if language not in allowed:
            what = "".join(f" {kind} {of.name!r} of" for kind, of in (("variant", over), ("function", part)) if of)
            known = ", ".join(sorted(allowed)) or "none"
            advice = f" (--language {known})" if len(allowed) == 1 else ""
            raise UserError(
                f"{what.strip()} benchmark {self.name!r} has no code in {language!r}; it has {known}{advice}".strip()
            )
        if part and over and over.functions and part.name not in over.functions:
            raise UserError(f"variant {over.name!r} of benchmark {self.name!r} is of {', '.join(over.functions)} alone")
        below = Path(part.folder if part else "", language)
        return Code(
            root=self.root,
            folder=self.root / below,
            overlay=self.root / over.folder / below if over else None,
            handler=(part.handler if part else "") or self.languages[language],
        )

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
            hint = "" if len(words) > 1 else "it has one size: leave it out"
            raise UnknownNameError("size", size, words, hint, of=f"benchmark {self.name!r}")
        for name, value in overrides.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "no parameters"
                raise UnknownNameError(
                    "parameter", name, self.parameters, f"it has {known}", of=f"benchmark {self.name!r}"
                )
            values[name] = self.parameters[name].parse(value, f"benchmark {self.name!r}")
        return values

    def payload(
        self, parameters: Mapping[str, Any], rng: random.Random, storage: Storage | None, **more: Any
    ) -> dict[str, Any]:
        """Return the input of one invocation, uploading what it refers to.

        Args:
            parameters: By name.
            rng: Seeded; every random choice comes from it.
            storage: None unless the benchmark needs it.
            more: What the driver's function may ask for by name, see `drivers.OPTIONAL`.

        Raises:
            UserError: If the benchmark's own code fails, in whatever way.
        """
        return self.driver.payload(parameters, rng, storage, **more)

    def check(self, payload: Mapping[str, Any], output: Any, storage: Storage | None) -> str | None:
        """Return None if `output` is right, or what is wrong with it; that `check` fails is wrong, too."""
        return self.driver.check(payload, output, storage)

    @property
    def builds(self) -> bool:
        """Whether its driver makes files before a function is deployed."""
        return self.driver.builds

    def build(self, parameters: Mapping[str, Any], artifacts: Artifacts, target: BuildTarget) -> None:
        """Make files before a function is deployed, see `sebsx.contracts.builds`; call it by way of a cache.

        Raises:
            UserError: If the benchmark's own code fails, in whatever way.
        """
        self.driver.build(parameters, artifacts, target)

    @cached_property
    def sha256(self) -> str:
        """Digest of every file in its folder: the identity of the benchmark as run."""
        digest = hashlib.sha256()
        for path in source_files(self.root):
            digest.update(path.relative_to(self.root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    @cached_property
    def driver(self) -> Driver:
        """The driver's side of it, `benchmark.py`; loaded when it is first asked for."""
        return Driver(self.root, self.sha256)


def load(root: Path, capabilities: Collection[str] = CORE_CAPABILITIES) -> Benchmark:
    """Return the benchmark in a folder.

    Args:
        root: The folder.
        capabilities: The words that `needs` may name; those of plugins are in the registry.

    Raises:
        UserError: If the manifest is missing or wrong; the message names the file and the key.
    """
    if root.is_file():
        raise UserError(f"{str(root)!r} is a file; name the folder of the benchmark: {root.parent}")
    try:
        table = tables.read(root / MANIFEST)
    except FileNotFoundError:
        trouble = f"is not a benchmark: it has no {MANIFEST}" if root.is_dir() else "does not exist"
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


def _read(root: Path, table: ManifestTable, capabilities: Collection[str]) -> Benchmark:
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
        needs=needs(table, capabilities),
        memory_mib=defaults.integer("memory_mib", 256),
        timeout_s=float(defaults.number("timeout_s", 60.0, above=0)),
        languages={name: entry.text("handler", HANDLER) for name, entry in languages.items()} or {"python": HANDLER},
        parameters={name: Parameter.read(name, entry) for name, entry in table.tables("parameters").items()},
        sizes={name: _values(entry) for name, entry in table.tables("sizes").items()} or {"default": {}},
        steps=Steps.read(table.table("steps")) if "steps" in table else None,
        external_binary=table.flag("external_binary", False),
        meaning=Meaning(subject=names_under(table, "subject"), facts=names_under(table, "facts")),
        expect=_expectations(table.table("expect")),
        functions=_parts(table, "functions", capabilities),
        variants=_parts(table, "variants", capabilities),
    )
    for entry in (table, defaults, *languages.values()):
        entry.done()
    _check_references(benchmark, root / MANIFEST)
    return benchmark


def _parts(table: ManifestTable, kind: str, capabilities: Collection[str]) -> dict[str, Part]:
    variant = kind == "variants"
    return {name: Part.read(name, entry, capabilities, variant=variant) for name, entry in table.tables(kind).items()}


def _values(table: ManifestTable) -> dict[str, Any]:
    return {name: table.any(name) for name in table.keys}  # not a mapping


def _expectations(table: ManifestTable) -> dict[str, float]:
    return {size: float(table.number(size)) for size in table.keys}  # not a mapping


def _check_references(benchmark: Benchmark, path: Path) -> None:
    """Refuse what names a parameter or a size that is not there."""
    for size in benchmark.sizes:
        benchmark.resolve(size, benchmark.sizes[size])
    if benchmark.steps is not None and benchmark.steps.parameter not in benchmark.parameters:
        raise UnknownNameError(
            "parameter", benchmark.steps.parameter, benchmark.parameters, of=f"[steps] in {str(path)!r}"
        )
    for size in benchmark.expect:
        if size not in benchmark.sizes and (benchmark.steps is None or size not in benchmark.steps):
            raise UnknownNameError("size", size, benchmark.sizes, of=f"[expect] in {str(path)!r}")
    for kind, parts in (("functions", benchmark.functions), ("variants", benchmark.variants)):
        for name, part in parts.items():
            where = f"[{kind}.{name}] of {str(path)!r}"
            check_words(part.languages, benchmark.languages, "language", where)
            check_words(part.functions, benchmark.functions, "function", where)
