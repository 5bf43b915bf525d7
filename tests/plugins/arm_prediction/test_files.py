"""Files of SAAF, FaaS Runner and sebsx as datasets: names, units, known defects, and rows that must not be believed."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sebsx.testing.runs
from sebsx import plugins
from sebsx.errors import UserError
from sebsx.model import Kind, Status
from sebsx.store import Store
from sebsx.testing.runs import RunWriter
from sebsx_arm_prediction.checks import problems
from sebsx_arm_prediction.dataset import FEATURE_NAMES, WORDS, dataset_of
from sebsx_arm_prediction.files import read_files, write_file
from sebsx_arm_prediction.gate import accounting_error, judge
from sebsx_export.saaf import SaafExporter
from tests.orchestration import store_in
from tests.support import Call

# An answer of version 0.7: two processors, 4 s of run time, of which one was busy.
ANSWER: dict[str, Any] = {
    "version": 0.7, "lang": "python", "platform": "AWS Lambda", "functionName": "float", "functionMemory": "3008",
    "architecture": "x86", "containerID": "2026/11/30/[$LATEST]ab", "cpuType": "Intel(R) Xeon(R)", "cpuCores": 2,
    "availableCPUs": 1.679, "cpuUserDelta": 3900.0, "cpuNiceDelta": 0.0, "cpuKernelDelta": 100.0,
    "cpuIdleDelta": 4000.0, "cpuIOWaitDelta": 0.0, "cpuIrqDelta": 0.0, "cpuSoftIrqDelta": 0.0, "cpuStealDelta": 0.0,
    "cpuGuestDelta": 0.0, "cpuGuestNiceDelta": 0.0, "contextSwitchesDelta": 12, "pageFaultsDelta": 34,
    "totalMemory": 3000000, "freeMemory": 2000000, "runtime": 4000, "userRuntime": 3950, "frameworkRuntime": 40,
    "frameworkRuntimeDeltas": 10, "newcontainer": 0,
}  # fmt: skip

# As the partest tool of version 0.5 wrote it; payloads are not quoted, and one of them holds a comma.
REPORT = """\
2019-10-30 10:13:35.410330 - Python Partest Version 0.5
Setting up test: runsperthread=1 threads=50 totalruns=50 payload=[{'name': 'Bob'} {'name': 'Joe'}]

Raw results of each run:
1_run_id,cpuIdleDelta,cpuIowaitDelta,cpuKrnDelta,cpuType,cpuUsrDelta,message,payload,runtime,uuid,vmcpustealDelta
0,0,1,7,Intel(R) Core(TM) i7,70,Hello Joe!,{'name': 'Joe', 'times': [1, 2]},1510.38,a,2
1,0,0,17,Neoverse-N1,66,Hello Bob!,{'name': 'Bob'},453.15,b,0
2,0,0,9,Intel(R) Core(TM) i7,-999999999999,Hello, all,{'name': 'Bob'},453.15,b,0
Successful Runs: 3

Category cpuType:
cpuType,uses,avg_cpuIdleDelta,avg_runtime
Intel(R) Core(TM) i7,2,0.00,585.79
"""


def read(folder: Path, text: str, name: str = "report.csv", **more: Any):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_files([path], **more)


def as_csv(*answers: dict[str, Any]) -> str:
    return "\n".join([",".join(answers[0]), *(",".join(map(str, answer.values())) for answer in answers)]) + "\n"


def test_answer_comes_in_in_seconds_and_bytes(tmp_path: Path) -> None:
    rows = read(tmp_path, json.dumps(ANSWER), "answer.json")

    assert len(rows) == 1
    expected = {
        "cpuUserDelta_s": 3.9, "cpuKernelDelta_s": 0.1, "cpuIdleDelta_s": 4.0, "contextSwitchesDelta_count": 12,
        "pageFaultsDelta_count": 34, "totalMemory_bytes": 3000000 * 1024, "usedMemory_bytes": 1000000 * 1024,
        "runtime_s": 4.0, "userRuntime_s": 3.95, "frameworkRuntime_s": 0.05, "memory_mib": 3008,
    }  # fmt: skip
    assert {name: rows[name][0] for name in expected} == pytest.approx(expected)
    assert rows["availableCPUs_count"][0] == 2  # what the times are of, not the share that the memory buys
    assert rows["utilizedCPUs_count"][0] == pytest.approx(1.0)
    assert rows.frame.words("environment") == ["AWS Lambda x86_64 3008 MiB"]
    assert rows.frame.words("function") == ["float"]
    assert np.isnan(rows["majorPageFaultsDelta_count"][0])
    assert "answer.json: there are no major page faults" in " ".join(rows.notes)


@pytest.mark.parametrize("form", ["array", "lines", "wrapped", "csv", "folder"])
def test_every_form_gives_the_same_rows(tmp_path: Path, form: str) -> None:
    answers = [{**ANSWER, "runtime": 4000 + number} for number in range(3)]
    if form == "folder":
        folder = tmp_path / "answers"
        folder.mkdir()
        for number, answer in enumerate(answers):
            (folder / f"{number}.json").write_text(json.dumps(answer))
        rows = read_files([folder])
    elif form == "csv":
        rows = read(tmp_path, as_csv(*answers))
    else:
        wrapped = [{"statusCode": 200, "body": json.dumps(answer)} for answer in answers]
        text = {
            "array": json.dumps(answers, indent=1),
            "lines": "\n".join(map(json.dumps, answers)),
            "wrapped": json.dumps(wrapped),
        }[form]
        rows = read(tmp_path, text, "answers.json")
    assert rows["runtime_s"].tolist() == pytest.approx([4.0, 4.001, 4.002])
    assert rows["cpuUserDelta_s"].tolist() == pytest.approx([3.9] * 3)
    assert rows.levels("environment") == ["AWS Lambda x86_64 3008 MiB"]


def test_report_of_faas_runner_is_read_with_its_defects(tmp_path: Path) -> None:
    rows = read(tmp_path, REPORT, columns={"step": "payload"})

    # The third row has a comma in a message, of which nothing tells; averages behind the rows are no rows.
    assert len(rows) == 2
    assert rows["runtime_s"].tolist() == pytest.approx([1.51038, 0.45315])
    assert rows["cpuUserDelta_s"].tolist() == pytest.approx([0.70, 0.66])  # ticks of 10 ms
    assert rows["cpuStealDelta_s"].tolist() == pytest.approx([0.02, 0.0])
    assert rows.frame.words("step") == ["{'name': 'Joe', 'times': [1, 2]}", "{'name': 'Bob'}"]
    assert rows.frame.words("architecture") == ["x86_64", "arm64"]
    text = " ".join(rows.notes)
    assert "2 of 3 rows taken" in text
    assert "1 rows refused: 1 with fields that do not line up with the header" in text
    assert "ticks of 10 ms" in text


def test_attribute_that_faas_runner_fills_in_is_missing(tmp_path: Path) -> None:
    rows = read(tmp_path, as_csv(ANSWER, {**ANSWER, "cpuUserDelta": -999999999999}))
    assert rows["cpuUserDelta_s"].tolist() == pytest.approx([3.9, float("nan")], nan_ok=True)


def test_run_time_alone_is_a_profile(tmp_path: Path) -> None:
    rows = read(tmp_path, json.dumps([{"runtime_s": 2.0}, {"runtime_s": 2.5, "cpuUserDelta_s": "x"}]), "mine.json")
    assert rows["runtime_s"].tolist() == [2.0, 2.5]
    assert rows.functions == ["mine"]
    assert "1 fields of cpuUserDelta_s are not numbers, and missing" in " ".join(rows.notes)


def test_ticks_that_no_name_tells_are_found(tmp_path: Path) -> None:
    ticks = {name: value / 10 for name, value in ANSWER.items() if name.startswith("cpu") and name.endswith("Delta")}
    rows = read(tmp_path, as_csv({**ANSWER, **ticks}))
    assert rows["cpuUserDelta_s"].tolist() == pytest.approx([3.9])
    assert "are taken for such" in " ".join(rows.notes)


def test_bad_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    bad = [{"cpuIdleDelta": 4500}, {"runtime": 0}, {"runtime": "NONE"}, {"cpuNiceDelta": -1}, {"cpuIdleDelta": 4300}]
    rows = read(tmp_path, as_csv(ANSWER, *({**ANSWER, **change} for change in bad)))
    assert len(rows) == 2  # 300 ms of 8 s are under 5 %
    (note,) = [note for note in rows.notes if "left out" in note]
    assert note == (
        "report.csv: 4 of 6 rows left out: 1 with no run time, 1 with a run time of 0 or less, 1 with a negative "
        "cpuNiceDelta_s, 1 with processor times that miss the run time by more than 5 %"
    )
    assert len(read(tmp_path, as_csv(ANSWER, {**ANSWER, "cpuIdleDelta": 4500}), tolerance=0.1)) == 2


def test_infinite_values_are_left_out(tmp_path: Path) -> None:
    infinite = [{"runtime": "1e999"}, {"contextSwitchesDelta": "inf"}]
    rows = read(tmp_path, as_csv(ANSWER, *({**ANSWER, **change} for change in infinite)))
    assert len(rows) == 1
    (note,) = [note for note in rows.notes if "left out" in note]
    assert "1 with an infinite run time, 1 with an infinite contextSwitchesDelta_count" in note


def test_group_has_no_idle_time_and_must_not_use_more_than_there_is() -> None:
    row = {"runtime_s": 2.0, "availableCPUs_count": 1.0, "cpuUserDelta_s": 1.0, "cpuKernelDelta_s": 0.5}
    rows = dataset_of([row, {**row, "cpuUserDelta_s": 2.0}, {**row, "runtime_s": 0.3}, {"runtime_s": 2.0}])
    assert accounting_error(rows).tolist() == pytest.approx([0.0, 0.25, 4.0, float("nan")], nan_ok=True)
    judged = judge(rows)
    assert len(judged.good) == 3  # the third is too short to tell
    assert judged.unjudged == 2


def test_dataset_goes_through_both_kinds_of_file(tmp_path: Path) -> None:
    rows = read(tmp_path, as_csv(ANSWER, {**ANSWER, "functionName": "csv"}), given={"campaign": "train"})
    for ending in (".csv", ".parquet"):
        path = tmp_path / f"rows{ending}"
        write_file(rows, path)
        again = read_files([path])
        for name in FEATURE_NAMES:
            assert again[name].tolist() == pytest.approx(rows[name].tolist(), nan_ok=True), name
        for name in WORDS:
            assert again.frame.words(name) == rows.frame.words(name), name


@pytest.fixture
def store(tmp_path: Path):
    with store_in(tmp_path) as opened:
        yield opened


def test_what_sebsx_exports_comes_in_again(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sebsx.testing.runs, "CORE_METRICS", plugins.load(only=["saaf"]).metrics.values())
    writer = RunWriter(store)
    samples = {"saaf.runtime_s": 2.0, "saaf.cpuUserDelta_s": 1.25, "saaf.totalMemory_bytes": 2.0**30}
    writer.add([2.0] * 3, changes={"samples": samples}, effective={"emulated": True})
    writer.add([2.0] * 2, changes={"samples": samples, "kind": Kind.WARMUP})
    writer.add([2.0], changes={"samples": samples, "status": Status.TIMEOUT})
    path = tmp_path / "out.csv"
    SaafExporter().export([writer.finish()], path)

    rows = read_files([path])

    assert rows["cpuUserDelta_s"].tolist() == pytest.approx([1.25] * 3)
    assert rows["totalMemory_bytes"].tolist() == pytest.approx([2.0**30] * 3)
    assert all(name.endswith("(emulated)") for name in rows.levels("environment"))
    assert "2 warm-ups passed over" in " ".join(rows.notes)
    assert "1 with calls that failed" in " ".join(rows.notes)


def test_pair_of_a_machine_with_itself_is_told_apart(tmp_path: Path) -> None:
    rows = read(tmp_path, as_csv({**ANSWER, "side": "from"}, {**ANSWER, "side": "to"}))
    assert rows.frame.words("environment") == ["AWS Lambda x86_64 3008 MiB", "AWS Lambda x86_64 3008 MiB (to)"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("words.csv", "a,b\n1,2\n", "has no line that names the columns of a profile"),
        ("empty.csv", "", "has no line that names the columns of a profile"),
        ("broken.json", '{"runtime": 4000, "cpuUser', "is not valid JSON"),
        ("other.json", '{"a": 1}', "holds no rows of a profile"),
        ("broken.parquet", "PAR1 and nothing", "is not a Parquet file that can be read"),
    ],
)
def test_file_of_another_kind_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, text, name)


def test_what_is_not_there_is_named(tmp_path: Path, call: Call) -> None:
    call("import", "saaf").assert_fails(2, "name the files to read")
    call("import", "saaf", "nowhere.csv").assert_fails(2, "'nowhere.csv' cannot be read: No such file or directory")
    path = tmp_path / "answers.csv"
    path.write_text(as_csv(ANSWER))
    call("import", "saaf", str(path), "--column", "step=payloads").assert_fails(
        2, "column 'payloads' is missing; the file has"
    )
    call("import", "saaf", str(path), "--given", "stop=1").assert_fails(2, "'stop' is not a word of a profile")
    call("import", "saaf", str(path), "--output", "x.txt").assert_fails(2, "ends in .csv or .parquet")


def test_import_says_what_it_took(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(as_csv(ANSWER, {**ANSWER, "runtime": 8000}))
    said = call("import", "saaf", str(path), "--output", str(tmp_path / "rows.csv"), "--json").json
    assert (said["rows"], said["written"]) == (1, str(tmp_path / "rows.csv"))
    assert len(read_files([tmp_path / "rows.csv"])) == 1


@pytest.mark.parametrize(
    "size_bytes", [pytest.param(10e6, marks=pytest.mark.slow), pytest.param(100e6, marks=pytest.mark.soak)]
)
def test_file_is_streamed(tmp_path: Path, size_bytes: float) -> None:
    path = tmp_path / "report.csv"
    header, line = as_csv({**ANSWER, "message": "a word of the function"}).splitlines()
    count = int(size_bytes / (len(line) - 10))
    with path.open("w") as file:
        file.write(header + "\n")
        file.writelines(f"{line.replace('[$LATEST]', f'[{each // 40}]')}\n" for each in range(count))
    assert path.stat().st_size >= size_bytes
    tracemalloc.start()
    try:
        rows = read_files([path])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rows) == count
    # 23 numbers of 8 bytes and 10 words of 4, twice where one table follows from another. The text of a row has 1,900
    # bytes as fields, which only a chunk of 10,000 rows may have at once.
    assert peak_bytes < 2.4 * count * (23 * 8 + 10 * 4) + 10_000 * 2_500


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("open.csv", f'{REPORT}\n"{"x," * 70_000}', "is a quote left open"),
        ("deep.json", '{"runtime": 1, "cpuUserDelta": ' + "[" * 100_000, "nested too deeply"),
        ("empty.csv", "runtime_s,function\n", "holds no rows of a profile"),
        ("torn.csv", "runtime_s,function\n1,f,2,3\n", "holds no rows of a profile"),
    ],
)
def test_file_that_is_no_profile_is_told_in_one_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    if name == "open.csv":
        text = text.replace("Successful Runs: 3", "")
    with pytest.raises(UserError, match=told) as caught:
        read(tmp_path, text, name)
    assert "\n" not in str(caught.value)


def test_numbers_and_words_that_none_can_hold_are_missing(tmp_path: Path) -> None:
    odd = {**ANSWER, "runtime": 10**400}, {**ANSWER, "functionName": "\ud800", "body": "[" * 100_000}
    dataset = read(tmp_path, json.dumps([ANSWER, *odd]), "answers.json")
    assert len(dataset) == 2
    assert any("1 fields of runtime are not numbers" in note for note in dataset.notes)
    write_file(dataset, tmp_path / "again.csv")


def test_true_is_no_number(tmp_path: Path) -> None:
    dataset = read(tmp_path, json.dumps([ANSWER, {**ANSWER, "runtime": True}]), "answers.json")
    assert len(dataset) == 1
    assert any("1 fields of runtime are not numbers" in note for note in dataset.notes)


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UserError, match=r"pipe\.json' is neither a file nor a folder; write what it gives to a file"):
        read_files([tmp_path / "pipe.json"])
    (tmp_path / "answers.json").write_text(json.dumps(ANSWER))
    assert len(read_files([tmp_path])) == 1  # a folder is read without it


def test_nested_columns_of_parquet_are_words_and_a_damaged_file_one_line(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    parquet.write_table(arrow.table({"runtime_s": [1.0, 2.0], "function": [["a"], ["b"]]}), str(path))
    assert read_files([path]).functions == ['["a"]', '["b"]']
    content = bytearray(path.read_bytes())
    content[4:20] = bytes(range(240, 256))
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_files([path])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("column", "value"), [("runtime", 1e-310), ("cpuUserDelta", 1e300), ("runtime", 1e300)])
def test_numbers_beyond_all_that_is_measured_are_refused(tmp_path: Path, column: str, value: float) -> None:
    dataset = read(tmp_path, json.dumps([{**ANSWER, column: value}] * 2), "answers.json", tolerance=np.inf)
    assert list(problems(dataset))
