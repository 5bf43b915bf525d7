"""JSON lines: a line per run and per invocation, in a versioned schema (`jsonl.schema.json`)."""

from __future__ import annotations

from functools import partial
from itertools import repeat
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx_export.figures import source_of
from sebsx_export.rows import invalid_cells, needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import Page

SCHEMA = "sebsx.jsonl/1"


class JsonLinesExporter(Exporter):
    """For each run a line with where it comes from, then a line per invocation, failed ones too, by sequence.

    A figure that is not there has no key; there is no null and no NaN. Floats read back as the same double.
    """

    name: ClassVar[str] = "jsonl"
    summary: ClassVar[str] = "raw: one JSON object per invocation, in a versioned schema"
    suffix: ClassVar[str] = ".jsonl"

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file; it replaces an older one only when it is complete."""
        needed(runs)
        with replacing(destination) as part, part.open("wb") as file:
            for run in runs:
                file.write(orjson.dumps(_run_record(run), option=orjson.OPT_APPEND_NEWLINE))
                file.writelines(run.map_pages(partial(_lines, invalid_cells(run))))
        return [destination]


def _run_record(view: RunView) -> dict[str, Any]:
    source = {key: word for key, word in source_of(view).words.items() if key != "dirty"}
    return {
        "record": "run", "schema": SCHEMA, **source, "dirty": source_of(view).dirty, "campaign": view.run.campaign,
        "status": view.status.value, "seed": view.run.seed, "metrics": _units(view),
    }  # fmt: skip


def _units(view: RunView) -> dict[str, str]:
    return {name: metric.unit for name, metric in view.metrics().items()}


def _lines(invalid: Mapping[int, str], page: Page) -> bytes:
    """Return a line per invocation."""
    shared = ({"record": "invocation", **group, "invalid": invalid.get(group["cell_id"])} for group in page.shared)
    heads = [orjson.dumps(_known(group))[:-1] + b"," for group in shared]
    names, sample_names = list(page.own), list(page.samples)
    rows = zip(*page.own.values(), strict=True)
    samples: Iterable[tuple[float | None, ...]] = (
        zip(*page.samples.values(), strict=True) if page.samples else repeat(())
    )
    records = []
    for row, figures in zip(rows, samples, strict=False):
        record: dict[str, Any] = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        if found := {name: value for name, value in zip(sample_names, figures, strict=True) if value is not None}:
            record["samples"] = found
        records.append(record)
    text = _joined(heads, page.groups, records)
    if b":null" in text:  # something is not a number: rare, and slow to look for
        text = _joined(heads, page.groups, map(_known, records))
    return text


def _joined(heads: Sequence[bytes], groups: Sequence[int], records: Iterable[Mapping[str, Any]]) -> bytes:
    """Return records as lines, each behind the head of its group."""
    newline = orjson.OPT_APPEND_NEWLINE
    lines = [
        heads[group] + orjson.dumps(record, option=newline)[1:] for group, record in zip(groups, records, strict=True)
    ]
    return b"".join(lines)


def _known(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without what is missing or no number, in its samples too."""
    known = {key: _known(value) if isinstance(value, dict) else value for key, value in record.items()}
    return {key: value for key, value in known.items() if value not in (None, {}) and _is_finite(value)}


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or isfinite(value)
