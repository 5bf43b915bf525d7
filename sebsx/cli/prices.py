"""`sebsx prices`: the price books there are, what changed between them, and what a month would cost."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import App, CommandGroup, command
from sebsx.cli.repricing import MILLION, break_even_command, money_table, today
from sebsx.cli.values import Read, day, exact, exact_duration, integer, memory
from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.analyzers import Table
    from sebsx.pricing import Price, PriceBook, PriceChange, Shelf


@click.group("prices", cls=CommandGroup)
def prices_command() -> None:
    """Show, compare and update prices; plan a month.

    \b
      sebsx prices show                                          the price books there are
      sebsx prices show aws --region eu-central-1                what one costs in a region
      sebsx prices month aws:us-east-1 --memory 512 --duration 120ms --requests-per-s 50
      sebsx prices break-even last --vm-per-hour 0.0116          the load above which a machine of your own is cheaper
    """  # noqa: D301  # \\b keeps click from folding the lines


@command("show")
@click.argument("provider", required=False, shell_complete=completing.provider)
@click.option("--region", help="Only this region.")
@click.option("--date", "on_day", type=Read(day, "date"), help="The book in force on this day [default: today].")
def show_command(app: App, provider: str | None, region: str | None, on_day: date | None) -> None:
    """Show the price books there are, or the prices of PROVIDER."""
    if provider is None:
        if region or on_day:
            raise UserError("--region and --date need a provider: sebsx prices show PROVIDER")
        _show_books(app)
        return
    book = _shelf(app).book(provider, on_day or today())
    if region is not None and region not in book.regions:
        book.rates(region, "")  # raises what names the nearest
    rows = _price_rows(book, region)
    document = {**book.identity, "retrieved": book.retrieved.isoformat(), "source": book.source, "prices": rows}
    text = f"price book {book}, retrieved {book.retrieved} from {book.source}"
    columns = ("region", "scheme", "architecture", "meter", "unit", "usd", "verified")
    app.console.result(document, _table("USD", columns, rows), text=text)
    for why, meters in _unverified(rows).items():
        app.console.note(f"note: not verified: {', '.join(meters)}: {why}")


def _shelf(app: App) -> Shelf:
    from sebsx.pricing import Shelf  # only those who ask for prices pay for them

    return Shelf(app.registry)


def _show_books(app: App) -> None:
    shelf = _shelf(app)
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
@click.argument("provider", shell_complete=completing.provider)
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
    from sebsx.contracts.exporters import replacing
    from sebsx.pricing import differences
    from sebsx.pricing.bookfile import write
    from sebsx.pricing.updating import updated

    shelf = _shelf(app)
    pricelist = app.registry.get("pricelists", provider)()
    base = shelf.books(provider)[-1]
    book = updated(pricelist, base, source, today())
    changes = differences(base, book)
    path = shelf.folder / provider / f"{book.effective}.toml"
    taken = next((item for item in shelf.books(provider) if item.effective == book.effective), None)
    if taken and Path(taken.path) != path:
        raise UserError(f"price book {taken} comes with a plugin and is of the same day; nothing was written")
    if taken and not replace and not dry_run:
        raise UserError(f"price book {taken} is there already: {str(path)!r}; give --replace to write over it")
    if not dry_run:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise UserError(f"folder {str(path.parent)!r} cannot be made: {exc.strerror or exc}") from exc
        with replacing(path) as part:
            part.write_text(write(book), encoding="utf-8")
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
@click.argument("place", metavar="PROVIDER:REGION", shell_complete=completing.place)
@click.option("--memory", "memory_mib", type=Read(memory, "mib"), required=True, help="Provisioned memory.")
@click.option("--duration", "duration_s", type=Read(exact_duration, "time"), required=True, help="Of an invocation.")
@click.option("--requests-per-s", type=Read(exact, "n"), required=True, help="Invocations a second, all month.")
@click.option("--init", "init_s", type=Read(exact_duration, "time"), help="Initialisation that every invocation pays.")
@click.option("--ephemeral", "ephemeral_mib", type=integer(0), default=0, metavar="MIB", help="Ephemeral storage.")
@click.option(
    "--architecture", default="x86_64", show_default=True, shell_complete=completing.architecture, help="Architecture."
)
@click.option("--scheme", default="", help="Billing scheme of the book [default: its first].")
@click.option("--free-tier", is_flag=True, help="Leave out what a month's free tier covers.")
@click.option("--book", "on_day", type=Read(day, "date"), help="Prices in force on this day [default: today].")
def month_command(app: App, place: str, **values: Any) -> None:
    """Show what a month of 730 hours costs at a constant rate, volume tiers included."""
    from sebsx.pricing import Usage

    provider, _, region = place.partition(":")
    if not region:
        raise UserError(f"{place!r} names no region; give PROVIDER:REGION (sebsx prices show {provider})")
    day = values["on_day"] or today()
    rates = _shelf(app).book(provider, day).rates(region, values["architecture"], values["scheme"])
    usage = Usage(
        values["memory_mib"], values["duration_s"], values["init_s"] or None, ephemeral_mib=values["ephemeral_mib"]
    )
    cost = rates.month(usage, values["requests_per_s"], free_tier=values["free_tier"], at=day)
    single = rates.invocation(usage, day)
    ready_usd = rates.ready_month_usd(usage)
    document = {
        "prices": rates.identity,
        "month_usd": float(cost.usd),
        "parts": {name: float(usd) for name, usd in cost.parts.items()},
        "per_million_usd": float(single.usd * MILLION),
        "free_tier": values["free_tier"],
        "ready_sandbox_usd": None if ready_usd is None else float(ready_usd),
    }
    rows = [{"for": name, "usd": float(usd)} for name, usd in [*cost.parts.items(), ("all", cost.usd)]]
    text = f"a month at {values['requests_per_s']} invocations/s by {rates.book} in {region}; at low volume "
    text += f"${single.usd * MILLION:.4f} per million"
    app.console.result(document, _table("", ("for", "usd"), rows), text=text)
    if ready_usd is not None:
        app.console.note(f"note: each sandbox kept ready costs ${ready_usd:.4g} a month more")


def _book(app: App, name: str) -> PriceBook:
    """Return the book that a file or PROVIDER:DATE names."""
    from sebsx.pricing.bookfile import read

    if Path(name).suffix == ".toml" or "/" in name:  # decided by its form, whatever files there are
        return read(Path(name))
    provider, colon, day = name.partition(":")
    if not colon:
        raise UserError(f"{name!r} is neither a file (NAME.toml, ./NAME) nor a PROVIDER:DATE (sebsx prices show)")
    try:
        return _shelf(app).book(provider, date.fromisoformat(day))
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
            "verified": "no" if price.unverified else "yes",
            "unverified": price.unverified,
        }
        for key, price in sorted(book.prices.items(), key=lambda item: item[0])
        if region in (None, key.region)
    ]


def _unverified(rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the meters whose prices were not read at their source, by what is known of them."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["unverified"]:
            found.setdefault(row["unverified"], {})[row["meter"]] = None
    return {why: list(meters) for why, meters in found.items()}


def _change_row(change: PriceChange) -> dict[str, Any]:
    return {
        "price": str(change.key),
        "unit": (change.new or change.old).unit,  # type: ignore[union-attr]  # a change has one of them
        "old": _change_words(change.old),
        "new": _change_words(change.new),
    }


def _changes_table(changes: Sequence[PriceChange]) -> Table:
    return _table("", ("price", "unit", "old", "new"), [_change_row(change) for change in changes])


def _words(price: Price) -> str:
    """Return tiers in one line: `0.0000166667, above 6000000000: 0.000015`."""
    first, *others = price.tiers
    words = [f"{first.usd.normalize():f}", *(f"above {tier.above:f}: {tier.usd.normalize():f}" for tier in others)]
    return ", ".join(words)


def _change_words(price: Price | None) -> str | None:
    """Return a price with whether it was read at its source, for this may be all that changed."""
    return None if price is None else _words(price) + (" (unverified)" if price.unverified else "")


def _table(name: str, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> Table:
    return money_table(name, {key: key for key in keys}, rows)


for _command in (show_command, diff_command, update_command, month_command, break_even_command):
    prices_command.add_command(_command)

COMMANDS = (prices_command,)
