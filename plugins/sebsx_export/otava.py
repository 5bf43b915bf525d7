"""A folder for Apache Otava (formerly Hunter), which finds change points in a history of runs."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from io import StringIO
from typing import TYPE_CHECKING, ClassVar

from sebsx.contracts.exporters import EVERYTHING, FOLDER_MARK, Exporter, Selection, replacing
from sebsx.model.metrics import Better, Metric
from sebsx_export.figures import CHOOSES, Series, read_series

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sebsx.contracts.runs import RunView

_ATTRIBUTES = ("run_id", "commit", "measured", "failed")
_DIRECTIONS = {Better.LOWER: -1, Better.HIGHER: 1}


class OtavaExporter(Exporter):
    """`otava.yaml` and CSV files: a test per condition, a row per run by time.

    Otava stops at an empty field, so a file holds only figures that all of its runs have: a figure that some runs lack
    (a tail of too few samples) is in a file and a test of its own, whose name ends with `#2` and so on.
    """

    name: ClassVar[str] = "otava"
    summary: ClassVar[str] = "a history of runs for otava analyze: otava.yaml and CSV files"
    suffix: ClassVar[str] = ".otava"
    chooses: ClassVar[frozenset[str]] = CHOOSES

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the folder."""
        history: dict[str, list[Series]] = defaultdict(list)
        for item in read_series(runs, selection, history=True):
            history[item.name].append(item)
        files = {FOLDER_MARK: "".join(f"{view.run.id} {view.run.started_at.isoformat()}\n" for view in runs)}
        tests: list[str] = []
        for name, items in history.items():
            items.sort(key=lambda item: (item.source.started_at, item.source.run))
            for place, (metrics, rows) in enumerate(_complete(items), 1):
                file = f"{len(tests) + 1:05}.csv"
                tests.append(_test(name if place == 1 else f"{name}#{place}", file, metrics))
                files[file] = _table(metrics, rows)
        files["otava.yaml"] = "".join(("tests:\n", *tests)) if tests else "tests: {}\n"
        with replacing(destination) as part:
            part.mkdir()
            for name, text in files.items():
                (part / name).write_text(text, encoding="utf-8")
        return [destination / name for name in files]


def _complete(items: Sequence[Series]) -> Iterable[tuple[Mapping[str, Metric], Sequence[Series]]]:
    """Return figures that the same runs have, with those runs: most figures first."""
    having: dict[str, list[int]] = defaultdict(list)
    metrics = {}
    for place, item in enumerate(items):
        for summary in item.summaries:
            having[summary.name].append(place)
            metrics[summary.name] = summary.metric
    groups: dict[tuple[int, ...], dict[str, Metric]] = defaultdict(dict)
    for name, places in having.items():
        groups[tuple(places)][name] = metrics[name]
    return [(names, [items[place] for place in places]) for places, names in groups.items()]


def _table(metrics: Mapping[str, Metric], items: Sequence[Series]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time", *_ATTRIBUTES, *metrics))
    for item in items:
        figures = {summary.name: summary.estimate.value for summary in item.summaries}
        head = (item.source.run, item.source.commit or "unknown", item.measured, item.failed)
        writer.writerow((_time(item.condition.run.started_at), *head, *(figures[name] for name in metrics)))
    return text.getvalue()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S %z")


def _test(name: str, file: str, metrics: Mapping[str, Metric]) -> str:
    """Return a test in YAML; JSON's quoting is YAML's too."""
    lines = [
        f"  {json.dumps(name)}:", "    type: csv", f"    file: {file}", "    time_column: time",
        f"    attributes: [{', '.join(_ATTRIBUTES)}]", "    metrics:",
        *(
            f"      {json.dumps(key)}: {{column: {json.dumps(key)}, direction: {_DIRECTIONS.get(metric.better, -1)}}}"
            for key, metric in metrics.items()
        ),
        '    csv_options: {delimiter: ",", quotechar: \'"\'}',
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
