"""What is told before a run: what a benchmark is and can be, and what a plan costs, row by row, within what range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sebsx import plugins
from sebsx.model import Cell, Plan
from sebsx.reading.planned_prices import expected_cost, total_cost
from sebsx.system import installing
from tests.support import BUILT_IN

if TYPE_CHECKING:
    from tests.support import Call, Write

PLAN = (
    "plan",
    "benchmark",
    "graph-bfs",
    "--size",
    "test",
    "--memory",
    "1024,2048",
    "--start",
    "warm",
    "--repetitions",
    "100",
)


def test_a_benchmark_is_shown_with_all_that_can_be_chosen(call: Call) -> None:
    shown = call("show", "benchmark", "uploader").stdout
    for words in ("(version ", "nodejs, python", "needs      storage", "download, upload, remove", "0..268,435,456",
                  "small (default)", "object_bytes=1048576", "sebsx run benchmark uploader --size small"):  # fmt: skip
        assert words in shown, words
    benchmark = plugins.load(BUILT_IN).benchmarks["graph-bfs"]
    document = call("show", "benchmark", "graph-bfs", "--json").json
    assert document["folder"].endswith("graph-bfs")
    assert document["parameters"]["vertices"]["minimum"] == 1
    assert document["sizes"]["test"] == {"parameters": benchmark.sizes["test"], "expect_s": benchmark.expect["test"]}
    assert document["steps"]["count"] == 40


def test_a_folder_of_ones_own_is_shown_too(call: Call, write_function: Write) -> None:
    manifest = '[functions.resize]\nsummary = "makes it small"\n[variants.onnx]\n'
    folder = write_function("pipeline", "", manifest=manifest)
    document = call("show", "benchmark", str(folder), "--json").json
    assert (document["functions"], document["variants"]) == ({"resize": "makes it small"}, {"onnx": ""})


def test_what_is_no_benchmark_and_no_run_is_told(call: Call) -> None:
    call("show", "benchmark", "graph-bsf").assert_fails(2, "benchmark 'graph-bsf' is not known", "graph-bfs")
    call("show", "last", "first").assert_fails(2, "show takes one run, or `benchmark NAME`")


def test_a_plan_without_a_price_says_how_to_get_one_and_costs_by_that(call: Call) -> None:
    assert "no price known (--price-as)" in call(*PLAN).stdout
    document = call(*PLAN, "--price-as", "aws:us-east-1", "--json").json
    smaller, larger = document["cells"]
    assert larger["cost_usd"] / smaller["cost_usd"] == pytest.approx(2, rel=0.15)  # GB seconds, and little for requests
    low, high = document["cost_range_usd"]
    assert document["cost_usd"] == smaller["cost_usd"] + larger["cost_usd"]
    assert (low, high) == pytest.approx((document["cost_usd"] / 2, document["cost_usd"] * 2))
    said = call(*PLAN, "--price-as", "aws:us-east-1")
    assert "costs $" in said.stdout
    assert said.stdout.count("[0.00") == 2  # each row has its range
    assert "by the prices of aws us-east-1" in said.stderr


def test_a_plan_without_a_region_has_one_advice(
    call: Call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    said = call("plan", "benchmark", "sleep", "--platform", "aws,aws-arm", "--size", "test")
    assert "calls, no price known\n" in said.stdout
    assert "give one with --set region=" in caplog.text


def test_a_range_ends_at_the_most_that_can_be_spent() -> None:
    dear = Cell({"memory_mib": 128}, 10, cost_usd=4.0, cost_bound_usd=5.0)
    cost = expected_cost(dear)
    assert cost is not None
    assert (cost.low, cost.value, cost.high) == (2.0, 4.0, 5.0)
    unknown = Cell({"memory_mib": 256}, 10)
    impossible = Cell({"memory_mib": 512}, 10, cost_usd=4.0, unsupported="not there")
    assert expected_cost(unknown) is None
    assert expected_cost(impossible) is None
    assert total_cost(Plan((dear, unknown), deployments=2)) is None
    assert total_cost(Plan((dear, impossible), deployments=2)) == cost


def test_a_plan_says_what_has_to_be_installed_and_pulled_before(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "missing", lambda: {"aws": ["boto3"], "dnn": ["onnx"], "ml": ["skops"]})
    lacking = {
        ("benchmark", "sleep"): "",
        ("benchmark", "sleep", "--platform", "aws"): "boto3; run: {aws}",
        ("experiment", "dnn-inference"): "onnx; run: {dnn}",
        ("experiment", "arm-prediction", "--platform", "aws,aws-arm"): "boto3, skops; run: {aws,ml}",
    }
    for words, said in lacking.items():
        notes = [note for note in call("plan", *words, "--json").json["notes"] if "not installed" in note]
        extras = said.partition("{")[2].rstrip("}")
        wanted = said.replace(f"{{{extras}}}", installing.command(extras))
        assert notes == ([f"not installed, and needed by this: {wanted}"] if said else [])
    images = {"openfaas": "python:3.12-slim", "aws": "public.ecr.aws/lambda/python:3.12"}
    for platform, image in images.items():
        option = ("--option", "package=image") if platform == "aws" else ()
        notes = call("plan", "benchmark", "sleep", "--platform", platform, *option, "--json").json["notes"]
        assert [note for note in notes if note.endswith(f"pulls what it lacks of {image}")], notes


def test_a_narrow_table_keeps_the_cost_before_time_and_calls(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    words = (
        "sleep",
        "graph-bfs",
        "--platform",
        "aws,gcp",
        "--memory",
        "512,1024",
        "--set",
        "platform.aws.region=us-east-1",
    )
    shown = call("plan", "benchmark", *words).stdout
    assert "--wide adds about" in shown
    assert shown.count("$") > 16
