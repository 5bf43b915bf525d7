"""`sebsx reprice` and `sebsx prices break-even`: what stored runs would cost by other prices, and against a machine."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from math import fsum
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import App, command
from sebsx.cli.options import names_runs
from sebsx.cli.values import Read, day, exact
from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sebsx.contracts.analyzers import Estimate, Table
    from sebsx.contracts.runs import RunView
    from sebsx.reading.repricing import PriceChoice, Repriced

MILLION = 1_000_000
# Columns that tables of prices are read for.
_ASKED_FOR = frozenset({"usd", "old", "new", "change", "per_million_usd", "per_hour"})


def today() -> date:
    """Return the day of today, in UTC."""
    return datetime.now(UTC).date()


def _price_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which prices are meant."""
    options = (
        click.option("--book", "on_day", type=Read(day, "date"), help="Prices in force on this day [default: today]."),
        click.option(
            "--as",
            "place",
            metavar="PROVIDER[:REGION]",
            shell_complete=completing.place,
            help="As if it had run there; always an estimate.",
        ),
        click.option("--region", default="", help="Region whose prices are used [default: the run's]."),
        click.option(
            "--architecture",
            default="",
            shell_complete=completing.architecture,
            help="As if it had run on it [default: the run's].",
        ),
        click.option("--scheme", default="", help="Billing scheme of the book [default: its first]."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _price_choice(values: dict[str, Any]) -> PriceChoice:
    from sebsx.reading.repricing import PriceChoice  # heavy

    provider, _, region = (values["place"] or "").partition(":")
    if region and values["region"] not in ("", region):
        raise UserError(f"--as says region {region!r} and --region says {values['region']!r}; give one")
    return PriceChoice(
        values["on_day"] or today(), provider, region or values["region"], values["architecture"], values["scheme"]
    )


def money_table(name: str, columns: dict[str, str], rows: Sequence[dict[str, Any]]) -> Table:
    """Return a table whose columns of money and shares are shown as such; what was asked for never gives way."""
    from sebsx.contracts.analyzers import Column, Table  # heavy

    units = {"change": "1", "per_hour": "count", "n": "count"}
    return Table(
        name,
        columns=[
            Column(key, title, unit="USD" if key.endswith("usd") else units.get(key, ""), essential=key in _ASKED_FOR)
            for key, title in columns.items()
        ],
        rows=rows,
    )


@command("break-even")
@names_runs(many=False)
@click.option("--vm-per-hour", type=Read(exact, "usd"), required=True, help="Price of a machine for an hour.")
@click.option("--requests-per-s", type=Read(exact, "n"), help="Compare a month at this rate as well.")
@_price_options
def break_even_command(
    app: App,
    run: str | None,
    campaign: str | None,
    vm_per_hour: Decimal,
    requests_per_s: Decimal | None,
    **values: Any,
) -> None:
    """Find the load above which a rented machine costs less.

    It does not tell whether the machine can serve that load: measure it. Costs are those stored with the run; with
    --as or --book they are recalculated.
    """
    from sebsx.model.prices import MONTH_S
    from sebsx.pricing.planning import break_even_per_hour
    from sebsx.reading.conditions import conditions, identity_columns
    from sebsx.reading.listing import chosen

    repriced = any(values[name] for name in ("on_day", "place", "region", "architecture", "scheme"))
    with app.open_store() as store:
        view = store.view(chosen(store, [] if run is None else [run], campaign)[-1])
        if repriced:
            found = [(item.condition, item.costs_usd) for item in _reprice(app, view, values)]
        else:
            found = [
                (item, tuple(costs.tolist()))
                for item in conditions([view])
                if len(costs := item.counted.known("cost_usd"))
            ]
    if not found:
        raise UserError(f"no invocation of run {view.run.id!r} has a cost; name prices by --as PROVIDER:REGION")
    columns = {column.key: column.title for column in identity_columns([item for item, _ in found])}
    rows = []
    for condition, costs_usd in found:
        usd = Decimal(repr(fsum(costs_usd) / len(costs_usd)))
        per_hour = float(break_even_per_hour(vm_per_hour, usd))
        row = {key: condition.identity.get(key) for key in columns}
        row |= {"per_million_usd": float(usd * MILLION), "per_s": per_hour / 3600}
        row["per_hour"] = _break_even(float(vm_per_hour), per_hour, costs_usd)
        if requests_per_s is not None:
            row["month_usd"] = float(usd * requests_per_s * MONTH_S)
            row["vm_month_usd"] = float(vm_per_hour * MONTH_S / 3600)
        rows.append(row)
    columns |= {"per_million_usd": "cost per million", "per_hour": "break-even /h", "per_s": "/s"}
    columns |= {} if requests_per_s is None else {"month_usd": "month", "vm_month_usd": "month of the machine"}
    document = {"run": view.run.id, "vm_per_hour_usd": float(vm_per_hour), "conditions": rows}
    app.console.result(document, money_table("", columns, rows))


def _break_even(vm_per_hour: float, per_hour: float, costs_usd: Sequence[float]) -> Estimate:
    """Return a break-even with the interval that follows from that of the mean cost."""
    from sebsx.contracts.analyzers import Estimate  # heavy
    from sebsx.reading.estimates import TOO_SMALL
    from sebsx.stats import TooFewSamplesError, mean_interval

    n = len(costs_usd)
    try:
        cost = mean_interval(costs_usd)
    except TooFewSamplesError:
        return Estimate(per_hour, n=n, note=TOO_SMALL)
    if cost.low <= 0:
        return Estimate(per_hour, n=n)
    return Estimate(per_hour, low=vm_per_hour / cost.high, high=vm_per_hour / cost.low, confidence=cost.coverage, n=n)


@command("reprice")
@names_runs(many=False)
@_price_options
@click.option("--save", is_flag=True, help="Store the new costs with the run, beside what was measured.")
def reprice_command(app: App, run: str | None, campaign: str | None, save: bool, **values: Any) -> None:
    """Recalculate the cost of RUN with the prices of another day, region or provider.

    \b
      sebsx reprice last --book 2026-09-06
      sebsx reprice last --as aws:us-east-1                       what this local run would have cost there
      sebsx reprice last --as aws:eu-central-1 --architecture arm64

    Costs are means of the invocations that count, per million, and totals of all measured ones. What was measured is
    never changed. Functions take another time on another provider or architecture, so such figures are estimates.
    """  # noqa: D301  # \\b keeps click from folding the lines
    from sebsx.reading import saved_prices  # heavy
    from sebsx.reading.conditions import identity_columns
    from sebsx.reading.listing import chosen

    with app.open_store() as store:
        view = store.view(chosen(store, [] if run is None else [run], campaign)[-1])
        found = _reprice(app, view, values)
        if save:
            saved_prices.save(store, found)
    columns = {column.key: column.title for column in identity_columns([item.condition for item in found])}
    rows = [_repriced_row(item, columns) for item in found]
    olds = [item.old_total_usd for item in found]
    total = sum((item.total_usd for item in found), Decimal())
    old_total = None if None in olds else sum(usd for usd in olds if usd is not None)
    document = {"run": view.run.id, "conditions": rows, "old_total_usd": old_total, "total_usd": float(total)}
    columns |= {"n": "n", "old_per_million_usd": "was", "per_million_usd": "cost per million", "change": "change"}
    columns |= {"book": "by", "estimate": "estimate"}
    was = "" if old_total is None else f", was ${old_total:.6g}"
    left = sum(item.unpriced for item in found)
    text = f"all measured invocations: ${float(total):.6g}{was}"
    text += f"; {left} without figures of the provider are left out" if left else ""
    app.console.result(document, money_table("", columns, rows), text=text)
    if save:
        app.console.note(f"stored with run {view.run.id}; analyze and report use it where nothing else was paid")


def _reprice(app: App, view: RunView, values: dict[str, Any]) -> list[Repriced]:
    from sebsx.reading.repricing import reprice  # heavy

    return reprice(view, app.registry, _price_choice(values))


def _repriced_row(item: Repriced, columns: dict[str, str]) -> dict[str, Any]:
    new = float(item.cost.usd * MILLION)
    old = None if item.old_usd is None else item.old_usd * MILLION
    return {
        **{key: item.condition.identity.get(key) for key in columns},
        "n": len(item.costs_usd),
        "old_per_million_usd": old,
        "per_million_usd": new,
        "change": None if not old else new / old - 1,
        "parts_per_million_usd": {name: float(usd * MILLION) for name, usd in item.cost.parts.items()},
        "book": f"{item.rates.book} {item.rates.region} {item.rates.architecture}",
        "prices": item.rates.identity,
        "estimate": "yes" if item.cost.estimate else "no",
    }


COMMANDS = (reprice_command,)
