"""Files that analyzers hand out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.contracts.analyzers import Report, ReportFile
from sebsx.contracts.scene import NoResults
from sebsx.errors import PluginError, UnknownNameError
from sebsx.reading.files import write_files
from sebsx.reading.reporting.content import build
from sebsx.running.results import StoredResults
from sebsx.store import open_store
from sebsx.testing.runs import RunWriter


def test_texts_and_kept_files_are_written_and_lie_in_the_page(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    with open_store(tmp_path / "s.sqlite") as store:
        writer = RunWriter(store)
        writer.add([0.1] * 10)
        artifact = store.artifacts.add(writer.run.id, tmp_path / "model.bin", role="model")
        view = writer.finish()
        report = Report(
            "Two files", files=[ReportFile("a.json", "{}"), ReportFile("model.bin", None, artifact=artifact)]
        )
        written = write_files(report, [view], tmp_path / "new" / "folder")
        assert [path.name for path in written] == ["a.json", "model.bin"]
        assert [path.read_bytes() for path in written] == [b"{}", b"weights"]
        assert build([view], [report]).files["a.json"] == "{}"


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/b", "", "..", "."])
def test_name_that_leads_out_of_the_folder_is_the_plugins_fault(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginError, match="without a folder"):
        write_files(Report("x", files=[ReportFile(name, "x")]), [], tmp_path / "here")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_plan_reads_what_is_stored_and_opens_it_only_then(tmp_path: Path) -> None:
    opened = []
    with open_store(tmp_path / "s.sqlite") as store:
        run = RunWriter(store).finish().run
        results = StoredResults(lambda: opened.append(1) or store)
        assert opened == []
        assert [each.id for each in results.runs()] == [run.id]
        assert results.view("last").run.id == run.id
        assert opened == [1]
        assert not hasattr(results, "start_run")


def test_where_nothing_is_stored_there_is_no_run() -> None:
    assert NoResults().runs() == []
    with pytest.raises(UnknownNameError):
        NoResults().view("last")
