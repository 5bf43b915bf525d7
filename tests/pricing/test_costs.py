"""What an invocation and a month cost: golden values worked out from the providers' published prices."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from sebsx import plugins
from sebsx.errors import UserError
from sebsx.pricing import PriceBook, Rates, Shelf, Usage
from sebsx.pricing.planning import break_even_per_hour

DAY = date(2026, 10, 1)
MILLION = 10**6


@cache
def book(provider: str) -> PriceBook:
    return Shelf(plugins.load(["prices"])).book(provider, DAY)


def rates(provider: str, region: str, scheme: str = "", architecture: str = "x86_64") -> Rates:
    return book(provider).rates(region, architecture, scheme)


def per_million(rates: Rates, usage: Usage) -> Decimal:
    return rates.invocation(usage, DAY).usd * MILLION


# Each is requests + time x memory x price by hand, for a million invocations, without free tier.
@pytest.mark.parametrize(
    ("provider", "region", "scheme", "architecture", "usage", "usd"),
    [
        ("aws", "us-east-1", "", "x86_64", Usage(1024, 0.1), "1.86667"),
        ("aws", "us-east-1", "", "arm64", Usage(1024, 0.1), "1.53334"),
        ("aws", "us-east-1", "", "x86_64", Usage(256, 1.23396, 0.463512), "7.27501415"),  # 1698 ms
        ("aws", "af-south-1", "", "x86_64", Usage(1024, 0.1), "2.48"),  # 0.27 + 2.21
        ("aws", "eu-central-1", "", "x86_64", Usage(1024, 0.1, ephemeral_mib=1536), "1.87034"),  # + 1 GB x 3.67e-9
        ("aws", "us-east-1", "", "x86_64", Usage(2048, 0.1, restored=True), "283.13294"),  # 3.53334 + 2 x 139.7998
        ("aws", "us-east-1", "provisioned", "x86_64", Usage(1024, 0.1, 1), "1.17222"),  # init is billed as waiting
        ("azure", "eastus", "consumption", "x86_64", Usage(1024, 0.1), "1.80"),
        ("azure", "eastus", "consumption", "x86_64", Usage(160, 0.03), "0.60"),  # 100 ms x 256 MB
        ("azure", "eastus", "consumption", "x86_64", Usage(1536, 0.03, max_memory_mib=160), "0.60"),
        ("azure", "eastus", "flex", "x86_64", Usage(512, 0.1), "13.40"),
        ("azure", "eastus", "flex", "x86_64", Usage(2048, 0.1), "52.40"),
        ("azure", "eastus", "flex", "x86_64", Usage(4096, 0.1), "104.40"),
        ("azure", "eastus", "flex", "x86_64", Usage(2048, 1.05), "57.60"),
        ("azure", "eastus", "flex", "x86_64", Usage(600, 0.1), "52.40"),  # the next size is 2048
        ("gcp", "us-central1", "request", "x86_64", Usage(1024, 0.1, cpus=Decimal(1)), "3.05"),
        ("gcp", "europe-west3", "request", "x86_64", Usage(1024, 0.1, cpus=Decimal(1)), "4.11"),
        ("gcp", "us-central1", "request", "x86_64", Usage(512, 0.1), "1.3242"),  # .4 + .333 x 2.4 + .5 x .25
        ("gcp", "us-central1", "instance", "x86_64", Usage(1024, 0.1, cpus=Decimal(1)), "2.0"),
        ("gcp", "us-central1", "gen1", "x86_64", Usage(1024, 0.1), "2.05"),
        ("gcp", "us-central1", "gen1", "x86_64", Usage(256, 0.12), "1.325"),  # 200 ms
    ],
)
def test_million_invocations_cost_what_the_price_list_says(
    provider: str, region: str, scheme: str, architecture: str, usage: Usage, usd: str
) -> None:
    assert abs(per_million(rates(provider, region, scheme, architecture), usage) - Decimal(usd)) < Decimal("1e-9")


def test_time_is_rounded_up_to_a_step_and_binary_noise_is_no_step() -> None:
    on_demand = rates("aws", "us-east-1").scheme
    assert on_demand.billed_s(Decimal("0.1001")) == Decimal("0.101")
    request = rates("gcp", "us-central1")
    assert per_million(request, Usage(1024, 0.1 + 0.2)) == per_million(request, Usage(1024, Decimal("0.3")))
    assert per_million(request, Usage(1024, 0.301)) == per_million(request, Usage(1024, 0.4))


def test_init_is_billed_from_the_day_of_the_change() -> None:
    prices = rates("aws", "us-east-1")
    usage = Usage(1024, 0.1, 0.4)
    before, after = (prices.invocation(usage, day) for day in (date(2025, 7, 31), date(2025, 8, 1)))
    assert "init" not in before.parts
    assert before.usd * MILLION == Decimal("1.86667")
    assert after.parts["init"] * MILLION == Decimal("6.66668")  # 0.4 s
    assert after.usd - before.usd == after.parts["init"]


def test_parts_add_up_exactly_and_name_what_they_are_for() -> None:
    usage = Usage(1769, 0.12345, 0.07, restored=True, ephemeral_mib=1000, egress_bytes=2**30)
    cost = rates("aws", "us-east-1").invocation(usage, DAY)
    assert set(cost.parts) == {"requests", "compute", "init", "ephemeral", "restore", "egress"}
    assert cost.usd == sum(cost.parts.values())
    assert cost.parts["egress"] == Decimal("0.09")
    assert cost.parts["compute"] == Decimal("0.124") * 1769 / 1024 * Decimal("0.0000166667")
    total_s = Decimal("0.194")
    assert cost.parts["compute"] + cost.parts["init"] == total_s * 1769 / 1024 * Decimal("0.0000166667")
    assert cost.parts["ephemeral"] == total_s * 488 / 1024 * Decimal("0.0000000309")


def test_what_the_provider_billed_decides_and_is_no_estimate() -> None:
    prices = rates("aws", "us-east-1")
    told = prices.invocation(Usage(1024, 0.1, 0.3, billed_s=0.5), DAY)
    assert told.usd * MILLION == Decimal("0.2") + Decimal("8.33335")
    assert told.parts["init"] == Decimal("0.4") * Decimal("0.0000166667")  # all but the handler's 100 ms
    assert not told.estimate
    assert prices.invocation(Usage(1024, 0.1, 0.3), DAY).estimate
    assert rates("gcp", "us-central1").invocation(Usage(1024, 0.1, billed_s=0.1), DAY).estimate  # instances are billed


@pytest.mark.parametrize(
    ("region", "memory_mib", "cpus", "usd"),
    [
        ("us-central1", 1024, Decimal(1), "0.000005"),  # 0.0000025 each of a vCPU and a GiB
        ("europe-west3", 2048, None, "0.0000105"),  # 0.0000035 each of the vCPU that comes with 2 GiB, and of these
    ],
)
def test_idle_minimum_instance_costs_its_processor_and_memory(
    region: str, memory_mib: int, cpus: Decimal | None, usd: str
) -> None:
    assert rates("gcp", region).ready_usd_s(Usage(memory_mib, 0.0, cpus=cpus)) == Decimal(usd)


def test_month_pays_each_tier_at_its_own_price() -> None:
    usage = Usage(10240, 1)
    month = rates("aws", "us-east-1").month(usage, 1000)  # 2.628e9 invocations, 26.28e9 GB-s
    compute = 6 * Decimal("16666.7") + 9 * Decimal(15000) + Decimal("11.28") * Decimal("13333.4")
    assert month.parts == {"requests": Decimal("525.6"), "compute": compute}


def test_free_tier_is_off_unless_asked_for() -> None:
    prices, usage = rates("aws", "us-east-1"), Usage(1024, 0.1)
    count = Decimal(2628000)  # one a second
    assert prices.month(usage, 1).usd == count * Decimal("0.00000186667")
    free = prices.month(usage, 1, free_tier=True)
    assert free.parts["requests"] == (count - 1_000_000) * Decimal("0.0000002")
    assert free.parts.get("compute", 0) == 0  # 262800 GB-s of 400000


def test_free_tier_is_not_for_provisioned_concurrency() -> None:
    prices, usage = rates("aws", "us-east-1", "provisioned"), Usage(1024, 0.1)
    assert prices.month(usage, 1, free_tier=True) == prices.month(usage, 1)
    out = Usage(1024, 0.1, egress_bytes=2**20)  # but what is sent to the internet is the account's
    sent = Decimal(2628000) / 1024
    assert prices.month(out, 1, free_tier=True).parts["egress"] == (sent - 100) * Decimal("0.09")


@pytest.mark.parametrize(
    ("region", "scheme", "usage", "free_usd"),
    [
        # 2 M requests and all 262,800 GB-s are free; of 367,920 GHz-s (2.628 M x 0.1 s x 1.4 GHz) 200,000.
        ("us-central1", "gen1", Usage(1024, 0.1), Decimal("0.8") + Decimal(262800) * Decimal("0.0000025") + 2),
        # 262,800 vCPU-s and GiB-s: 180,000 and all are free, and 2 M requests.
        (
            "us-central1", "request", Usage(1024, 0.1, cpus=Decimal(1)),
            Decimal("0.8") + Decimal(180000) * Decimal("0.000024") + Decimal(262800) * Decimal("0.0000025"),
        ),
        # In tier 2 the same sum is free, so fewer units.
        (
            "europe-west3", "request", Usage(1024, 0.1, cpus=Decimal(1)),
            Decimal("0.8") + Decimal(128571) * Decimal("0.0000336") + Decimal(257142) * Decimal("0.0000035"),
        ),
    ],
)  # fmt: skip
def test_free_tier_of_google_covers_compute(region: str, scheme: str, usage: Usage, free_usd: Decimal) -> None:
    prices = rates("gcp", region, scheme)
    assert prices.month(usage, 1).usd - prices.month(usage, 1, free_tier=True).usd == free_usd


def test_arm_breaks_even_at_a_quarter_more_time() -> None:
    x86, arm = (rates("aws", "us-east-1", architecture=name) for name in ("x86_64", "arm64"))
    slower = arm.invocation(Usage(1024, Decimal("1.25")), DAY).usd
    assert abs(slower - x86.invocation(Usage(1024, 1), DAY).usd) < Decimal("1e-9")


def test_memory_beyond_the_largest_size_has_no_price() -> None:
    with pytest.raises(UserError, match=r"memory of 8192 MiB: 'flex' has no price above 4096 MiB"):
        rates("azure", "eastus").invocation(Usage(8192, 1), DAY)
    with pytest.raises(UserError, match="no price above 32768 MiB"):
        rates("gcp", "us-central1").invocation(Usage(40000, 1), DAY)


def test_what_has_no_price_is_never_free() -> None:
    with pytest.raises(UserError, match="'egress' has no price in 'eu-west-1'"):
        rates("aws", "eu-west-1").invocation(Usage(128, 1, egress_bytes=1), DAY)


@pytest.mark.parametrize(
    ("meter", "quantity", "usd"),
    [
        ("object.put", 1000, "0.005"),
        ("object.get", 1000, "0.0004"),
        ("object.stored", 60_000, "1371.2"),  # 51200 x .023 + 8800 x .022
        ("table.write", 1_000_000, "0.625"),
        ("table.read", 1_000_000, "0.125"),
        ("workflow.transition", 1000, "0.025"),
        ("queue.request", 1_000_000, "0.4"),
        ("egress", 10_241, "921.685"),
    ],
)
def test_services_around_functions_have_their_prices(meter: str, quantity: int, usd: str) -> None:
    assert book("aws").service("us-east-1", meter).of(Decimal(quantity)) == Decimal(usd)


def test_waiting_under_provisioned_concurrency_has_a_price_of_its_own() -> None:
    for architecture, usd in (("x86_64", "0.01500012"), ("arm64", "0.01200024")):  # a GB for an hour
        price = book("aws").service("us-east-1", "reserved", architecture, "provisioned")
        assert price.of(Decimal(3600)) == Decimal(usd)


def test_first_gigabytes_out_are_free_for_those_who_ask() -> None:
    price = book("aws").service("us-east-1", "egress")
    assert price.of(Decimal(150), free_tier=True) == Decimal("4.5")


# Published prices and break-even of SeBS's benchmarks on AWS Lambda against a t2.micro of $0.0116 an hour, rounded as
# there. Source: Copik et al., SeBS: a serverless benchmark suite (Middleware'21), table of break-even points.
TABLE = list(csv.DictReader((Path(__file__).parent / "data" / "break_even.csv").read_text().splitlines()))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['config']} {row['benchmark']}")
def test_break_even_agrees_with_the_published_table(row: dict[str, str]) -> None:
    per_hour = break_even_per_hour(Decimal("0.0116"), Decimal(row["price_per_million_usd"]) / MILLION)
    assert float(per_hour) == pytest.approx(float(row["break_even_requests_per_hour"]), rel=0.005)


def test_table_of_break_even_is_whole() -> None:
    assert len(TABLE) == 12


def test_free_invocations_have_no_break_even() -> None:
    with pytest.raises(UserError, match="nothing breaks even"):
        break_even_per_hour(Decimal("0.01"), Decimal())
