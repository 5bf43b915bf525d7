"""What providers log: report lines of AWS Lambda, with what a function may write among them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from sebsx.clouds.records import LateRecords
from sebsx.model import ProviderRecord, Status
from sebsx_aws.loglines import error_status, read_line, read_log, said
from tests.soak.fuzzing import JSON, Check, Fuzzer

_ID = "8c360c87-d4b7-4423-b5f3-af02be3c1763"
_NUMBER = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.decimals().map(str),
    st.sampled_from(("", "1" * 400, "1e5", "Infinity", "٣")),
)
_NAMES = (
    "Duration",
    "Billed Duration",
    "Init Duration",
    "Restore Duration",
    "Billed Restore Duration",
    "Memory Size",
    "Max Memory Used",
    "Extension Duration",
    "Status",
    "Error Type",
    "XRAY TraceId",
)
_FIELD = st.builds(
    "{}: {} {}".format, st.sampled_from(_NAMES), _NUMBER, st.sampled_from(("ms", "MB", "s", ""))
) | st.sampled_from(("Status: timeout", "Status: error", "Status: failure", "Duration: 1 ms", "Memory Size: 128 MB"))
_TEXT = st.builds(
    lambda request, fields, end: "\t".join([f"REPORT RequestId: {request}", *fields]) + end,
    st.sampled_from((_ID, "", "x" * 200, "é")) | st.text(max_size=8),
    st.lists(_FIELD | st.text(max_size=10), max_size=8),
    st.sampled_from(("\t\n", "\n", "", "\t")),
)
_METRICS = st.dictionaries(
    st.sampled_from(
        ("durationMs", "billedDurationMs", "initDurationMs", "restoreDurationMs", "memorySizeMB", "maxMemoryUsedMB")
    ),
    st.floats() | st.integers() | JSON,
    max_size=6,
)
_JSON_LINES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("platform.report") | JSON,
        "record": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "requestId": st.just(_ID) | JSON,
                "status": st.sampled_from(("success", "timeout", "error")) | JSON,
                "metrics": _METRICS | JSON,
            },
        ),
        "errorType": JSON,
        "errorMessage": JSON,
        "message": JSON,
        "Message": JSON,
    },
).map(json.dumps)
_NOISE = st.text(max_size=40) | st.builds(
    lambda piece, count: piece * count, st.sampled_from(("{", '{"a":', "REPORT ")), st.just(5000)
)
LINES = st.lists(_TEXT | _JSON_LINES | _NOISE, min_size=1, max_size=3)


def _held(record: ProviderRecord) -> None:
    assert record.request_id == record.request_id.strip()
    for value in (record.duration_s, record.init_s, record.billed_s, record.max_memory_bytes):
        assert value is None or (math.isfinite(value) and 0 <= value < 1e19)
    assert record.duration_s is not None
    assert record.status in (None, Status.TIMEOUT, Status.OUT_OF_MEMORY)


class _Log(LateRecords):
    """A log that holds these records."""

    def __init__(self, records: Sequence[ProviderRecord]) -> None:
        super().__init__()
        self._records = records

    def lines(self, function: str, since_s: float) -> Iterator[tuple[float, ProviderRecord | None]]:
        yield from ((since_s, record) for record in self._records)


def check(lines: list[str]) -> None:
    records = []
    for line in lines:
        if (record := read_line(line)) is not None:
            _held(record)
            records.append(record)
        body = line.encode("utf-8", "surrogatepass")
        assert error_status(body) in Status
        assert all(isinstance(words, str) for words in said(body))
    wanted = {record.request_id for record in records}
    assert _Log(records).read("f", wanted).keys() <= wanted
    for key, record in read_log(lines).items():
        assert key == record.request_id


@contextmanager
def opened(_folder: Path) -> Iterator[Check]:
    yield check


FUZZER = Fuzzer(
    name="reports",
    promise="a line is a record of finite figures, or none at all",
    inputs=LINES,
    opened=opened,
)
