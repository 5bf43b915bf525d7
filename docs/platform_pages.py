"""Writes the page that sets platforms side by side: what each can do, its limits, and what its invocations cost."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_pages import table

from sebsx import plugins
from sebsx.errors import UserError
from sebsx.model import Between
from sebsx.model.offers import spelt
from sebsx.pricing import Shelf, Usage
from sebsx.reading.units import duration
from sebsx.testing.contexts import context_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Capability
    from sebsx.plugins import Registry
    from sebsx.pricing import PriceBook, Rates

# Where prices are shown for; every other region is a command away.
_HOMES = {"aws": "us-east-1", "azure": "eastus", "gcp": "us-central1"}
_OWN_PAGES = Path(__file__).parent / "platforms"
_OF_THE_MACHINE = ("local", "docker", "docker-arm")  # the largest memory is that of the machine
_MIB = 2**20
_EXAMPLE = Usage(1024, 0.1)
_BEGINNING = (
    "{count} platforms are registered. All of this is read from their code when this page is made; "
    "`sebsx list platforms`, `sebsx list options` and `sebsx prices show` say the same of what you have installed."
)
_LIMITS = (
    "platform", "languages", "processors", "memory in MiB", "longest time-out", "largest request", "records",
    "calls at once",
)  # fmt: skip
_MAY_BE_LESS = (
    "A server of your own may allow less, and so may a provider's new account. Records that come later are waited for "
    "at the end of a run, and asked for again by `sebsx records`."
)
_OF_PRICES = (
    "List prices at low volume, without free tier, in USD, from the newest price book of each provider. The last "
    "column is a million invocations of 100 ms with 1024 MiB and the processors that go with them. A price with `*` is "
    "as others cite it, and was not read at the provider's. [Prices](../prices.md) has the rules, and "
    "how to keep the books up to date."
)
_PRICES = (
    "provider", "plan", "region", "processor", "a million requests", "GB-s", "vCPU-s (gen1: GHz-s)",
    "billed in steps of", "at least", "initialisation", "a million of 100 ms",
)  # fmt: skip
_METERS = {"request": 10**6, "memory": 1, "cpu": 1}


def write(path: Path) -> None:
    """Write the page, unless it is there already as it would be."""
    text = page(plugins.load())
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:  # an unchanged page is not built again
        path.write_text(text, encoding="utf-8")


def page(registry: Registry) -> str:
    """Return the page: what every platform that is registered can do, its limits, options and prices."""
    platforms = dict(sorted(registry.platforms.items()))
    capabilities = dict(sorted(registry.capabilities.items()))
    words = [f"`{word}`" for word in capabilities]
    books = [Shelf(registry).books(provider)[-1] for provider in sorted(registry.pricelists)]
    unpriced = ", ".join(f"`{name}`" for name, cls in platforms.items() if cls.deploys and not cls.provider)
    parts = (
        "# Platforms side by side",
        _BEGINNING.format(count=len(platforms)),
        "## What each can do",
        table(("platform", "what it is", *words), list(_abilities(platforms, capabilities))),
        table(("capability", "meaning"), [(f"`{word}`", item.meaning) for word, item in capabilities.items()]),
        "## Limits",
        table(_LIMITS, list(_limits(platforms, registry))),
        _MAY_BE_LESS,
        "## Options of functions",
        table(("option", "platforms", "offered", "default", "what it does"), list(_options(platforms))),
        "## Settings with a choice",
        table(("setting", "platform", "choices", "default", "what it does"), list(_choices(platforms))),
        "## Prices",
        _OF_PRICES,
        table(_PRICES, [row for book in books for row in _prices(book)]),
        f"There is no list for {unpriced}: give prices of your own (`--set price_per_gb_s_usd=...`).",
    )
    return "\n\n".join(parts) + "\n"


def _abilities(
    platforms: Mapping[str, type[Platform[Any]]], capabilities: Mapping[str, Capability]
) -> Iterable[tuple[str, ...]]:
    for name, cls in platforms.items():
        yield _link(name), cls.summary, *("yes" if word in cls.capabilities else "-" for word in capabilities)


def _limits(platforms: Mapping[str, type[Platform[Any]]], registry: Registry) -> Iterable[tuple[str, ...]]:
    for name, cls in platforms.items():
        if not cls.deploys:
            yield _link(name), "any", "any", "its own", "its own", _size(cls.payload_bytes), "-", "any"
            continue
        platform = cls(cls.Settings(), context_for(cls, Path("unused")))
        languages = [item for item in sorted(registry.languages) if _runs(platform, item)]
        memory = f"{cls.memory_mib.smallest} to the machine's" if name in _OF_THE_MACHINE else str(cls.memory_mib)
        yield (
            _link(name), ", ".join(languages), ", ".join(cls.architectures), memory, duration(cls.timeout_s),
            _size(cls.payload_bytes), "later" if cls.late_records else "with the answer",
            "one" if platform.one_at_a_time else "any",
        )  # fmt: skip


def _runs(platform: Platform[Any], language: str) -> bool:
    """Tell whether functions in a language can run; on the machine itself, whatever is installed on this one."""
    if platform.name in _OF_THE_MACHINE:
        return bool(platform.wrapper_files(language))
    return platform.refusal(language, platform.architectures[0]) is None


def _options(platforms: Mapping[str, type[Platform[Any]]]) -> Iterable[tuple[str, ...]]:
    """Yield each option with the platforms that offer the same."""
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, cls in platforms.items():
        for option in cls.options:
            offer = "any" if option.offer is None else str(option.offer)
            if name in _OF_THE_MACHINE and isinstance(option.offer, Between) and option.offer.largest < math.inf:
                offer = f"{option.offer.smallest} to the machine's"
            default = "" if option.default is None else spelt(option.default)
            alike[f"`{option.name}`", f"{offer} {option.unit}".strip(), default, option.help].append(_link(name))
    for (option_name, offer, default, meaning), those in sorted(alike.items()):
        yield option_name, ", ".join(those), offer, default, meaning


def _choices(platforms: Mapping[str, type[Platform[Any]]]) -> Iterable[tuple[str, ...]]:
    """Yield the settings that have no other values than those listed."""
    for name, cls in platforms.items():
        for field in fields(cls.Settings):
            if choices := field.metadata.get("choices"):
                yield (
                    f"`{field.name}`", _link(name), ", ".join(map(str, choices)), str(field.default),
                    field.metadata["help"],
                )  # fmt: skip


def _prices(book: PriceBook) -> Iterable[tuple[str, ...]]:
    region = _HOMES.get(book.provider, book.regions[0])
    for scheme in book.schemes.values():
        for architecture in book.architectures(region, scheme.name):
            try:
                rates = book.rates(region, architecture, scheme.name)
            except UserError:  # a plan without that processor
                continue
            yield (
                book.provider, scheme.name, region, architecture, *(_rate(rates, meter) for meter in _METERS),
                _milliseconds(scheme.step_s), _milliseconds(scheme.minimum_s) if scheme.minimum_s else "-",
                "billed" if scheme.bills_init(datetime.now(UTC).date()) else "not billed",
                f"{rates.invocation(_EXAMPLE).usd * 10**6:.2f}",
            )  # fmt: skip


def _rate(rates: Rates, meter: str) -> str:
    price = rates.prices.get(meter)
    if price is None:
        return "-"
    return f"{(price.usd * _METERS[meter]).normalize():f}{'*' if price.unverified else ''}"


def _milliseconds(time_s: Decimal) -> str:
    return f"{float(time_s) * 1000:g} ms"


def _link(name: str) -> str:
    page = {"aws-arm": "aws", "docker-arm": "docker", "url": ""}.get(name, name)
    if not (_OWN_PAGES / f"{page}.md").is_file():
        return f"`{name}`"
    return f"[`{name}`](../platforms/{page}.md)"


def _size(count: int) -> str:
    return f"{count / _MIB:g} MiB"
