"""Published figures of the studies beside a report: what was printed wrongly is not among them."""

from __future__ import annotations

from sebsx.contracts.analyzers import Column, Report, Table
from sebsx_dnn_inference.recipes import DnnBatching, DnnLoading, DnnPhases
from sebsx_reproduce.comparing import compare


def test_figures_that_cannot_be_right_are_not_expected() -> None:
    loading = {(cell.row["model"], cell.row["engine"]): cell for cell in DnnLoading().expected()}
    assert ("bert", "onnx-mapped") not in loading
    assert loading["bert", "onnx"].value == 1.83
    assert loading["gpt2", "onnx-mapped"].value == 0.008338
    assert len(loading) == 8  # three models in three ways, less one
    assert max(cell.value for cell in DnnPhases().expected()) < 30  # the corrupt row says 122 s


def test_each_figure_is_reproduced_deviates_or_cannot_be_measured_here() -> None:
    columns = [Column("optimizer", "engine"), Column("batch", "batch"), Column("relative", "against batch 1")]
    known = {"model": "resnet18", "batch": 16}
    rows = [{**known, "optimizer": "onnx", "relative": 1.1}, {**known, "optimizer": "tvm", "relative": 1.4}]
    report = Report("r", tables=[Table("inference", columns=columns, rows=rows)])
    words = [each.words.partition(":")[0] for each in compare(DnnBatching().expected(), report)]
    assert words == ["not measurable here", "reproduced", "deviates by +0.4", "not measured"]
