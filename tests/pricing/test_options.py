"""Options that are priced: processors, graphics processors and sandboxes that are kept ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import UserError
from sebsx.model import Deployment, FunctionConfig, ProviderRecord
from sebsx.pricing import Usage
from sebsx.pricing.bookfile import read
from sebsx.pricing.planning import PlannedCost, estimate
from sebsx.pricing.pricer import Pricer
from sebsx.running import orchestrator
from sebsx.running.limits import Limits, Meter
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from tests.orchestration import Listener, run_spec, store_in

BOOK = """
provider = "gpus"
effective = 2026-09-06
retrieved = 2026-09-06
source = "https://prices.example"

[scheme.busy]
step_s = 0.1
cpu_by_memory = [[1024, 0.5], [4096, 2]]

[scheme.ready]
step_s = 0.1
cpu_by_memory = [[1024, 0.5], [4096, 2]]
"""
PRICES = {"request": "0.001", "memory": "0.01", "cpu": "0.1", "gpu": "1"}


@pytest.fixture
def book(tmp_path: Path):
    rows = [
        f'[[price]]\nmeter = "{meter}"\nunit = "u"\nregions = ["here"]\nusd = {usd}\n' for meter, usd in PRICES.items()
    ]
    rows += [
        f'[[price]]\nmeter = "{meter}"\nunit = "u"\nscheme = "ready"\nregions = ["here"]\nusd = {usd}\n'
        for meter, usd in {"reserved": "0.002", "reserved-cpu": "0.02"}.items()
    ]
    path = tmp_path / "gpus-2026-09-06.toml"
    path.write_text(BOOK + "\n".join(rows))
    return read(path)


class Shelf:
    def __init__(self, book: Any) -> None:
        self._book = book

    def book(self, _provider: str, _at: date) -> Any:
        return self._book


class Cloud(FakePlatform):
    name = "cloud"
    provider = "gpus"
    region = "here"  # type: ignore[assignment]

    def billing(self, options):
        found = super().billing(options)
        return replace(found, scheme="ready") if found.ready else found


@pytest.fixture
def cloud(book, tmp_path: Path) -> Cloud:
    return Cloud(FakeSettings(), context_for(Cloud, tmp_path, prices=Pricer(Shelf(book))))  # type: ignore[arg-type]


def usd(cloud: Cloud, **options: Any) -> float | None:
    return cloud.context.prices.estimate_usd(cloud, 1024, "x86_64", 2.0, 0.0, options)


def test_processors_and_graphics_processors_are_priced_by_the_second(cloud: Cloud) -> None:
    plain = 0.001 + 2 * 0.01
    assert usd(cloud) == pytest.approx(plain + 2 * 0.1 * 1)  # one vCPU is this platform's default
    assert usd(cloud, vcpu=2.0) == pytest.approx(plain + 2 * 0.1 * 2)
    assert usd(cloud, vcpu=2.0, gpu=4) == pytest.approx(plain + 2 * 0.1 * 2 + 2 * 4)


def test_what_is_reported_back_is_priced(cloud: Cloud) -> None:
    config = FunctionConfig("f", memory_mib=1024, timeout_s=10.0, architecture="x86_64", options={"vcpu": 1.0})
    told = {"memory_mib": 1024, "architecture": "x86_64", "vcpu": 2.0, "gpu": 1}
    deployment = Deployment("f", config, effective=told, region="here")
    cost = cloud.context.prices.cost_usd(cloud, deployment, ProviderRecord("r", duration_s=1.0, billed_s=1.0))
    assert cost == pytest.approx(0.001 + 0.01 + 0.2 + 1)
    assert cloud.options_of(deployment) == {"vcpu": 2.0, "gpu": 1}


def test_what_a_book_has_no_price_for_is_not_free(book) -> None:
    rates = book.rates("here", "x86_64")
    without = replace(rates, prices={meter: price for meter, price in rates.prices.items() if meter != "gpu"})
    with pytest.raises(UserError, match="no price"):
        without.invocation(Usage(1024, 1.0, gpus=1))


def test_sandboxes_that_are_kept_ready_cost_whether_called_or_not(cloud: Cloud) -> None:
    ready = cloud.context.prices.ready_usd_s
    assert ready(cloud, 1024, "x86_64", {}) == 0
    assert ready(cloud, 2048, "x86_64", {"min_instances": 3, "vcpu": 2.0}) == pytest.approx(3 * (2 * 0.002 + 2 * 0.02))


def test_plan_and_bound_hold_what_is_asked_for(cloud: Cloud) -> None:
    factors = {"memory_mib": 1024, "architecture": "x86_64", "timeout_s": 10.0}

    def planned(**options: Any) -> PlannedCost:
        return estimate(cloud, factors, 5, 1.0, most_calls=7, provision=cloud.provision(1024, options, "x86_64"))

    plain, gpu, ready = planned(), planned(gpu=1), planned(min_instances=2)
    waiting = 2 * (0.002 + 0.02)
    assert gpu.expected_usd == pytest.approx(plain.expected_usd + 5 * 1)
    assert gpu.most_usd == pytest.approx(plain.most_usd + 7 * 10)
    assert ready.expected_usd == pytest.approx(plain.expected_usd + 5 * waiting)
    assert ready.most_usd == pytest.approx(plain.most_usd + 7 * waiting * (10 + cloud.init_timeout_s))
    assert planned(gpu=9) == PlannedCost(None, None), "what cannot be had costs nothing"


def test_run_stores_what_waiting_sandboxes_cost_and_counts_it(book, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("sebsx.pricing.shelf.Shelf.book", lambda _self, _provider, _at: book)
    counted: list[float] = []
    monkeypatch.setattr(Meter, "ready", lambda _self, usd: counted.append(usd))
    spec = replace(run_spec({"cloud": FakeSettings()}), options={"min_instances": (0, 2)})
    with store_in(tmp_path) as store:
        run = orchestrator.run(spec, registry_with(Cloud), store, Listener())
        found = [value for value in store.view(run.id).values() if value.metric == "deployment.ready_usd"]
    assert [value.value for value in found] == counted
    assert len(counted) == 1
    assert 0 < counted[0] < 60 * 2 * (0.01 + 0.02)


def test_ready_sandboxes_leave_less_of_the_budget() -> None:
    meter = Meter(Limits(budget_usd=1.0))
    meter.ready(0.75)
    assert meter.spent_usd == 0.75
