from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from sebsx import plugins
from sebsx.errors import UserError
from sebsx.model import Status
from sebsx.store import Store, open_store
from sebsx.store.schema import SHARED
from sebsx_export.csv_file import CsvExporter
from sebsx_export.rows import factor_columns
from tests.store.conftest import RUN, Begun, make_invocation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def header(store: Store) -> list[str]:
    own = [name for name in store.view(RUN).row_columns() if name not in SHARED]
    shared = [name for name in SHARED if name != "factors"]
    return [*shared, "run_started_at", "git_commit", "invalid", *factor_columns([store.view(RUN)]), *own]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        yield opened


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_invocation_is_a_line_failed_ones_too(store: Store, tmp_path: Path) -> None:
    nasty = 'quote " comma , newline \n é'
    Begun(store).add(
        make_invocation(2, status=Status.FUNCTION_ERROR, error=nasty), make_invocation(1, cost_usd=1e-7 / 3)
    )
    (path,) = CsvExporter().export([store.view(RUN)], tmp_path / "out.csv")
    first, second = lines(path)
    assert (first["sequence"], first["run"], first["memory_mib"]) == ("1", RUN, "256")
    assert float(first["cost_usd"]) == 1e-7 / 3
    assert (first["client_latency_s"], first["error"], first["provider_init_s"]) == ("0.25", "", "")
    assert (second["status"], second["error"]) == ("function_error", nasty)
    assert list(first) == header(store)


def test_several_runs_share_one_header(store: Store, tmp_path: Path) -> None:
    runs = [RUN, "01BX5ZZKBKACTAV9WEVGEMMVRZ"]
    for run_id in runs:
        Begun(store, run_id).add(make_invocation(1))
    CsvExporter().export([store.view(run_id) for run_id in reversed(runs)], tmp_path / "out.csv")
    assert [line["run"] for line in lines(tmp_path / "out.csv")] == runs[::-1]


def test_exporting_twice_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    Begun(store).add(*(make_invocation(number) for number in range(1, 1200)))
    first, second = (
        CsvExporter().export([store.view(RUN)], tmp_path / name)[0].read_bytes() for name in ("a.csv", "b.csv")
    )
    assert first == second
    assert first.count(b"\n") == 1200
    assert b"nan" not in first.lower()


def test_figure_that_is_infinite_is_an_empty_field(store: Store, tmp_path: Path) -> None:
    Begun(store).add(make_invocation(1, function_duration_s=float("inf")))
    CsvExporter().export([store.view(RUN)], tmp_path / "out.csv")
    assert lines(tmp_path / "out.csv")[0]["function_duration_s"] == ""


def test_empty_run_is_a_header_alone(store: Store, tmp_path: Path) -> None:
    Begun(store)
    CsvExporter().export([store.view(RUN)], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == ",".join(header(store)) + "\n"


def test_file_that_cannot_be_written_is_told_and_nothing_left(store: Store, tmp_path: Path) -> None:
    Begun(store)
    with pytest.raises(UserError, match="cannot be written"):
        CsvExporter().export([store.view(RUN)], tmp_path / "missing" / "out.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        CsvExporter().export([store.view(RUN)], tmp_path / "folder")
    assert not (tmp_path / "folder.part").exists()


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sebsx runs"):
        CsvExporter().export([], tmp_path / "out.csv")


def test_exporter_is_registered() -> None:
    assert issubclass(plugins.load(only=["export"]).exporters["csv"], CsvExporter)


def test_samples_have_columns_of_their_own(store: Store, tmp_path: Path) -> None:
    Begun(store).add(
        make_invocation(1, samples={"phase.b_s": 0.5}), make_invocation(2, samples={"phase.a_s": 0.1 + 0.2})
    )
    CsvExporter().export([store.view(RUN)], tmp_path / "out.csv")
    first, second = lines(tmp_path / "out.csv")
    assert list(first)[-2:] == ["phase.a_s", "phase.b_s"]
    assert (first["phase.a_s"], first["phase.b_s"]) == ("", "0.5")
    assert (second["phase.a_s"], second["phase.b_s"]) == (repr(0.1 + 0.2), "")
