"""Registers the exporters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.exporters import Exporter


@hookimpl
def sebsx_register_exporters() -> Sequence[type[Exporter]]:
    """Return the exporters."""
    from sebsx_export.csv_file import CsvExporter

    return [CsvExporter]
