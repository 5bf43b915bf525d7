"""Registers the exporters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.exporters import Exporter


@hookimpl
def sebsx_register_exporters() -> Sequence[type[Exporter]]:
    """Return the exporters."""
    from sebsx_export.asv import AsvExporter
    from sebsx_export.bencher import BencherExporter
    from sebsx_export.csv_file import CsvExporter
    from sebsx_export.github import GithubExporter
    from sebsx_export.jsonl import JsonLinesExporter
    from sebsx_export.junit import JUnitExporter
    from sebsx_export.markdown import MarkdownExporter
    from sebsx_export.otava import OtavaExporter
    from sebsx_export.parquet import ParquetExporter
    from sebsx_export.prometheus import OpenMetricsExporter, PromExporter
    from sebsx_export.pytest_benchmark import PytestBenchmarkExporter
    from sebsx_export.saaf import SaafExporter
    from sebsx_export.sqlite import SqliteExporter

    return [
        CsvExporter, JsonLinesExporter, ParquetExporter, SqliteExporter, SaafExporter, GithubExporter, BencherExporter,
        PytestBenchmarkExporter, AsvExporter, OtavaExporter, JUnitExporter, OpenMetricsExporter, PromExporter,
        MarkdownExporter,
    ]  # fmt: skip
