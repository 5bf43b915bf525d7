"""One Parquet file with one row per invocation."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.exporters import EVERYTHING, Exporter, Selection, replacing
from sebsx.system.lazy import require
from sebsx_export.figures import source_of
from sebsx_export.rows import COMMON, Provenance, factor_columns, levels_of, wide_columns, wide_values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sebsx.contracts.runs import RunView
    from sebsx.model.stored import Page

_WHOLE = frozenset(
    ("memory_mib", "sequence", "batch", "round", "provider_max_memory_bytes", "bytes_in", "bytes_out",
     "invocation_id", "deployment_id", "cell_id", "attempts", "polls", "execution_id", "parent", "client_id")
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
        own, samples = wide_columns(runs)
        factors = factor_columns(runs)
        schema = arrow.schema(
            [
                *((name, _type(arrow, name, samples)) for name in COMMON),
                *((column, _type_of(arrow, levels_of(runs, name))) for column, name in factors.items()),
                *((name, _type(arrow, name, samples)) for name in (*own, *samples)),
            ],
            metadata={"sebsx": json.dumps([source_of(run).words for run in runs])},
        )
        with replacing(destination) as part, writers.ParquetWriter(str(part), schema) as writer:
            for run in runs:
                for batch in run.map_pages(partial(_batch, Provenance.of(run, factors), samples, schema)):
                    writer.write_batch(batch)
        return [destination]


def _batch(provenance: Provenance, samples: Sequence[str], schema: Any, page: Page) -> Any:
    """Return the rows of a page."""
    arrow = require("pyarrow", extra="parquet")
    groups = arrow.array(page.groups)
    common = zip(*provenance.of_groups(page), strict=True)
    columns = [*common, *wide_values(page, samples)]
    arrays = [_array(arrow, values, field.type) for values, field in zip(columns, schema, strict=True)]
    shared = len(COMMON) + len(provenance.factors)
    arrays[:shared] = [array.take(groups) for array in arrays[:shared]]
    return arrow.RecordBatch.from_arrays(arrays, schema=schema)


def _type(arrow: Any, name: str, samples: Sequence[str]) -> Any:
    if name in samples or name.endswith(_DOUBLE_ENDINGS):
        return arrow.float64()
    return arrow.int64() if name in _WHOLE else arrow.string()


def _type_of(arrow: Any, levels: Sequence[Any]) -> Any:
    """Return the type that all levels of a factor have."""
    kinds = {type(level) for level in levels if level is not None}
    if kinds <= {bool}:
        return arrow.bool_()
    if kinds <= {int}:
        return arrow.int64()
    return arrow.float64() if kinds <= {int, float} else arrow.string()


def _array(arrow: Any, values: Sequence[Any], type_: Any) -> Any:
    texts = arrow.types.is_string(type_) and any(isinstance(value, int | float) for value in values)
    array = arrow.array([None if value is None else str(value) for value in values] if texts else values, type=type_)
    if not arrow.types.is_floating(type_):
        return array
    compute = require("pyarrow.compute", extra="parquet")
    return compute.if_else(compute.is_finite(array), array, arrow.scalar(None, type_))
