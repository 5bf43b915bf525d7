"""`sebsx reprice` and `sebsx prices break-even` on stored runs, through the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sebsx.model import Deployment, Invocation, StartType, Status
from sebsx.stats import mean_interval
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter
from tests.store.conftest import METRICS, RUN, add_deployment, make_cell, make_config, make_invocation, make_run
from tests.support import Call, Cli

AWS = json.dumps({"provider": "aws"})


def stored(
    path: Path,
    *invocations: Invocation,
    region: str = "us-east-1",
    memory_mib: int = 1024,
    provider: str = AWS,
    start: str = "warm",
    ephemeral_mib: int = 512,
    **run: Any,
) -> None:
    """Store a run of one condition, priced by `provider`."""
    effective = {"memory_mib": memory_mib, "architecture": "x86_64", "ephemeral_mib": ephemeral_mib}
    with open_store(path) as store:
        store.start_run(make_run(**run), {}, METRICS)
        fill(store, *invocations, region=region, effective=effective, provider=provider, start=start)


def fill(
    store: Store, *invocations: Invocation, region: str, effective: dict[str, Any], provider: str, start: str
) -> None:
    function = Deployment("fn-1", make_config(), effective=effective, region=region)
    deployment = add_deployment(store, RUN, platform="elsewhere", deployment=function)
    cell = store.design.add_cell(RUN, make_cell(start, platform="elsewhere"))
    if provider:
        store.add_value(RUN, "price_book", None, deployment_id=deployment, text=provider)
    store.add_invocations(RUN, deployment, cell, invocations)


def warm(sequence: int, **changes: Any) -> Invocation:
    return make_invocation(sequence, **{"start_type": StartType.WARM, **changes})


def took(sequence: int, billed_s: float, cost_usd: float | None = None, **changes: Any) -> Invocation:
    figures = {"provider_duration_s": billed_s - 0.0004, "provider_billed_s": billed_s, "cost_usd": cost_usd}
    return warm(sequence, **{**figures, **changes})


def test_billed_time_of_the_provider_is_priced_anew(call: Call, sebsx: Cli) -> None:
    stored(sebsx.store, took(1, 0.1, 1e-6), took(2, 0.3, 3e-6))
    said = call("reprice", "last", "--book", "2026-09-06", "--json").json
    (row,) = said["conditions"]
    assert row["per_million_usd"] == pytest.approx(0.2 + 0.2 * 16.6667, rel=1e-12)  # the mean of 0.1 and 0.3 s
    assert row["old_per_million_usd"] == pytest.approx(2)
    assert row["change"] == pytest.approx(3.53334 / 2 - 1)
    assert row["parts_per_million_usd"] == {"requests": 0.2, "compute": pytest.approx(3.33334)}
    assert (row["estimate"], row["n"], row["book"]) == ("no", 2, "aws:2025-08-01 us-east-1 x86_64")
    assert said["total_usd"] == pytest.approx(2 * 3.53334e-6)
    assert said["old_total_usd"] == pytest.approx(4e-6)
    assert len(row["prices"]["sha256"]) == 64


def test_failed_invocations_cost_too_but_are_not_in_the_mean(call: Call, sebsx: Cli) -> None:
    stored(
        sebsx.store,
        took(1, 0.1),
        took(2, 1.0, status=Status.TIMEOUT, error="timeout"),
        warm(3, status=Status.THROTTLED),
    )
    said = call("reprice", "last", "--json").json
    assert said["conditions"][0]["per_million_usd"] == pytest.approx(1.86667)
    assert said["total_usd"] == pytest.approx(1.86667e-6 + 16.8667e-6)
    assert said["old_total_usd"] is None
    assert "1 without figures of the provider are left out" in call("reprice", "last").stdout


def test_another_provider_follows_from_durations_and_is_an_estimate(call: Call, sebsx: Cli) -> None:
    figures = {"provider_duration_s": 0.1, "provider_init_s": 0.4, "provider_billed_s": 9.0}
    stored(sebsx.store, warm(1, **figures), provider="", region="")
    row = call("reprice", "last", "--as", "aws:us-east-1", "--json").json["conditions"][0]
    assert row["per_million_usd"] == pytest.approx(0.2 + 0.5 * 16.6667)
    assert row["parts_per_million_usd"]["init"] == pytest.approx(0.4 * 16.6667)
    assert row["estimate"] == "yes"
    gen1 = call("reprice", "last", "--as", "gcp:us-central1", "--scheme", "gen1", "--json").json["conditions"][0]
    assert gen1["per_million_usd"] == pytest.approx(2.05)  # 100 ms; its initialisation is not billed


def test_another_provider_is_not_asked_for_snapshots_and_storage_of_this_one(call: Call, sebsx: Cli) -> None:
    restored = took(1, 0.1, provider_init_s=0.2, start_type=StartType.RESTORED)
    stored(sebsx.store, restored, ephemeral_mib=1024, start="cold")
    here, there = (
        call("reprice", "last", *words, "--json").json["conditions"][0]["parts_per_million_usd"]
        for words in ((), ("--as", "azure:eastus", "--scheme", "consumption"))
    )
    assert {"ephemeral", "restore"} <= set(here)
    assert set(there) == {"requests", "compute"}


@pytest.mark.parametrize("words", [("--architecture", "arm64"), ("--region", "eu-west-1")])
def test_another_place_of_the_same_provider_is_an_estimate(call: Call, sebsx: Cli, words: tuple[str, str]) -> None:
    stored(sebsx.store, took(1, 0.1))
    row = call("reprice", "last", *words, "--json").json["conditions"][0]
    usd = 1.53334 if "arm64" in words else 1.86667
    assert (row["per_million_usd"], row["estimate"]) == (pytest.approx(usd), "yes")


def test_rules_that_changed_since_the_run_are_applied_anew(call: Call, sebsx: Cli) -> None:
    figures = {"provider_duration_s": 0.1, "provider_init_s": 0.4, "provider_billed_s": 0.1}  # init was free then
    started_at = datetime(2025, 7, 1, tzinfo=UTC)
    stored(sebsx.store, warm(1, **figures), started_at=started_at)
    row = call("reprice", "last", "--book", "2025-08-01", "--json").json["conditions"][0]
    assert row["per_million_usd"] == pytest.approx(0.2 + 0.5 * 16.6667)
    assert row["estimate"] == "yes"


def test_save_stores_the_new_costs_beside_rows_that_stay_as_they_are(call: Call, sebsx: Cli) -> None:
    stored(sebsx.store, took(1, 0.1, 1e-6))
    before = sebsx.rows("SELECT * FROM invocation")
    assert call("reprice", "last", "--save", "--json").code == 0
    assert sebsx.rows("SELECT * FROM invocation") == before
    rows = sebsx.rows(
        "SELECT v.value, v.text, v.deployment_id, v.cell_id FROM run_value v JOIN metric m ON m.id = v.metric_id "
        "WHERE m.name = 'reprice.cost_usd'"
    )
    ((usd, text, deployment, cell),) = rows
    assert (usd, deployment, cell) == (pytest.approx(1.86667e-6), 1, 1)
    said = json.loads(text)
    assert (said["provider"], said["effective"], said["region"]) == ("aws", "2025-08-01", "us-east-1")
    assert (said["architecture"], said["scheme"], said["invocations"]) == ("x86_64", "on-demand", 1)
    assert len(said["sha256"]) == 64
    assert said["estimate"] is False


def test_nothing_is_saved_unasked(call: Call, sebsx: Cli) -> None:
    stored(sebsx.store, took(1, 0.1))
    values = sebsx.count("run_value")
    assert call("reprice", "last").code == 0
    assert sebsx.count("run_value") == values


@pytest.mark.parametrize(
    ("run", "words", "error"),
    [
        ({"provider": ""}, (), "platform 'elsewhere' names no price list; name prices by --as PROVIDER:REGION"),
        ({"region": ""}, (), "no region is known for prices of 'aws'; name one with --region"),
        ({"region": "mars"}, (), "region 'mars' of price book aws:"),
        ({}, ("--as", "aws:us-east-11"), "did you mean 'us-east-1'"),
        ({}, ("--as", "awss:us-east-1"), "did you mean 'aws'"),
        ({}, ("--as", "gcp"), "no region is known for prices of 'gcp'"),
        ({}, ("--as", "aws:us-east-1", "--region", "eu-west-1"), "give one"),
        ({}, ("--book", "2020-01-01"), "the first is of 2025-08-01"),
        ({}, ("--scheme", "gen1"), "billing scheme 'gen1' of price book aws:2025-08-01 is not known"),
        ({}, ("--architecture", "riscv"), "has arm64, x86_64"),
        ({"memory_mib": 8192}, ("--as", "azure:eastus"), "no price above 4096 MiB"),
    ],
)
def test_mistake_is_one_clear_line(
    call: Call, sebsx: Cli, run: dict[str, Any], words: tuple[str, ...], error: str
) -> None:
    stored(sebsx.store, took(1, 0.1), **run)
    call("reprice", "last", *words).assert_fails(2, error)


def test_run_without_figures_of_a_provider_is_refused(call: Call, sebsx: Cli) -> None:
    stored(sebsx.store, warm(1))
    call("reprice", "last").assert_fails(2, RUN, "has no durations or billed times of a provider")


def test_break_even_is_what_the_machine_costs_over_what_an_invocation_costs(call: Call, sebsx: Cli) -> None:
    stored(sebsx.store, took(1, 0.1, 3e-6), took(2, 0.1, 4.08e-6))  # mean 3.54 per million, as published
    words = ("prices", "break-even", "last", "--vm-per-hour", "0.0116")
    (row,) = call(*words, "--requests-per-s", "2", "--json").json["conditions"]
    assert row["per_hour"]["value"] == pytest.approx(3275, rel=0.005)
    assert row["per_hour"]["note"] == "n too small"
    assert row["per_s"] == pytest.approx(row["per_hour"]["value"] / 3600)
    assert row["month_usd"] == pytest.approx(3.54e-6 * 2 * 730 * 3600)
    assert row["vm_month_usd"] == pytest.approx(0.0116 * 730)
    assert "3277" in call(*words).stdout


def test_break_even_counts_anew_by_other_prices(call: Call, sebsx: Cli) -> None:
    stored(sebsx.store, took(1, 0.1), provider="", region="")
    words = ("prices", "break-even", "last", "--vm-per-hour", "0.0116")
    call(*words).assert_fails(2, "has a cost; name prices by --as PROVIDER:REGION")
    (row,) = call(*words, "--as", "aws:us-east-1", "--json").json["conditions"]
    assert row["per_hour"]["value"] == pytest.approx(0.0116 / 1.86667e-6)


def test_break_even_has_the_interval_of_the_mean_cost_upside_down(call: Call, sebsx: Cli) -> None:
    costs = [1e-6 + n * 1e-8 for n in range(40)]
    stored(sebsx.store, *(took(number, 0.1, cost) for number, cost in enumerate(costs, start=1)))
    (row,) = call("prices", "break-even", "last", "--vm-per-hour", "0.01", "--json").json["conditions"]
    interval = mean_interval(costs)
    assert row["per_hour"]["low"] == pytest.approx(0.01 / interval.high)
    assert row["per_hour"]["high"] == pytest.approx(0.01 / interval.low)
    assert row["per_hour"]["low"] < row["per_hour"]["value"] < row["per_hour"]["high"]


@pytest.mark.parametrize("price", ["-1", "cheap", "nan"])
def test_price_of_a_machine_must_be_a_number(call: Call, price: str) -> None:
    call("prices", "break-even", "last", "--vm-per-hour", price).assert_fails(2, "is not a number of 0 or more")


@pytest.mark.slow
def test_local_run_is_priced_as_if_it_had_run_elsewhere(call: Call, sebsx: Cli) -> None:
    ran = call("run", "benchmark", "sleep", "--start", "warm", "--repetitions", "3", "--memory", "512")
    assert ran.code == 0, ran.stderr
    call("reprice", "last").assert_fails(2, "platform 'local' names no price list")
    (row,) = call("reprice", "last", "--as", "aws:us-east-1", "--json").json["conditions"]
    durations = [row[0] for row in sebsx.rows("SELECT provider_duration_s FROM measured")]
    expected = sum(-(-round(1e9 * time_s) // 10**6) / 1000 for time_s in durations) / len(durations)
    assert row["per_million_usd"] == pytest.approx(0.2 + expected * 0.5 * 16.6667, rel=1e-9)
    assert row["estimate"] == "yes"


@pytest.mark.slow
def test_sweep_without_a_price_ends_with_a_choice_by_the_prices_named(call: Call, sebsx: Cli) -> None:
    words = ("run", "benchmark", "sleep", "--start", "warm", "--repetitions", "3", "--memory", "128,512", "--json")
    call(*words, "--price-as", "aws").assert_fails(2, "--price-as 'aws'", "aws:")
    call(*words, "--price-as", "aws:us-est-1").assert_fails(2, "'us-est-1'", "us-west-1")
    assert not sebsx.store.exists()  # told before anything ran
    report = call(*words, "--price-as", "aws:us-east-1").json["report"]
    assert any("costs of local are estimates" in finding["text"] for finding in report["findings"])
    sizes = next(table for table in report["tables"] if table["name"] == "breakdown")["rows"]
    costs = {row["memory_mib"]: row["million_usd"] for row in sizes}
    assert costs.keys() == {128, 512}
    assert all(usd > 0.2 for usd in costs.values())


@pytest.mark.slow
def test_saved_prices_are_used_where_a_run_has_none_and_the_last_ones_hold(call: Call, sebsx: Cli) -> None:
    with open_store(sebsx.store) as store:
        run = RunWriter(store)
        for memory_mib, latency_s in ((128, 0.2), (512, 0.1)):
            figures = {"provider_duration_s": latency_s, "cost_usd": None}
            run.add([latency_s] * 12, memory_mib=memory_mib, changes=figures)
        view = run.finish()
    (unpriced,) = [text for text in findings(call) if "no price is known" in text]
    assert f"sebsx reprice {view.run.id} --as PROVIDER:REGION --save" in unpriced
    assert not any("cheapest" in text for text in findings(call))
    for region in ("eu-central-1", "us-east-1"):
        assert call("reprice", "last", "--as", f"aws:{region}", "--save").code == 0
    said = findings(call)
    (estimate,) = [text for text in said if "are estimates" in text]
    assert "costs of fake are estimates: the times measured there, by the prices of aws us-east-1 x86_64" in estimate
    (cheapest,) = [text for text in said if "cheapest" in text]
    # 0.2 s of 128 MiB at $16.6667 per million GB-s, and $0.20 for a million requests.
    assert "cheapest is 128 MiB, 200 ms and $0.6167 per million" in cheapest


def findings(call: Call) -> list[str]:
    return [finding["text"] for finding in call("analyze", "last", "--json").json["findings"]]


def test_plan_says_what_ones_own_prices_make_of_it(call: Call) -> None:
    words = ("plan", "benchmark", "sleep", "--start", "warm", "--repetitions", "4", "--memory", "1024", "--json")
    assert call(*words).json["cost_usd"] is None
    plan = call(*words, "--set", "price_per_gb_s_usd=0.5").json
    assert plan["cost_usd"] == pytest.approx((4 + 1) * 0.1 * 0.5)  # and a call to warm the sandbox, of 0.1 s at 1 GiB
