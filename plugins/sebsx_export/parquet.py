"""One Parquet file with one row per invocation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx.lazy import require
from sebsx_export.figures import source_of
from sebsx_export.rows import WideRows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.store.reader import RunView

_WHOLE = frozenset(
    ("memory_mib", "sequence", "batch", "round", "provider_max_memory_bytes", "bytes_in", "bytes_out",
     "invocation_id", "deployment_id", "cell_id")
)  # fmt: skip
_DOUBLE_ENDINGS = ("_s", "_usd")


class ParquetExporter(Exporter):
    """What `csv` has, typed and compressed; where the runs come from stands in the file's metadata under `sebsx`.

    What is missing or no number is null.
    """

    name: ClassVar[str] = "parquet"
    summary: ClassVar[str] = "raw: one row per invocation, typed and compressed (extra 'parquet')"
    suffix: ClassVar[str] = ".parquet"

    def export(self, runs: Sequence[RunView], destination: Path, selection: Selection = EVERYTHING) -> Sequence[Path]:
        """Write the file; it replaces an older one only when it is complete.

        Raises:
            MissingDependencyError: If pyarrow is not installed.
        """
        arrow = require("pyarrow", extra="parquet")
        writers = require("pyarrow.parquet", extra="parquet")
        rows = WideRows(runs)
        schema = arrow.schema(
            [(name, _type(arrow, name, rows.samples)) for name in rows.columns],
            metadata={"sebsx": json.dumps([source_of(run).words for run in runs])},
        )
        with replacing(destination) as part, writers.ParquetWriter(str(part), schema) as writer:
            for page in rows.pages():
                columns = zip(*page, strict=True)
                arrays = [_array(arrow, values, field.type) for values, field in zip(columns, schema, strict=True)]
                writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
        return [destination]


def _type(arrow: Any, name: str, samples: Sequence[str]) -> Any:
    if name in samples or name.endswith(_DOUBLE_ENDINGS):
        return arrow.float64()
    return arrow.int64() if name in _WHOLE else arrow.string()


def _array(arrow: Any, values: Sequence[Any], type_: Any) -> Any:
    array = arrow.array(values, type=type_)
    if not arrow.types.is_floating(type_):
        return array
    compute = require("pyarrow.compute", extra="parquet")
    return compute.if_else(compute.is_finite(array), array, arrow.scalar(None, type_))
