"""Price books as TOML files: reads them strictly, since a misread price is worse than none, and writes them.

    provider = "fly"
    effective = 2026-09-06                    # first day on which the prices hold
    retrieved = 2026-09-06
    source = "https://fly.example/pricing"

    [groups]                                  # names for regions that cost the same
    europe = ["ams", "fra"]

    [scheme.on-demand]                        # how an invocation is counted; the first is the usual one
    step_s = 0.001

    [[price]]
    meter = "memory"                          # request, memory, cpu, gpu, ephemeral, restore, egress, or a service's
    unit = "GB-s"
    scheme = "on-demand"                      # left out: under every scheme
    architectures = ["x86_64"]                # left out: on every architecture
    regions = ["europe", "iad"]
    tiers = [[0, 0.00002], [1_000_000, 0.00001]]   # or `usd = 0.00002`, or `by_region = {iad = 0.00002}`
    free = 400_000                            # units of a month, for those who ask for the free tier
    unverified = "as a blog quotes it"        # what nobody has read at the source; left out: all was

Whatever a book says beside this is refused.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.model.prices import Key, Price, Tier
from sebsx.pricing.books import PriceBook
from sebsx.pricing.costs import Scheme

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_BOOK = {"provider", "effective", "retrieved", "source", "currency", "groups", "scheme", "price"}
_SCHEME = {field.name for field in fields(Scheme)} - {"name"}
# No price, volume or memory is smaller or larger; a number beyond would fill gigabytes when it is written out.
_SMALLEST, _LARGEST = Decimal("1e-30"), Decimal("1e18")
_SHOWN, _SHOWN_BITS = 80, 128
_PRICE = {"meter", "unit", "scheme", "architectures", "regions", "usd", "tiers", "by_region", "free", "unverified"}


def read(path: Path) -> PriceBook:
    """Return the price book in a file.

    Raises:
        UserError: If it cannot be read, or is not a price book; the message names the place.
    """
    try:
        data = path.read_bytes()
        document = tomllib.loads(data.decode(), parse_float=Decimal)
    except RecursionError:
        raise UserError(f"price book {str(path)!r} cannot be read: it is nested too deeply") from None
    except (OSError, ValueError, ArithmeticError) as exc:  # not TOML, or a number of more digits than Python reads
        raise UserError(f"price book {str(path)!r} cannot be read: {exc}") from exc
    try:
        return parse(document, hashlib.sha256(data).hexdigest(), str(path))
    except _WrongError as exc:
        raise UserError(f"price book {str(path)!r} is wrong: {exc}") from exc


class _WrongError(ValueError):
    """What is wrong with a document."""


def parse(document: Mapping[str, Any], sha256: str, path: str) -> PriceBook:
    """Return the price book that a document describes.

    Raises:
        ValueError: If it describes none; the message says where.
    """
    _only(document, _BOOK, "the book")
    if document.get("currency", "USD") != "USD":
        raise _WrongError(f"currency is {_brief(document['currency'])}; only USD can be stored")
    groups = _groups(document)
    tables = _typed(document, "scheme", dict, "the book")
    schemes = {name: _scheme(name, table) for name, table in tables.items()}
    if not schemes:
        raise _WrongError("it has no scheme: how is an invocation counted?")
    prices: dict[Key, Price] = {}
    for number, row in enumerate(_typed(document, "price", list, "the book"), start=1):
        where = f"price {number}"
        if not isinstance(row, dict):
            raise _WrongError(f"{where} must be a table")
        where += f" ({row.get('meter', 'without a meter')})"
        for key, price in _prices(row, groups, where):
            if key in prices:
                raise _WrongError(f"{where}: {str(key)!r} has a price already")
            if key.scheme and key.scheme not in schemes:
                raise _WrongError(f"{where}: scheme {key.scheme!r} is not described; has {', '.join(schemes)}")
            prices[key] = price
    if not prices:
        raise _WrongError("it has no price")
    return PriceBook(
        provider=_typed(document, "provider", str, "the book"),
        effective=_day(document, "effective", "the book"),
        retrieved=_day(document, "retrieved", "the book"),
        source=_typed(document, "source", str, "the book"),
        sha256=sha256,
        schemes=schemes,
        prices=prices,
        path=path,
    )


def _scheme(name: str, table: Any) -> Scheme:
    where = f"scheme {name!r}"
    if not isinstance(table, dict):
        raise _WrongError(f"{where} must be a table")
    _only(table, _SCHEME, where)
    values: dict[str, Any] = {"step_s": _number(table.get("step_s"), f"{where}: step_s")}
    if not values["step_s"]:
        raise _WrongError(f"{where}: step_s must be more than 0")
    if "minimum_s" in table:
        values["minimum_s"] = _number(table["minimum_s"], f"{where}: minimum_s")
    if "bills_init_from" in table:
        values["bills_init_from"] = _day(table, "bills_init_from", where)
    for key, least in (("memory_step_mib", 1), ("free_ephemeral_mib", 0)):
        if key in table:
            values[key] = _integer(table[key], f"{where}: {key}", least)
    for key in ("observed_memory", "free_tier", "estimate"):
        if key in table:
            values[key] = _typed(table, key, bool, where)
    sizes = _typed(table, "memory_sizes_mib", list, where, [])
    values["memory_sizes_mib"] = tuple(sorted(_integer(size, f"{where}: memory_sizes_mib") for size in sizes))
    pairs = _pairs(_typed(table, "cpu_by_memory", list, where, []), f"{where}: cpu_by_memory", "a memory and its share")
    values["cpu_by_memory"] = tuple(
        sorted((_integer(mib, f"{where}: memory"), _number(cpus, f"{where}: cpu_by_memory")) for mib, cpus in pairs)
    )
    return Scheme(name, **values)


def _groups(document: Mapping[str, Any]) -> dict[str, list[str]]:
    groups = _typed(document, "groups", dict, "the book", {})
    return {name: _words(groups, name, "groups") for name in groups}


def _prices(row: Mapping[str, Any], groups: Mapping[str, Sequence[str]], where: str) -> Iterator[tuple[Key, Price]]:
    _only(row, _PRICE, where)
    if sum(name in row for name in ("usd", "tiers", "by_region")) != 1:
        raise _WrongError(f"{where}: give one of usd, tiers and by_region")
    meter, unit = _typed(row, "meter", str, where), _typed(row, "unit", str, where)
    scheme = _typed(row, "scheme", str, where, "")
    free = _number(row.get("free", 0), f"{where}: free")
    unverified = _typed(row, "unverified", str, where, "")
    if "by_region" in row:
        given = [(region, [[0, usd]]) for region, usd in _typed(row, "by_region", dict, where).items()]
    else:
        tiers = row["tiers"] if "tiers" in row else [[0, row["usd"]]]
        names = _words(row, "regions", where)
        given = [(region, tiers) for name in names for region in groups.get(name, [name])]
    for region, tiers in given:
        price = Price(unit, _tiers(tiers, where), free=free, unverified=unverified)
        for architecture in _words(row, "architectures", where, [""]):
            yield Key(region, meter, architecture=architecture, scheme=scheme), price


def _tiers(pairs: Any, where: str) -> tuple[Tier, ...]:
    tiers = tuple(
        Tier(above=_number(above, f"{where}: volume"), usd=_number(usd, f"{where}: price"))
        for above, usd in _pairs(pairs, f"{where}: tiers", "a volume and a price")
    )
    if not tiers or tiers[0].above != 0:
        raise _WrongError(f"{where}: the first tier must begin at 0")
    if any(later.above <= earlier.above for earlier, later in itertools.pairwise(tiers)):
        raise _WrongError(f"{where}: tiers must ascend")
    return tiers


def _pairs(value: Any, where: str, of: str) -> list[list[Any]]:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise _WrongError(f"{where} must be pairs of {of}")
    return value


def _words(table: Mapping[str, Any], key: str, where: str, default: Any = None) -> list[str]:
    words: list[str] = _typed(table, key, list, where, default)
    if not all(isinstance(word, str) for word in words):
        raise _WrongError(f"{where}: {key} must be a list of words")
    return words


def _integer(value: Any, where: str, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= _LARGEST:
        raise _WrongError(f"{where} is {_brief(value)}, not an integer from {least}")
    return value


def _number(value: Any, where: str) -> Decimal:
    if type(value) not in (int, Decimal) or (type(value) is Decimal and not value.is_finite()):
        raise _WrongError(f"{where} is {_brief(value)}, not a number")
    if not (value >= 0 and (value == 0 or _SMALLEST <= value <= _LARGEST)):
        raise _WrongError(f"{where} is {_brief(value)}; it must be 0, or from {_SMALLEST} to {_LARGEST}")
    return Decimal(value)


def _brief(value: Any) -> str:
    """Return a value for a message; one of thousands of digits would fill the screen."""
    if type(value) is int and value.bit_length() > _SHOWN_BITS:
        return "a huge integer"
    text = str(value) if isinstance(value, Decimal) else ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _day(table: Mapping[str, Any], key: str, where: str) -> date:
    value = table.get(key)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise _WrongError(f"{where}: {key} must be a date such as 2026-09-06, without quotes")
    return value


def _typed(table: Mapping[str, Any], key: str, kind: type[Any], where: str, default: Any = None) -> Any:
    value = table.get(key, default)
    if not isinstance(value, kind):
        raise _WrongError(f"{where}: {key} is missing" if value is None else f"{where}: {key} is {_brief(value)}")
    return value


def _only(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise _WrongError(f"{where}: {key!r} is not known; has {', '.join(sorted(known))}")


def write(book: PriceBook) -> str:
    """Return a book as TOML; `read` makes the same prices of it."""
    lines = [
        f"provider = {_text(book.provider)}",
        f"effective = {book.effective}",
        f"retrieved = {book.retrieved}",
        f"source = {_text(book.source)}",
    ]
    for scheme in book.schemes.values():
        lines += ["", f"[scheme.{_text(scheme.name)}]"]
        for field in fields(scheme):
            value = getattr(scheme, field.name)
            if field.name != "name" and value not in (field.default, None):
                lines.append(f"{field.name} = {_value(value)}")
    alike: dict[tuple[str, str, str, Price], list[str]] = {}
    for key, price in sorted(book.prices.items(), key=lambda item: item[0]):
        alike.setdefault((key.meter, key.scheme, key.architecture, price), []).append(key.region)
    for (meter, name, architecture, price), regions in alike.items():
        lines += ["", "[[price]]", f"meter = {_text(meter)}", f"unit = {_text(price.unit)}"]
        lines += [f"scheme = {_text(name)}"] if name else []
        lines += [f"architectures = [{_text(architecture)}]"] if architecture else []
        lines += [f"regions = {_value(regions)}"]
        lines += [f"tiers = {_value([[tier.above, tier.usd] for tier in price.tiers])}"]
        lines += [f"free = {_value(price.free)}"] if price.free else []
        lines += [f"unverified = {_text(price.unverified)}"] if price.unverified else []
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    # A JSON string is a basic string of TOML, but for DEL; JSON may escape a character as two halves, TOML may not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
