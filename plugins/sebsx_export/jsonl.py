"""JSON lines: a line per run and per invocation, in a versioned schema (`jsonl.schema.json`)."""

from __future__ import annotations

from functools import partial
from itertools import repeat
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from sebsx.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx_export.figures import source_of
from sebsx_export.rows import invalid_cells, needed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sebsx.store.reader import RunView
    from sebsx.store.records import Page

SCHEMA = "sebsx.jsonl/1"
_NO_NUMBERS: tuple[Any, ...] = ({}, inf, -inf)


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
    heads = [
        _known({"record": "invocation", **group, "invalid": invalid.get(group["cell_id"])}) for group in page.shared
    ]
    names, sample_names = list(page.own), list(page.samples)
    rows = zip(*page.own.values(), strict=True)
    samples = zip(*page.samples.values(), strict=True) if page.samples else repeat(())
    records = []
    for group, row, figures in zip(page.groups, rows, samples, strict=False):
        own = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        found = {name: value for name, value in zip(sample_names, figures, strict=True) if value is not None}
        records.append({**heads[group], **own, "samples": found} if found else {**heads[group], **own})
    text = _joined(records)
    return _joined(map(_known, records)) if b":null" in text else text  # what is no number: rare, and slow to look for


def _joined(records: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join([orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records])


def _known(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without what is missing or no number, in its samples too."""
    known = {key: _known(value) if isinstance(value, dict) else value for key, value in record.items()}
    return {key: value for key, value in known.items() if value is not None and value not in _NO_NUMBERS}
