"""What a platform gets for naming a price list: costs, the book stored with the run, and the cost of a plan."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sebsx import plugins
from sebsx.model import Deployment, FunctionConfig, ProviderRecord
from sebsx.pricing import Shelf, Usage
from sebsx.pricing.planning import PlannedCost, estimate
from sebsx.running import orchestrator
from sebsx.settings import setting
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from tests.orchestration import Listener, run_spec, store_in


@dataclass(frozen=True)
class RegionSettings(FakeSettings):
    region: str = setting("us-east-1", help="where")


class Priced(FakePlatform):
    """A platform that does no more than name its price list."""

    Settings = RegionSettings
    provider = "aws"
    architectures = ("x86_64", "arm64")


CONFIG = FunctionConfig("f", memory_mib=1024, timeout_s=10, architecture="x86_64")


def platform(tmp_path: Path, region: str = "us-east-1") -> Priced:
    return Priced(RegionSettings(region=region), context_for(Priced, tmp_path))


def usd(priced: Priced, deployment: Deployment, record: ProviderRecord) -> float | None:
    return priced.context.prices.cost_usd(priced, deployment, record)


def deployed(region: str = "us-east-1", **effective: Any) -> Deployment:
    return Deployment("f", CONFIG, effective={"memory_mib": 1024, "architecture": "x86_64", **effective}, region=region)


def test_cost_follows_from_the_record_and_what_the_platform_reports(tmp_path: Path) -> None:
    priced = platform(tmp_path)
    record = ProviderRecord("r", duration_s=0.1, billed_s=0.1)
    assert usd(priced, deployed(), record) == pytest.approx(1.86667e-6, rel=1e-12)
    assert usd(priced, deployed(architecture="arm64"), record) == pytest.approx(1.53334e-6, rel=1e-12)
    assert usd(priced, deployed(memory_mib=2048), record) == pytest.approx(3.53334e-6, rel=1e-12)
    assert usd(priced, deployed(ephemeral_mib=1536), record) == pytest.approx(1.86667e-6 + 3.09e-9, rel=1e-12)
    assert usd(priced, deployed(billing_scheme="provisioned"), record) == pytest.approx(1.17222e-6, rel=1e-12)
    assert usd(priced, deployed("af-south-1"), record) == pytest.approx(2.48e-6, rel=1e-12)


def test_init_is_billed_where_the_provider_told_no_billed_time(tmp_path: Path) -> None:
    record = ProviderRecord("r", duration_s=0.1, init_s=0.4)
    assert usd(platform(tmp_path), deployed(), record) == pytest.approx(0.2e-6 + 0.5 * 16.6667e-6, rel=1e-12)


def test_cost_that_a_record_brings_is_kept_and_a_record_without_times_has_none(tmp_path: Path) -> None:
    priced = platform(tmp_path)
    assert usd(priced, deployed(), ProviderRecord("r", billed_s=1, cost_usd=7.0)) == 7.0
    assert usd(priced, deployed(), ProviderRecord("r")) is None


def test_region_without_a_price_costs_nothing_known_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    priced = platform(tmp_path)
    record = ProviderRecord("r", billed_s=0.1)
    with caplog.at_level(logging.WARNING):
        assert [usd(priced, deployed("mars"), record) for _ in range(3)] == [None, None, None]
        assert [usd(priced, deployed("us-gov-west-1", ephemeral_mib=1024), record) for _ in range(3)] == [None] * 3
    assert len(caplog.messages) == 2
    assert "cost on 'fake' is not known: region 'mars' of price book aws:2025-08-01" in caplog.messages[0]
    assert "'ephemeral' has no price in 'us-gov-west-1'" in caplog.messages[1]


def test_run_stores_costs_and_the_book_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    registry = registry_with(Priced)
    with store_in(tmp_path) as store:
        wanted = run_spec({"fake": RegionSettings()}, memory_mib=(1024,))
        view = store.view(orchestrator.run(wanted, registry, store, Listener()).id)
        (value,) = [value for value in view.values() if value.metric == "price_book"]
        assert value.deployment_id == view.deployments()[0].id
        rows = list(view.rows("measured", ["cost_usd", "provider_billed_s"]))
    book = Shelf(registry).book("aws", datetime.now(UTC).date())
    said = {"provider": "aws", "effective": book.effective.isoformat(), "sha256": book.sha256}
    assert json.loads(value.text or "") == {
        **said, "region": "us-east-1", "architecture": "x86_64", "scheme": "on-demand",
    }  # fmt: skip
    assert len(rows) == 3
    assert all(
        row["cost_usd"] == pytest.approx(2e-7 + row["provider_billed_s"] * 1.66667e-5, rel=1e-12) for row in rows
    )


def test_platform_without_prices_stores_no_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with store_in(tmp_path) as store:
        view = store.view(orchestrator.run(run_spec(), registry_with(FakePlatform), store, Listener()).id)
        assert [value for value in view.values() if value.metric == "price_book"] == []


FACTORS = {"memory_mib": 1024, "architecture": "x86_64", "timeout_s": 10.0}


def test_planned_cost_has_an_upper_bound_from_the_time_out(tmp_path: Path) -> None:
    planned = estimate(platform(tmp_path), FACTORS, 100, 0.1, most_calls=310)
    assert planned.expected_usd == pytest.approx(100 * 1.86667e-6, rel=1e-9)
    assert planned.most_usd == pytest.approx(310 * (2e-7 + 20 * 1.66667e-5), rel=1e-9)  # and as long to initialise


def test_cold_calls_are_expected_to_pay_for_init(tmp_path: Path) -> None:
    planned = estimate(platform(tmp_path), FACTORS, 10, 0.1, init_s=0.4)
    assert planned.expected_usd == pytest.approx(10 * (2e-7 + 0.5 * 1.66667e-5), rel=1e-9)


def test_unknown_time_or_price_is_none(tmp_path: Path) -> None:
    unknown = estimate(platform(tmp_path), FACTORS, 10, None)
    assert unknown.expected_usd is None
    assert unknown.most_usd is not None
    free = FakePlatform(FakeSettings(), context_for(FakePlatform, tmp_path))
    assert estimate(free, FACTORS, 10, 0.1) == PlannedCost(None, None)


def test_invocations_of_one_billed_millisecond_cost_the_same(tmp_path: Path) -> None:
    rates = Shelf(plugins.load(["prices"])).book("aws", datetime.now(UTC).date()).rates("us-east-1", "x86_64")
    cost = {rates.invocation(Usage(1024, n / 1e4, 0.1, billed_s=n / 1e4 + 0.1)).usd for n in range(1, 2001)}
    assert len(cost) == 200  # 2000 times fall on 200 milliseconds
