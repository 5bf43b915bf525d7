"""What is billed of one invocation: a provider's rules of rounding, minimum and memory, applied to what was used."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

# Every provider here counts 1024 MB of memory as one GB: AWS and Google by definition, Azure as 1,024,000 MB-ms.
MIB_PER_GB = 1024
# What a sum of binary fractions may be off by; without this 0.1 + 0.2 s would be billed as one step more.
_GRAIN_S = Decimal("1e-9")


def seconds(value: float | Decimal) -> Decimal:
    """Return a measured duration as an exact number of nanoseconds, in seconds."""
    return Decimal(repr(value) if isinstance(value, float) else value).quantize(_GRAIN_S)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one invocation used, as far as its price depends on it.

    Args:
        memory_mib: Provisioned memory.
        duration_s: Time of the handler, as the provider or else the client saw it.
        init_s: Time of initialisation; None if there was none.
        billed_s: What the provider says it bills, init included where it bills that; decides where it is known.
        restored: Whether the sandbox came from a snapshot.
        max_memory_mib: Peak memory, for providers that bill what was observed.
        ephemeral_mib: Ephemeral storage provisioned.
        cpus: Processors provisioned; None for what the provider couples to the memory.
        egress_bytes: Bytes sent to the internet.
        gpus: Graphics processors provisioned.
    """

    memory_mib: int
    duration_s: float | Decimal
    init_s: float | Decimal | None = None
    billed_s: float | Decimal | None = None
    restored: bool = False
    max_memory_mib: int | None = None
    ephemeral_mib: int = 0
    cpus: Decimal | None = None
    egress_bytes: int = 0
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """A sum of money with its parts.

    Args:
        parts: USD by what it is for: `requests`, `compute`, `init`, `ephemeral`, `restore`, `egress`; no part is 0.
        estimate: Whether billed units were not told by the provider, but follow from durations and its rules.
    """

    parts: Mapping[str, Decimal]
    estimate: bool

    @property
    def usd(self) -> Decimal:
        """All parts together."""
        return sum(self.parts.values(), Decimal())


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a provider counts an invocation under one of its plans.

    Args:
        name: `on-demand`, `flex`, `gen1`, ...
        step_s: Billed time is rounded up to a multiple of it.
        minimum_s: Least billed time.
        bills_init_from: Date from which initialisation is billed as if it were duration; None for never.
        memory_step_mib: Billed memory is rounded up to a multiple of it.
        memory_sizes_mib: The only sizes there are, ascending; billed memory is the next of them.
        observed_memory: Whether memory in use is billed rather than what is provisioned.
        free_ephemeral_mib: Ephemeral storage that costs nothing.
        cpu_by_memory: Memory in MiB -> processors (or GHz) that come with it at least, ascending; empty where
            processors are not billed apart.
        free_tier: Whether the provider's free tier of requests and compute holds for it.
        estimate: Whether the provider bills instances, so that the share of one invocation is always an estimate.
    """

    name: str
    step_s: Decimal
    minimum_s: Decimal = Decimal()
    bills_init_from: date | None = None
    memory_step_mib: int = 1
    memory_sizes_mib: tuple[int, ...] = ()
    observed_memory: bool = False
    free_ephemeral_mib: int = 0
    cpu_by_memory: tuple[tuple[int, Decimal], ...] = ()
    free_tier: bool = True
    estimate: bool = False

    def bills_init(self, at: date) -> bool:
        """Tell whether initialisation is billed on a day."""
        return self.bills_init_from is not None and at >= self.bills_init_from

    def billed_s(self, used_s: Decimal) -> Decimal:
        """Return the time that is billed for a time used."""
        steps = (max(used_s, self.minimum_s) / self.step_s).to_integral_value(ROUND_CEILING)
        return steps * self.step_s

    def billed_mib(self, usage: Usage) -> int:
        """Return the memory that is billed.

        Raises:
            UserError: If it is more than the largest size there is.
        """
        used = usage.memory_mib
        if self.observed_memory and usage.max_memory_mib is not None:
            used = usage.max_memory_mib
        if self.memory_sizes_mib:
            return next(size for size in (*self.memory_sizes_mib, *self._too_large(used)) if size >= used)
        return -(-used // self.memory_step_mib) * self.memory_step_mib

    def cpus(self, memory_mib: int) -> Decimal:
        """Return the processors that come with a memory size.

        Raises:
            UserError: If it is more than the largest size there is.
        """
        sizes = dict(self.cpu_by_memory)
        return sizes[next(size for size in (*sizes, *self._too_large(memory_mib, tuple(sizes))) if size >= memory_mib)]

    def times(self, usage: Usage, at: date) -> tuple[Decimal, Decimal]:
        """Return the billed time of the handler and what initialisation adds to it."""
        handler_s = self.billed_s(seconds(usage.duration_s))
        if usage.billed_s is not None:
            total_s = self.billed_s(seconds(usage.billed_s))
        elif usage.init_s is not None and self.bills_init(at):
            total_s = self.billed_s(seconds(usage.duration_s) + seconds(usage.init_s))
        else:
            total_s = handler_s
        handler_s = total_s if usage.init_s is None or not self.bills_init(at) else min(handler_s, total_s)
        return handler_s, total_s - handler_s

    def _too_large(self, memory_mib: int, sizes: tuple[int, ...] = ()) -> tuple[int, ...]:
        largest = max(sizes or self.memory_sizes_mib)
        if memory_mib > largest:
            raise UserError(f"memory of {memory_mib} MiB: {self.name!r} has no price above {largest} MiB")
        return ()
