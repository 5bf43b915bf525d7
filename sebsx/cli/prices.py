"""`sebsx prices` and `sebsx reprice`: what providers charge, what changed, and what runs would cost."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli.app import App, Group, command
from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sebsx.analyzers import Table
    from sebsx.pricing import Change, Price, PriceBook
    from sebsx.repricing import Repriced, Target
    from sebsx.store import RunView

_MILLION = 1_000_000


class _Day(click.ParamType[date]):
    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2026-09-06", param, ctx)


class _Number(click.ParamType[Decimal]):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite() or number < 0:
            self.fail(f"{value!r} is not a number of 0 or more", param, ctx)
        return number


_DAY, _NUMBER = _Day(), _Number()


def _today() -> date:
    return datetime.now(UTC).date()


def _targeting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which prices are meant."""
    options = (
        click.option("--book", "day", type=_DAY, metavar="DATE", help="Prices in force on this day [default: today]."),
        click.option("--as", "place", metavar="PROVIDER[:REGION]", help="As if it had run there; always an estimate."),
        click.option("--region", default="", help="Region whose prices are used [default: the run's]."),
        click.option("--architecture", default="", help="As if it had run on it [default: the run's]."),
        click.option("--scheme", default="", help="Billing scheme of the book [default: its first]."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _target(values: dict[str, Any]) -> Target:
    from sebsx.repricing import Target  # heavy

    provider, _, region = (values["place"] or "").partition(":")
    if region and values["region"] not in ("", region):
        raise UserError(f"--as says region {region!r} and --region says {values['region']!r}; give one")
    return Target(
        values["day"] or _today(), provider, region or values["region"], values["architecture"], values["scheme"]
    )


@click.group("prices", cls=Group)
def prices_command() -> None:
    """What providers charge: show and compare price books, update them, plan a month, find the break-even.

    \b
      sebsx prices show                                          the price books there are
      sebsx prices show aws --region eu-central-1                what one costs in a region
      sebsx prices month aws:us-east-1 --memory 512 --duration 0.12 --requests-per-s 50
      sebsx prices break-even last --vm-per-hour 0.0116          from when on a machine of your own is cheaper
    """  # noqa: D301  # \\b keeps click from folding the lines


@command("show")
@click.argument("provider", required=False)
@click.option("--region", help="Only this region.")
@click.option("--date", "day", type=_DAY, metavar="DATE", help="The book in force on this day [default: today].")
def show_command(app: App, provider: str | None, region: str | None, day: date | None) -> None:
    """Show the price books there are, or the prices of PROVIDER."""
    if provider is None:
        if region or day:
            raise UserError("--region and --date need a provider: sebsx prices show PROVIDER")
        _show_books(app)
        return
    book = app.registry.prices.book(provider, day or _today())
    if region is not None and region not in book.regions:
        book.rates(region, "")  # raises what names the nearest
    rows = _price_rows(book, region)
    document = {**book.identity, "retrieved": book.retrieved.isoformat(), "source": book.source, "prices": rows}
    text = f"price book {book}, retrieved {book.retrieved} from {book.source}"
    app.console.result(
        document, _table("USD", ("region", "scheme", "architecture", "meter", "unit", "usd"), rows), text=text
    )


def _show_books(app: App) -> None:
    shelf = app.registry.prices
    rows = [
        {
            "provider": name,
            "effective": book.effective.isoformat(),
            "retrieved": book.retrieved.isoformat(),
            "regions": len(book.regions),
            "schemes": ", ".join(book.schemes),
            "source": book.source,
            "sha256": book.sha256[:12],
        }
        for name in sorted(app.registry.pricelists)
        for book in shelf.books(name)
    ]
    text = "" if rows else "no price books (sebsx plugins)"
    app.console.result(rows, _table("", tuple(rows[0]) if rows else (), rows), text=text)


@command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
def diff_command(app: App, old: str, new: str) -> None:
    """Show what differs between two price books, each a PROVIDER:DATE or a TOML file."""
    from sebsx.pricing import differences

    before, after = _book(app, old), _book(app, new)
    changes = differences(before, after)
    document = {"old": before.identity, "new": after.identity, "changes": [_change_row(change) for change in changes]}
    app.console.result(document, _changes_table(changes), text="" if changes else f"{before} and {after} say the same")


@command("update")
@click.argument("provider")
@click.option("--from", "source", required=True, metavar="FILE|URL", help="Offer file of the provider, JSON.")
@click.option("--replace", is_flag=True, help="Write over a book of the same day.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
def update_command(app: App, provider: str, source: str, replace: bool, dry_run: bool) -> None:
    """Make a new price book of a provider's public offer file; `sebsx list pricelists` says which can be read.

    \b
      sebsx prices update aws --from index.json
      sebsx prices update aws --from https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSLambda/current/index.json

    The book goes to your data folder and is used from the day on which the file was published. What the file does not
    say stays as it is in the newest book.
    """  # noqa: D301  # \\b keeps click from folding the lines
    from sebsx.pricing import differences
    from sebsx.pricing.bookfile import write
    from sebsx.pricing.updating import updated

    shelf = app.registry.prices
    pricelist = app.registry.get("pricelists", provider)()
    base = shelf.books(provider)[-1]
    book = updated(pricelist, base, source, _today())
    changes = differences(base, book)
    path = shelf.folder / provider / f"{book.effective}.toml"
    taken = next((item for item in shelf.books(provider) if item.effective == book.effective), None)
    if taken and Path(taken.path) != path:
        raise UserError(f"price book {taken} comes with a plugin and is of the same day; nothing was written")
    if taken and not replace and not dry_run:
        raise UserError(f"price book {taken} is there already: {str(path)!r}; give --replace to write over it")
    if not dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(write(book), encoding="utf-8")
        partial.replace(path)
    document: dict[str, Any] = {
        "old": base.identity,
        "effective": book.effective.isoformat(),
        "file": None if dry_run else path,
    }
    document["changes"] = [_change_row(change) for change in changes]
    said = "nothing was written" if dry_run else f"wrote {path}"
    text = f"{len(changes)} prices of {base} change from {book.effective} on; {said}"
    app.console.result(document, _changes_table(changes), text=text)


@command("month")
@click.argument("place", metavar="PROVIDER:REGION")
@click.option(
    "--memory", "memory_mib", type=click.IntRange(1), required=True, metavar="MIB", help="Provisioned memory."
)
@click.option("--duration", "duration_s", type=_NUMBER, required=True, metavar="S", help="Time of an invocation.")
@click.option("--requests-per-s", type=_NUMBER, required=True, metavar="N", help="Invocations a second, all month.")
@click.option("--init", "init_s", type=_NUMBER, metavar="S", help="Initialisation that every invocation pays.")
@click.option(
    "--ephemeral", "ephemeral_mib", type=click.IntRange(0), default=0, metavar="MIB", help="Ephemeral storage."
)
@click.option("--architecture", default="x86_64", show_default=True, help="Architecture.")
@click.option("--scheme", default="", help="Billing scheme of the book [default: its first].")
@click.option("--free-tier", is_flag=True, help="Leave out what a month's free tier covers.")
@click.option("--book", "day", type=_DAY, metavar="DATE", help="Prices in force on this day [default: today].")
def month_command(app: App, place: str, **values: Any) -> None:
    """Say what a month of 730 hours costs at a constant rate, volume tiers included."""
    from sebsx.pricing import Usage

    provider, _, region = place.partition(":")
    day = values["day"] or _today()
    rates = app.registry.prices.book(provider, day).rates(region, values["architecture"], values["scheme"])
    usage = Usage(
        values["memory_mib"], values["duration_s"], values["init_s"] or None, ephemeral_mib=values["ephemeral_mib"]
    )
    cost = rates.month(usage, values["requests_per_s"], free_tier=values["free_tier"], at=day)
    single = rates.invocation(usage, day)
    document = {
        "prices": rates.identity,
        "month_usd": float(cost.usd),
        "parts": {name: float(usd) for name, usd in cost.parts.items()},
        "per_million_usd": float(single.usd * _MILLION),
        "free_tier": values["free_tier"],
    }
    rows = [{"for": name, "usd": float(usd)} for name, usd in [*cost.parts.items(), ("all", cost.usd)]]
    text = f"a month at {values['requests_per_s']} invocations/s by {rates.book} in {region}; at low volume "
    text += f"${single.usd * _MILLION:.4f} per million"
    app.console.result(document, _table("", ("for", "usd"), rows), text=text)


@command("break-even")
@click.argument("run", metavar="RUN")
@click.option("--vm-per-hour", type=_NUMBER, required=True, metavar="USD", help="Price of a machine for an hour.")
@click.option("--requests-per-s", type=_NUMBER, metavar="N", help="Compare a month at this rate as well.")
@_targeting
def break_even_command(app: App, run: str, vm_per_hour: Decimal, requests_per_s: Decimal | None, **values: Any) -> None:
    """Say from how many invocations an hour on a rented machine costs less than each configuration of RUN.

    Whether the machine can serve that many is for a measurement to say, not for this. Costs are those stored with the
    run; with --as or --book they are counted anew.
    """
    from sebsx.configurations import configurations, identity_columns
    from sebsx.pricing.books import MONTH_S
    from sebsx.pricing.planning import break_even_per_hour

    anew = any(values[name] for name in ("day", "place", "region", "architecture", "scheme"))
    with app.open_store() as store:
        view = store.view(run)
        if anew:
            found = [(item.configuration, item.cost.usd) for item in _reprice(app, view, values)]
        else:
            found = [
                (item, Decimal(repr(float(cost.mean()))))
                for item in configurations([view])
                if len(cost := item.counted.known("cost_usd"))
            ]
    if not found:
        raise UserError(f"no invocation of run {view.run.id!r} has a cost; name prices by --as PROVIDER:REGION")
    columns = {column.key: column.title for column in identity_columns([item for item, _ in found])}
    rows = []
    for configuration, usd in found:
        per_hour = break_even_per_hour(vm_per_hour, usd)
        row = {key: configuration.identity.get(key) for key in columns}
        row |= {"per_million_usd": float(usd * _MILLION), "per_hour": float(per_hour), "per_s": float(per_hour / 3600)}
        if requests_per_s is not None:
            row["month_usd"] = float(usd * requests_per_s * MONTH_S)
            row["vm_month_usd"] = float(vm_per_hour * MONTH_S / 3600)
        rows.append(row)
    columns |= {"per_million_usd": "per million", "per_hour": "break-even /h", "per_s": "/s"}
    columns |= {} if requests_per_s is None else {"month_usd": "month", "vm_month_usd": "month of the machine"}
    document = {"run": view.run.id, "vm_per_hour_usd": float(vm_per_hour), "configurations": rows}
    app.console.result(document, _titled("", columns, rows))


@command("reprice")
@click.argument("run", metavar="RUN")
@_targeting
@click.option("--save", is_flag=True, help="Store the new costs with the run, beside what was measured.")
def reprice_command(app: App, run: str, save: bool, **values: Any) -> None:
    """Count the invocations of RUN by other prices: another day's, another region's, another provider's.

    \b
      sebsx reprice last --book 2026-09-06
      sebsx reprice last --as aws:us-east-1                       what this local run would have cost there
      sebsx reprice last --as aws:eu-central-1 --architecture arm64

    Costs are means of the invocations that count, per million, and totals of all measured ones. What was measured is
    never changed. On another provider or architecture functions take another time: such figures are estimates.
    """  # noqa: D301  # \\b keeps click from folding the lines
    from sebsx.configurations import identity_columns

    with app.open_store() as store:
        view = store.view(run)
        found = _reprice(app, view, values)
        if save:
            for item in found:
                said = {**item.rates.identity, "estimate": item.cost.estimate, "invocations": item.n}
                cell = item.configuration.cell
                store.add_value(
                    view.run.id,
                    "reprice.cost_usd",
                    float(item.cost.usd),
                    deployment_id=item.configuration.deployments[0].id,
                    cell_id=cell.id if cell else None,
                    text=json.dumps(said, sort_keys=True),
                )
    columns = {column.key: column.title for column in identity_columns([item.configuration for item in found])}
    rows = [_repriced_row(item, columns) for item in found]
    olds = [item.old_total_usd for item in found]
    total = sum((item.total_usd for item in found), Decimal())
    old_total = None if None in olds else sum(usd for usd in olds if usd is not None)
    document = {"run": view.run.id, "configurations": rows, "old_total_usd": old_total, "total_usd": float(total)}
    columns |= {"n": "n", "old_per_million_usd": "was", "per_million_usd": "per million", "change": "change"}
    columns |= {"book": "by", "estimate": "estimate"}
    was = "" if old_total is None else f", was ${old_total:.6g}"
    left = sum(item.unpriced for item in found)
    text = f"all measured invocations: ${total:.6g}{was}"
    text += f"; {left} without figures of the provider are left out" if left else ""
    app.console.result(document, _titled("", columns, rows), text=text)
    if save:
        app.console.note(f"stored with run {view.run.id} as reprice.cost_usd")


def _reprice(app: App, view: RunView, values: dict[str, Any]) -> list[Repriced]:
    from sebsx.repricing import reprice  # heavy

    return reprice(view, app.registry, _target(values))


def _repriced_row(item: Repriced, columns: dict[str, str]) -> dict[str, Any]:
    new = float(item.cost.usd * _MILLION)
    old = None if item.old_usd is None else item.old_usd * _MILLION
    return {
        **{key: item.configuration.identity.get(key) for key in columns},
        "n": item.n,
        "old_per_million_usd": old,
        "per_million_usd": new,
        "change": None if not old else new / old - 1,
        "parts_per_million_usd": {name: float(usd * _MILLION) for name, usd in item.cost.parts.items()},
        "book": f"{item.rates.book} {item.rates.region} {item.rates.architecture}",
        "prices": item.rates.identity,
        "estimate": "yes" if item.cost.estimate else "no",
    }


def _book(app: App, name: str) -> PriceBook:
    """Return the book that a file or PROVIDER:DATE names."""
    from sebsx.pricing.bookfile import read

    provider, colon, day = name.partition(":")
    if not colon or Path(name).suffix == ".toml":
        if Path(name).is_file():
            return read(Path(name))
        raise UserError(f"{name!r} is neither a file nor a PROVIDER:DATE (sebsx prices show)")
    try:
        return app.registry.prices.book(provider, date.fromisoformat(day))
    except ValueError:
        raise UserError(f"{day!r} in {name!r} is not a date such as 2026-09-06") from None


def _price_rows(book: PriceBook, region: str | None) -> list[dict[str, Any]]:
    return [
        {
            "region": key.region,
            "scheme": key.scheme or "every",
            "architecture": key.architecture or "every",
            "meter": key.meter,
            "unit": price.unit,
            "usd": _words(price),
            "tiers": [{"above": float(tier.above), "usd": float(tier.usd)} for tier in price.tiers],
            "free": float(price.free),
        }
        for key, price in sorted(book.prices.items(), key=lambda item: item[0])
        if region in (None, key.region)
    ]


def _change_row(change: Change) -> dict[str, Any]:
    return {
        "price": str(change.key),
        "unit": (change.new or change.old).unit,  # type: ignore[union-attr]  # a change has one of them
        "old": None if change.old is None else _words(change.old),
        "new": None if change.new is None else _words(change.new),
    }


def _changes_table(changes: Sequence[Change]) -> Table:
    return _table("", ("price", "unit", "old", "new"), [_change_row(change) for change in changes])


def _words(price: Price) -> str:
    """Return tiers in one line: `0.0000166667, above 6000000000: 0.000015`."""
    first, *others = price.tiers
    words = [f"{first.usd.normalize():f}", *(f"above {tier.above:f}: {tier.usd.normalize():f}" for tier in others)]
    return ", ".join(words)


def _table(name: str, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> Table:
    return _titled(name, {key: key for key in keys}, rows)


def _titled(name: str, columns: dict[str, str], rows: Sequence[dict[str, Any]]) -> Table:
    """Return a table whose columns of money and shares are shown as such."""
    from sebsx.analyzers import Column, Table  # heavy

    units = {"change": "1", "per_hour": "count", "n": "count"}
    return Table(
        name,
        [Column(key, title, "USD" if key.endswith("usd") else units.get(key, "")) for key, title in columns.items()],
        rows,
    )


for _command in (show_command, diff_command, update_command, month_command, break_even_command):
    prices_command.add_command(_command)

COMMANDS = (prices_command, reprice_command)
