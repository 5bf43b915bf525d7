"""What is stored of each call of the lab."""

from __future__ import annotations

from sebsx.model.metrics import Better, Metric

THROUGHPUT, MEMORY = "serving.throughput", "serving.memory_bytes"
LOAD, BOOT = "serving.load_s", "serving.boot_s"
SERVICE = "serving.service_s"
PERIOD, BEGUN = "serving.period", "serving.begun"

METRICS = (
    Metric(THROUGHPUT, "1/s", better=Better.HIGHER, meaning="inferences a second with all workers busy"),
    Metric(MEMORY, "bytes", meaning="PSS of a server and its workers, or of the sandbox that made an inference"),
    Metric(LOAD, "s", meaning="loading the model"),
    Metric(BOOT, "s", meaning="starting a worker that is a process of its own, loading left out; median"),
    Metric(SERVICE, "s", meaning="an inference, without waiting for a worker"),
    Metric(
        PERIOD, "json", better=Better.NEITHER,
        meaning="requests of a period: latencies, service times, ages of those that wait; workers, memory",
    ),
    Metric(BEGUN, "json", better=Better.NEITHER, meaning="the load, the cap and the period of a cell of scaling"),
)  # fmt: skip
