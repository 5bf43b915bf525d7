"""Functions that can be called: what to deploy, what one was deployed from, and the input it is called with."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.model.meaning import Meaning
from sebsx.model.offers import spelt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sebsx.contracts.benchmarks import Benchmark
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.storage import Storage
    from sebsx.model import Capability, Cell, Deployment, Scalar

_NAMED = ("platform", "language", "architecture", "timeout_s")


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What to deploy: a benchmark in a language, at a size, on a platform with so much memory.

    `function` is one of the benchmark's functions, empty for its first; `variant` one of its variants, empty for none.
    `files` are added to its package, as (path in the package, content), and `needs` to what its benchmark needs.
    `padding_bytes` makes the package larger by a file that does not compress and is never read. `options` are what is
    asked for beside memory and time-out.
    """

    platform: str
    benchmark: str
    _: KW_ONLY
    size: str
    language: str
    architecture: str
    memory_mib: int
    timeout_s: float
    parameters: tuple[tuple[str, Any], ...] = ()
    function: str = ""
    variant: str = ""
    padding_bytes: int = 0
    files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    needs: frozenset[Capability] = frozenset()
    options: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def of(cls, cell: Cell) -> FunctionSpec:
        """Return what to deploy for a cell, by its factors of the same names; `files` and `needs` are not factors.

        `folder` is where a benchmark that is not registered lies; without `size` and `parameters` the default holds.
        Memory and options are those that the platform offers for what was asked.
        """
        factors, provision = cell.factors, cell.provision
        return cls(
            benchmark=factors.get("folder") or factors["benchmark"],
            size=factors.get("size", "default"),
            parameters=tuple(sorted(factors.get("parameters", {}).items())),
            function=factors.get("function", ""),
            variant=factors.get("variant", ""),
            padding_bytes=factors.get("padding_bytes", 0),
            memory_mib=factors["memory_mib"] if provision is None else provision.memory_offered_mib,
            options=() if provision is None else provision.options_offered,
            **{name: factors[name] for name in _NAMED},
        )

    @property
    def label(self) -> str:
        """One short line for progress."""
        part = "".join(f" {word}" for word in (self.function, self.variant) if word)
        options = "".join(f", {name} {spelt(value)}" for name, value in self.options)
        return f"{self.benchmark}{part} ({self.size}) on {self.platform} with {self.memory_mib} MiB{options}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSource:
    """What a function was deployed from: its benchmark, how that was built, and the storage that holds its inputs.

    `artifacts` are the keys of what the benchmark's `build` put into the storage, by name.
    """

    spec: FunctionSpec
    benchmark: Benchmark
    storage: Storage | None
    artifacts: Mapping[str, str] = field(default_factory=dict)

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """Return an event as the payload that carries it.

        Raises:
            UserError: If it is not JSON.
        """
        try:
            return json.dumps(event, allow_nan=False).encode()
        except (TypeError, ValueError) as exc:
            raise UserError(f"payload of benchmark {self.benchmark.name!r} is not JSON: {exc}") from exc

    def check(self, event: Mapping[str, Any], output: Any) -> str | None:
        """Return None if an output is right for an event, or what is wrong."""
        return self.benchmark.check(event, output, self.storage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function that can be called, with the input it is called with.

    Args:
        id: Its row among the deployments.
        label: One short line for progress.
        platform: Where it runs.
        deployment: What the platform says of it.
        payload: What it is called with.
        check: Returns None if an output is right for that, or what is wrong.
        source: What it was deployed from; None for one that existed.
        read: Returns what of a right output is stored as samples of its invocation, under registered metrics; None for
            nothing.
        meaning: The phases that are its named work, and what its output tells of how that was done.
    """

    id: int
    label: str
    platform: Platform[Any]
    deployment: Deployment
    payload: bytes
    check: Callable[[Any], str | None]
    source: FunctionSource | None = None
    read: Callable[[Any], Mapping[str, float]] | None = None
    meaning: Meaning = field(default_factory=Meaning)

    @property
    def simultaneous(self) -> bool:
        """Whether a sender can have several of its calls in flight together."""
        sent = self.deployment.endpoint is not None or self.platform.exchange(self.deployment) is not None
        return sent and not self.platform.one_at_a_time

    def given(self, payload: bytes, check: Callable[[Any], str | None]) -> Function:
        """Return the same function called with another input."""
        return replace(self, payload=payload, check=check)

    def given_event(self, event: Mapping[str, Any]) -> Function:
        """Return the same function called with another event of its benchmark.

        Raises:
            UserError: If it was not deployed from a benchmark, or the event is not JSON.
        """
        source = self.known_source()
        return self.given(source.encode(event), partial(source.check, event))

    def known_source(self) -> FunctionSource:
        """Return what it was deployed from.

        Raises:
            UserError: If it existed.
        """
        if self.source is None:
            raise UserError(f"{self.label} was not deployed from a benchmark, and has no other input than it was given")
        return self.source
