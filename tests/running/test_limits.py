"""A budget and caps on invocations and time stop a run cleanly: what was measured stays, and it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sebsx import plugins
from sebsx.contracts.platforms import Platform
from sebsx.contracts.prices import NONE, Billing
from sebsx.errors import LimitReachedError, UserError
from sebsx.model import Deployment, FunctionConfig, RunStatus, Scalar, StartType
from sebsx.pricing import Pricer, Shelf
from sebsx.reading.units import show
from sebsx.running import orchestrator
from sebsx.running.limits import Limits, Meter, cost_of, described
from sebsx.running.orchestrator import RunSpec
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings
from sebsx.testing.registries import registry_with
from sebsx_load.experiment import Load
from sebsx_load.shapes import LoadSettings
from tests.orchestration import ECHO, Listener, failing, store_in
from tests.support import Call, Cli, assert_nothing_left

WARM = ("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions")
COLD = ("run", "benchmark", "sleep", "--size", "test", "--start", "cold", "--repetitions")
PRICED = ("--set", "price_per_gb_s_usd=0", "--set", "price_per_request_usd=0.001")
LIMIT = 1


class Priced(FakePlatform):
    """One USD for each second of a GiB, and one for a restore."""

    init_timeout_s = 3.0
    restores = False

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        return Billing(restores=self.restores)


class PerSecond(Pricer):
    def estimate_usd(
        self,
        platform: Platform[Any],
        memory_mib: int,
        architecture: str,
        duration_s: float,
        init_s: float = 0.0,
        options: Mapping[str, Scalar] = NONE,
    ) -> float:
        restored = platform.billing(options).restores and init_s
        return memory_mib / 1024 * (duration_s + init_s) + (1.0 if restored else 0.0)


@pytest.fixture
def platform(tmp_path: Path) -> Priced:
    prices = PerSecond(Shelf(plugins.load([])))
    return Priced(FakeSettings(), context_for(Priced, tmp_path, prices=prices))


DEPLOYMENT = Deployment(
    "f",
    FunctionConfig("f", memory_mib=512, timeout_s=4.0, architecture="x86_64"),
    effective={"memory_mib": 512, "architecture": "x86_64"},
)


class Sent:
    """What the meter reads of an invocation."""

    def __init__(
        self,
        cost_usd: float | None,
        latency_s: float = 0.0,
        start_type: StartType = StartType.COLD,
        attempts: int = 1,
    ) -> None:
        self.cost_usd = cost_usd
        self.latency_s = latency_s
        self.start_type = start_type
        self.attempts = attempts


def test_invocations_are_allowed_up_to_the_limit_and_those_of_before_count(platform: Priced) -> None:
    meter = Meter(Limits(max_invocations=10), invocations=6)
    meter.allow(platform, DEPLOYMENT, 4)
    with pytest.raises(LimitReachedError, match="limit of 10 invocations reached"):
        meter.allow(platform, DEPLOYMENT, 5)


def test_invocations_that_are_under_way_hold_their_share(platform: Priced) -> None:
    meter: Any = Meter(Limits(max_invocations=10))
    other = replace(DEPLOYMENT, id="g")
    meter.allow(platform, DEPLOYMENT, 4)
    meter.allow(platform, other, 5)
    with pytest.raises(LimitReachedError, match="limit of 10 invocations reached"):
        meter.allow(platform, DEPLOYMENT, 2)
    meter.used(platform, DEPLOYMENT, [Sent(0.1)] * 3)  # one is still under way
    meter.allow(platform, DEPLOYMENT)
    with pytest.raises(LimitReachedError):
        meter.allow(platform, other)

    meter = Meter(Limits(budget_usd=8.0))
    meter.allow(platform, DEPLOYMENT)
    meter.allow(platform, other)
    with pytest.raises(
        LimitReachedError, match=r"0\.000000 USD spent, 7\.000000 kept for what is under way, up to 3\.5"
    ):
        meter.allow(platform, other)
    meter.used(platform, DEPLOYMENT, [Sent(0.1)])
    meter.allow(platform, DEPLOYMENT, 44)


def test_first_invocation_is_taken_to_be_cold_and_to_last_until_its_time_out(platform: Priced) -> None:
    assert cost_of(platform, DEPLOYMENT, 4.0) == 2.0  # half a GiB for four seconds
    Meter(Limits(budget_usd=3.5)).allow(platform, DEPLOYMENT)  # and for three of initialisation
    with pytest.raises(LimitReachedError, match=r"budget of 3\.4 USD reached, 0\.000000 USD spent"):
        Meter(Limits(budget_usd=3.4)).allow(platform, DEPLOYMENT)


def test_fee_for_a_restore_counts_from_the_first_invocation_on(
    platform: Priced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Priced, "restores", True)
    with pytest.raises(LimitReachedError):
        Meter(Limits(budget_usd=4.4)).allow(platform, DEPLOYMENT)
    meter: Any = Meter(Limits(budget_usd=4.5))
    meter.allow(platform, DEPLOYMENT)
    meter.used(platform, DEPLOYMENT, [Sent(None, 0.5, StartType.RESTORED)])  # its record comes late
    assert meter.spent_usd == pytest.approx(1.5)


def test_warm_invocations_say_nothing_of_what_a_cold_one_costs(platform: Priced) -> None:
    meter: Any = Meter(Limits(budget_usd=3.0))
    meter.used(platform, DEPLOYMENT, [Sent(0.1, start_type=StartType.WARM)])
    meter.allow(platform, DEPLOYMENT)  # 0.1 and at most 1.5 of initialisation
    with pytest.raises(LimitReachedError):
        meter.allow(platform, DEPLOYMENT)
    meter.used(platform, DEPLOYMENT, [Sent(0.4)])
    meter.allow(platform, DEPLOYMENT, 6)


def test_what_was_sent_again_counts_as_often_as_it_was_sent(platform: Priced) -> None:
    meter: Any = Meter(Limits(budget_usd=2.0, max_invocations=3))
    meter.used(platform, DEPLOYMENT, [Sent(0.1), Sent(0.1, attempts=2)])
    assert (meter.invocations, meter.spent_usd) == (3, pytest.approx(0.3))
    with pytest.raises(LimitReachedError, match="limit of 3 invocations"):
        meter.allow(platform, DEPLOYMENT)


def test_later_ones_are_taken_to_cost_what_the_dearest_did(platform: Priced) -> None:
    meter: Any = Meter(Limits(budget_usd=2.0))
    meter.used(platform, DEPLOYMENT, [Sent(0.1), Sent(0.3), Sent(None, latency_s=0.2)])  # half a GiB for 0.2 s
    assert meter.spent_usd == pytest.approx(0.5)
    meter.allow(platform, DEPLOYMENT, 5)
    with pytest.raises(LimitReachedError, match=r"0\.500000 USD spent"):
        meter.allow(platform, DEPLOYMENT, 6)


def test_time_that_is_over_stops_it(platform: Priced) -> None:
    with pytest.raises(LimitReachedError, match="limit of 0 s reached"):
        Meter(Limits(max_time_s=0.0)).allow(platform, DEPLOYMENT)
    Meter(Limits(max_time_s=3600.0)).allow(platform, DEPLOYMENT)


def test_budget_is_refused_where_nobody_knows_a_price(tmp_path: Path) -> None:
    free = FakePlatform(FakeSettings(), context_for(FakePlatform, tmp_path))
    with pytest.raises(UserError, match="'fake' has no prices, so that --budget-usd cannot be held"):
        Limits(budget_usd=1.0).check([free])
    Limits(max_invocations=1).check([free])


@pytest.mark.slow
@pytest.mark.parametrize(("calls", "limits"), [(7, Limits(max_invocations=7)), (12, Limits())])
def test_phase_of_load_ends_at_a_limit(calls: int, limits: Limits, tmp_path: Path) -> None:
    settings: Any = LoadSettings(benchmark=ECHO, users=1, requests=10, warmups=2)
    request = RunSpec(Load(), settings, {"fake": FakeSettings()}, seed=1, limits=limits)
    with store_in(tmp_path) as store:
        run = orchestrator.run(request, registry_with(failing()), store, Listener())
        assert len(list(store.view(run.id).invocations())) == calls
        assert "generator.lateness_p99_s" in {value.metric for value in store.view(run.id).values()}
        assert run.status is (RunStatus.INTERRUPTED if limits.max_invocations else RunStatus.FINISHED)


def test_limits_are_described_as_far_as_they_are_set() -> None:
    assert described(Limits(budget_usd=0.5)) == {"budget_usd": 0.5}
    assert described(Limits()) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-invocations", "10"), "limit of 10 invocations reached"),
        (
            (*PRICED, "--budget-usd", "0.0105"),
            "budget of 0.0105 USD reached, 0.010000 USD spent, up to 0.001000 for what is next",
        ),
    ],
)
def test_run_stops_at_its_limit_keeps_its_data_and_goes_on(sebsx: Cli, options: tuple[str, ...], words: str) -> None:
    said = sebsx.say(*COLD, "14", *options)
    said.assert_fails(LIMIT, words, "what was measured is kept, resume with: sebsx run --resume ")
    assert sebsx.count("invocation") == 10
    ((run_id, status, error),) = sebsx.rows("SELECT ulid, status, error FROM run")
    assert (status, error) == ("interrupted", words)
    said = sebsx.say("run", "--resume", run_id, "--max-invocations", "100")
    assert said.code == 0, said.stderr
    assert sebsx.rows("SELECT count(*) FROM measured WHERE start_type = 'cold'") == [(14,)]


@pytest.mark.slow
def test_run_stops_when_its_time_is_over(sebsx: Cli) -> None:
    said = sebsx.say(*COLD, "100000", "--max-time", "2s")
    said.assert_fails(LIMIT, "limit of 2 s reached", "sebsx run --resume ")
    assert sebsx.count("invocation") > 1
    assert_nothing_left(sebsx.say)


def test_budget_without_a_price_is_a_mistake_of_the_user(sebsx: Cli, call: Call) -> None:
    call(*WARM, "1", "--budget-usd", "1").assert_fails(2, "platform 'local' has no prices", "--max-invocations")
    assert sebsx.count("run") == 0


def test_plan_tells_expected_cost_and_the_most_it_can_be(call: Call) -> None:
    words = ("--warmups", "2", "--max-attempts", "20", "--timeout", "3", "--memory", "256")
    plan = ("plan", *WARM[1:], "10", *words, *PRICED[2:], "--set", "price_per_gb_s_usd=0.5")
    document = call(*plan, "--json").json
    # Twenty attempts, and two warm-ups in each of ten sandboxes, until the time-out: a quarter of a GiB for 3 s;
    # initialisation costs nothing.
    assert document["cost_bound_usd"] == pytest.approx(40 * (0.25 * 3 * 0.5 + 0.001))
    assert 0.01 < document["cost_usd"] < document["cost_bound_usd"]
    assert document["cells"][0]["cost_bound_usd"] == document["cost_bound_usd"]
    text = call(*plan).stdout
    assert f"at most {show(document['cost_bound_usd'], 'USD')}" in text
    half, twice = (show(document["cost_usd"] * factor, "USD") for factor in (0.5, 2))
    assert f"costs {half} to {twice}" in text
