"""The contract of an exporter: the same runs give the same files, and nothing is left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from sebsx.errors import UserError
from sebsx.testing.contracts import metadata
from sebsx.testing.runs import store_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sebsx.contracts.exporters import Exporter
    from sebsx.contracts.runs import RunView


class ExporterContract:
    """Every exporter: override the fixture `exporter`."""

    @pytest.fixture
    def exporter(self) -> Exporter:
        """Return the exporter under test."""
        raise NotImplementedError("override the fixture 'exporter'")

    @pytest.fixture
    def runs(self, tmp_path: Path) -> Iterator[Mapping[str, RunView]]:
        """Return stored runs: `finished`, `empty`, `interrupted`."""
        yield from store_runs(tmp_path / "runs.db", "perf-cost")

    def test_metadata_is_complete(self, exporter: Exporter) -> None:
        metadata.check_words(type(exporter))
        assert re.fullmatch(r"(\.[a-z0-9]+)+", exporter.suffix)

    def test_files_are_the_same_each_time(
        self, exporter: Exporter, runs: Mapping[str, RunView], tmp_path: Path
    ) -> None:
        first, second = (_export(exporter, runs, tmp_path / name, ["finished"]) for name in ("a", "b"))
        assert first
        assert all(first.values()), "a file is empty"
        assert first == second

    def test_older_export_is_replaced(self, exporter: Exporter, runs: Mapping[str, RunView], tmp_path: Path) -> None:
        fresh = _export(exporter, runs, tmp_path / "fresh", ["interrupted"])
        _export(exporter, runs, tmp_path / "again", ["finished"])
        assert _export(exporter, runs, tmp_path / "again", ["interrupted"]) == fresh

    def test_empty_run_is_exported(self, exporter: Exporter, runs: Mapping[str, RunView], tmp_path: Path) -> None:
        assert _export(exporter, runs, tmp_path / "out", ["empty"])

    def test_every_run_is_in_the_files(self, exporter: Exporter, runs: Mapping[str, RunView], tmp_path: Path) -> None:
        alone = _export(exporter, runs, tmp_path / "one", ["finished"])
        together = _export(exporter, runs, tmp_path / "both", ["finished", "interrupted"])
        assert sum(map(len, together.values())) > sum(map(len, alone.values()))

    def test_no_value_is_not_a_number(self, exporter: Exporter, runs: Mapping[str, RunView], tmp_path: Path) -> None:
        for data in _export(exporter, runs, tmp_path / "out", ["finished"]).values():
            assert not re.search(rb"\b(nan|inf|infinity)\b", data, re.IGNORECASE)

    def test_place_that_cannot_be_written_is_a_user_error(
        self, exporter: Exporter, runs: Mapping[str, RunView], tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(UserError):
            exporter.export([runs["finished"]], tmp_path / "file" / f"out{exporter.suffix}")


def _export(exporter: Exporter, runs: Mapping[str, RunView], folder: Path, names: list[str]) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    paths = exporter.export([runs[name] for name in names], folder / f"out{exporter.suffix}")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
