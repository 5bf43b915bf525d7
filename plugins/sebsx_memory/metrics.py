"""What is stored of each round: figures of all replicas together."""

from __future__ import annotations

from sebsx.model.metrics import Better, Metric

RSS, PSS, USS = "sharing.rss_bytes", "sharing.pss_bytes", "sharing.uss_bytes"
MODEL_PSS, PRIVATE_PSS = "sharing.model_pss_bytes", "sharing.private_pss_bytes"
IDENTICAL, ZERO = "sharing.identical_ratio", "sharing.zero_ratio"
LOAD, READ = "sharing.load_s", "sharing.read_s"
FIRST_WRITE, LATER_WRITE = "sharing.first_write_s", "sharing.later_write_s"
MERGE, MERGE_CPU = "sharing.merge_s", "sharing.merge_cpu_s"

METRICS = (
    Metric(RSS, "bytes", meaning="resident memory of all replicas, shared pages counted in each of them"),
    Metric(PSS, "bytes", meaning="resident memory of all replicas, each shared page divided among those who share it"),
    Metric(USS, "bytes", meaning="resident memory that one replica has alone, of all replicas"),
    Metric(MODEL_PSS, "bytes", meaning="the same as PSS, of the mappings of the model alone"),
    Metric(PRIVATE_PSS, "bytes", meaning="the same as PSS, of the memory that each replica filled for itself"),
    Metric(
        IDENTICAL, "1", better=Better.NEITHER,
        meaning="share of the resident pages whose content another one has: what sharing could save at most",
    ),
    Metric(ZERO, "1", better=Better.NEITHER, meaning="share of the resident pages that hold zeros only"),
    Metric(LOAD, "s", meaning="loading the model, median of the replicas"),
    Metric(READ, "s", meaning="reading the whole model once, median of the replicas"),
    Metric(FIRST_WRITE, "s", meaning="first write to a page of the model, median of pages and replicas"),
    Metric(LATER_WRITE, "s", meaning="second write to the same page, median of pages and replicas"),
    Metric(MERGE, "s", meaning="from loaded to settled: the kernel found no more equal pages"),
    Metric(MERGE_CPU, "s", meaning="processor time that the kernel's thread took for that"),
)  # fmt: skip
