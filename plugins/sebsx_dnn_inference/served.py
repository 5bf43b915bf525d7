"""One condition of a run as a served model: latency, throughput, cost and what its cold start is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.reading.believed import believed
from sebsx.reading.blocks import Observations
from sebsx.reading.estimates import mean_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.analyzers import Estimate
    from sebsx.model.frame import Frame
    from sebsx.reading.conditions import Condition

INFERENCE = "phase.inference_s"
LIBRARY = "phase.library_load_s"
DOWNLOAD = "phase.model_download_s"
LOAD = "phase.model_load_s"
PREPARE = "phase.prepare_s"
PRIVATE = "memory-series.phase_inference_uss_peak_bytes"
PEAK = "process.max_rss_bytes"
COLUMNS = (
    INFERENCE, LIBRARY, DOWNLOAD, LOAD, PREPARE, PEAK, PRIVATE, "function.boot_s", "function.import_s", "cost_usd",
    "sandbox_id",
)  # fmt: skip
# What an engine, a size and a batch are chosen by; whatever else two conditions differ in are other questions.
CHOSEN = ("platform", "region", "architecture", "memory_mib", "optimizer", "batch")


@dataclass(frozen=True)
class Served:
    """A condition, and what was stored of its cell.

    Args:
        condition: With its calls, first and later ones of each sandbox.
        figures: Values of its cell by metric: what the conversion took.
        confidence: Of the intervals.
        taken_from: The run that measured it, where another did than the one that is read.
    """

    condition: Condition
    figures: Mapping[str, float]
    confidence: float
    taken_from: str = ""

    @property
    def batch(self) -> int:
        """Items of one call: a text is one, however many windows it has."""
        return 1 if self.text_bytes else int(self.condition.identity.get("batch") or 1)

    @property
    def text_bytes(self) -> int:
        """Size of the text that a call reads; 0 where it is given items."""
        return int(self.condition.identity.get("text_bytes") or 0)

    @property
    def engine(self) -> str:
        """What serves it."""
        return str(self.condition.identity.get("optimizer") or "-")

    @property
    def model(self) -> str:
        """What is served; the benchmark of a run that is no sweep of models."""
        return str(self.condition.identity.get("model") or self.condition.identity["benchmark"])

    @property
    def memory_mib(self) -> int:
        """Memory as the platform reports it."""
        return int(self.condition.identity["memory_mib"])

    @cached_property
    def times(self) -> Observations:
        """Times of one inference, the first of a sandbox left out; of the handler where no inference was told.

        A call that failed was asked for one, too, and is later than all others.
        """
        return replace(self.warm(self._timed), late=self.condition.late)

    @property
    def _timed(self) -> str:
        return INFERENCE if INFERENCE in self.condition.counted else "function.duration_s"

    @cached_property
    def latency(self) -> Estimate:
        """Median time of one inference."""
        return believed(self.condition, self._timed, self.times, 0.5, self.confidence)

    @property
    def tail(self) -> Estimate:
        """90th percentile of it."""
        return believed(self.condition, self._timed, self.times, 0.9, self.confidence)

    @property
    def latency_s(self) -> float | None:
        """Median time of one inference."""
        return self.latency.value

    @property
    def throughput(self) -> float | None:
        """Items per second of one sandbox that does nothing else."""
        return self.batch / self.latency_s if self.latency_s else None

    @cached_property
    def costs(self) -> Observations:
        """What each warm call cost, in USD."""
        return self.warm("cost_usd")

    @cached_property
    def cost(self) -> Estimate:
        """Mean cost of a thousand items in warm sandboxes."""
        return mean_estimate(self.costs, 1000 / self.batch, self.confidence)

    @property
    def peak_bytes(self) -> float | None:
        """Most memory that the process of a sandbox had."""
        values = self.condition.counted.known(PEAK) if PEAK in self.condition.counted else ()
        return float(max(values)) if len(values) else None

    def cold(self, metric: str) -> Estimate:
        """Return the median of a phase of first calls."""
        return believed(self.condition, metric, Observations.of(self.first, metric), 0.5, self.confidence)

    @cached_property
    def first(self) -> Frame:
        """The first calls of its sandboxes."""
        return self.condition.counted.where(~self.condition.counted.equals("start_type", "warm"))

    def warm(self, metric: str) -> Observations:
        """Return what warm calls have of a metric."""
        frame = self.condition.counted
        return Observations.of(frame.where(frame.equals("start_type", "warm")), metric)


def question(served: Served) -> tuple[Any, ...]:
    """Return what two conditions must share to be answers to one question: model, run, all that is not chosen."""
    rest = {key: word for key, word in served.condition.identity.items() if key not in (*CHOSEN, "start")}
    return (served.condition.run.id, *sorted((key, str(word)) for key, word in rest.items()))
