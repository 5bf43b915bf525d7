"""Metrics: what a number is called, its unit, which direction is better, and who measured it.

A metric is registered before it is used, by core here or by a plugin through `sebsx_register_metrics`;
a sample under an unregistered name is refused when the run is stored. Names read
`<who measured>.<what>_<unit>`, for example `client.latency_s`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum


class Better(StrEnum):
    """Which direction of a metric a user wants."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity.

    Args:
        name: `<source>.<what>_<unit>`; a trailing `*` in the last part registers a family (`phase.*_s`).
        unit: SI unit: `s`, `bytes`, `count`, `USD`, `1` for a share; `json` for a series stored as text.
        better: Direction that a user wants.
        meaning: One line for tables and docs.
    """

    name: str
    unit: str
    _: KW_ONLY
    better: Better = Better.LOWER
    meaning: str = ""

    @property
    def source(self) -> str:
        """Who measured it: `client`, `function`, `provider`, a collector's name, ..."""
        return self.name.partition(".")[0]


RUN_NOTE = Metric("run.note", "text", better=Better.NEITHER, meaning="what the user says of a run (`sebsx runs note`)")

CORE_METRICS = (
    Metric("client.latency_s", "s", meaning="from the request sent to the last byte of the answer"),
    Metric("client.response_s", "s", meaning="from the intended time to the last byte of the answer"),
    Metric("client.connect_s", "s", meaning="name look-up, TCP and TLS; 0 on a connection used before"),
    Metric("client.first_byte_s", "s", meaning="from the request sent to the first byte of the answer"),
    Metric("function.duration_s", "s", meaning="the handler alone, by the function's monotonic clock"),
    Metric(
        "function.subject_s", "s", meaning="the phases that the manifest calls the subject: the benchmark's named work"
    ),
    Metric(
        "function.facts",
        "json",
        better=Better.NEITHER,
        meaning="what the outputs of a cell say of how the work was done (`facts` of the manifest)",
    ),
    Metric("function.boot_s", "s", meaning="process start to the runtime shim; first call of a sandbox"),
    Metric("function.import_s", "s", meaning="import of the function's module; first call of a sandbox"),
    Metric(
        "function.clock_step_s",
        unit="s",
        better=Better.NEITHER,
        meaning="by how much the sandbox's wall clock was set since its last call; only where it was",
    ),
    Metric(
        "client.clock_step_s",
        unit="s",
        better=Better.NEITHER,
        meaning="by how much the client's wall clock was set; only where it was",
    ),
    Metric(
        "function.concurrent_count",
        "count",
        better=Better.NEITHER,
        meaning="maximum number of other calls that its sandbox served at the same time",
    ),
    Metric("provider.duration_s", "s", meaning="duration as the provider reports it"),
    Metric("provider.init_s", "s", meaning="initialisation or restore as the provider reports it; new sandboxes only"),
    Metric("provider.billed_s", "s", meaning="billed duration as the provider reports it"),
    Metric(
        "provider.max_memory_bytes",
        "bytes",
        meaning="peak memory charged to the sandbox, page cache too, by the provider",
    ),
    Metric("execution.duration_s", "s", meaning="from the start of a group of invocations (a workflow) to its end"),
    Metric("provider.records_missing_count", "count", meaning="invocations whose record did not come in time"),
    Metric("cost_usd", "USD", meaning="cost of one invocation at the price book's date"),
    Metric("deployment.ready_usd", "USD", meaning="cost of the sandboxes that were kept ready for a function"),
    RUN_NOTE,
    Metric(
        "price_book",
        "json",
        better=Better.NEITHER,
        meaning="price book by which invocations of a deployment were priced",
    ),
    Metric("reprice.cost_usd", "USD", meaning="mean cost of one invocation under another price book, named beside it"),
    Metric("client.round_trip_s", "s", meaning="least time of a TCP connection to the function, without a request"),
    Metric(
        "client.way",
        "json",
        better=Better.NEITHER,
        meaning="address, proxy and silent addresses on the way to a deployment",
    ),
    Metric(
        "client.input",
        "json",
        better=Better.NEITHER,
        meaning="digest and size of the input that a deployment is called with",
    ),
    Metric(
        "client.build",
        "json",
        better=Better.NEITHER,
        meaning="what a benchmark built on the driver, and how long that took",
    ),
    Metric(
        "client.source", "json", better=Better.NEITHER, meaning="where the code of a deployment's benchmark is found"
    ),
    Metric("phase.*_s", "s", meaning="time in a phase that the function marked"),
    Metric(
        "function.downloaded_bytes", "bytes", better=Better.NEITHER, meaning="bytes read from storage by the function"
    ),
    Metric(
        "function.uploaded_bytes", "bytes", better=Better.NEITHER, meaning="bytes written to storage by the function"
    ),
    Metric(
        "function.output",
        "text",
        better=Better.NEITHER,
        meaning="the last 4 KB that a function had printed when a call failed, once for each error",
    ),
    Metric("function.cpu_s", "s", meaning="processor time of the function's process during the call"),
    Metric(
        "function.runqueue_s",
        "s",
        meaning="time that its threads could have run and did not: others had the processor, or its quota was used up",
    ),
    Metric(
        "function.cpu_used",
        "1",
        better=Better.HIGHER,
        meaning="share of the processor time that a call wanted and was due, and had; below 0.8 it was starved",
    ),
    Metric("host.starved", "1", meaning="share of the calls of a cell that were starved of processor time"),
    Metric("host.load", "count", meaning="load of the client's machine while a cell was measured"),
    Metric("host.pressure", "1", meaning="share of that time in which some task there waited for a processor"),
    Metric("generator.started_s", "s", better=Better.NEITHER, meaning="Unix time at which a phase of load began"),
    Metric(
        "generator.duration_s",
        "s",
        better=Better.NEITHER,
        meaning="time from the start of a phase of load to its last answer",
    ),
    Metric("generator.lateness_p50_s", "s", meaning="median of sent minus intended"),
    Metric("generator.lateness_p99_s", "s", meaning="p99 of sent minus intended"),
    Metric("generator.lateness_max_s", "s", meaning="largest sent minus intended"),
    Metric("generator.late", "count", meaning="requests sent more than 1 ms after their time"),
    Metric("generator.dropped", "count", meaning="requests not sent, because too many were in flight"),
    Metric("generator.client_errors", "count", meaning="requests that failed by a limit of the client's own machine"),
    Metric("generator.cpu_share", "1", meaning="share of the time that the load generator's thread was busy"),
    Metric("generator.runqueue_s", "s", meaning="time that the generator's thread waited for a processor"),
    Metric(
        "generator.turns", "count", better=Better.NEITHER, meaning="how often the generator's thread got a processor"
    ),
    Metric(
        "generator.first",
        "1",
        better=Better.NEITHER,
        meaning="1 if its thread went before others (SCHED_FIFO), 0 if not",
    ),
    Metric("generator.in_flight_max", "count", better=Better.NEITHER, meaning="maximum number of requests in flight"),
)
