"""Tab completion of values: names of plugins, runs, campaigns, sizes, regions, keys of settings, and folders.

Nothing may go wrong loudly while a user types: whatever cannot be read is not offered.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any

from sebsx.cli.app import App
from sebsx.errors import SebsxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click
    from click.shell_completion import CompletionItem

    Names = Callable[[App, click.Context], Iterable[str]]
    Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_RUNS_OFFERED = 20
_FOLDERS = (".", "/", "~")  # how a folder begins, where it is told from a name


def one_of(names: Names, *, folders: bool = False) -> Complete:
    """Return a completion of one word, or of the last of several with commas between.

    Args:
        names: Returns the words there are.
        folders: Whether it may be a folder, too.
    """

    @wraps(names)
    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # heavy

        before, comma, begun = incomplete.rpartition(",")
        if folders and begun.startswith(_FOLDERS):
            return [] if comma else [CompletionItem(begun, type="dir")]
        given = set(before.split(","))
        words = [word for word in dict.fromkeys(_quietly(names, ctx)) if word.startswith(begun) and word not in given]
        return [CompletionItem(f"{before}{comma}{word}") for word in words]

    return complete


def _quietly(names: Names, ctx: click.Context) -> list[str]:
    """Return the names; none where they are not available, and nothing is logged while it asks."""
    disabled = logging.root.manager.disable
    logging.disable()
    try:
        return list(names(_app(ctx), ctx))
    except SebsxError:
        return []
    finally:
        logging.disable(disabled)


def _app(ctx: click.Context) -> App:
    """Return the application as the words before the command want it: no command has run yet."""
    app, given = ctx.find_object(App) or App(), ctx.find_root().params
    app.store_option = given.get("store") or app.store_option
    return app


def _registered(kind: str) -> Names:
    return lambda app, _ctx: sorted(getattr(app.registry, kind))


def _runs(app: App, _ctx: click.Context) -> list[str]:
    with app.open_index() as index:
        return ["last", *(item.name for item in index.baselines()), *(run.id for run in index.runs(_RUNS_OFFERED))]


def _shown(app: App, ctx: click.Context) -> list[str]:
    words = ctx.params.get("runs") or ()
    if words:
        return sorted(app.registry.benchmarks) if tuple(words) == ("benchmark",) else []
    return ["benchmark", *_runs(app, ctx)]


def _resumable(app: App, _ctx: click.Context) -> list[str]:
    with app.open_index() as index:
        return [run.id for run in index.runs() if run.status.value in ("interrupted", "failed")][:_RUNS_OFFERED]


def _campaigns(app: App, _ctx: click.Context) -> list[str]:
    with app.open_index() as index:
        return sorted({run.campaign for run in index.runs()} - {""})


def _baselines(app: App, _ctx: click.Context) -> list[str]:
    with app.open_index() as index:
        return [item.name for item in index.baselines()]


def _sizes(app: App, ctx: click.Context) -> list[str]:
    """Return the sizes of the benchmarks that were named, or of all there are."""
    given = ctx.params.get("benchmarks") or ctx.params.get("benchmark") or ()
    named = given.split(",") if isinstance(given, str) else given
    known = app.registry.benchmarks
    chosen = [known[name] for name in named if name in known] or list(known.values())
    return [size for benchmark in chosen for size in benchmark.sizes]


def _suites(app: App, _ctx: click.Context) -> list[str]:
    from sebsx.contracts.benchmarks import suites  # heavy

    return list(suites(app.registry.benchmarks.values()))


def _architectures(app: App, _ctx: click.Context) -> list[str]:
    return sorted({name for cls in app.registry.platforms.values() for name in cls.architectures})


def _options(app: App, _ctx: click.Context) -> list[str]:
    return sorted({f"{option.name}=" for cls in app.registry.platforms.values() for option in cls.options})


def _settings(app: App, _ctx: click.Context) -> list[str]:
    return [f"{section.name}.{field}=" for section in app.sections for field in section.fields]


def _sections(app: App, _ctx: click.Context) -> list[str]:
    return [section.name for section in app.sections]


def _plugins(_app: App, _ctx: click.Context) -> list[str]:
    from sebsx.plugins import finding  # heavy

    return sorted(point.name for point, *_ in finding.find())


def _places(app: App, _ctx: click.Context) -> list[str]:
    """Return where there are prices: `aws:us-east-1`."""
    from datetime import UTC, datetime

    from sebsx.pricing import Shelf  # heavy

    shelf, today = Shelf(app.registry), datetime.now(UTC).date()
    providers = sorted(app.registry.pricelists)
    return [f"{provider}:{region}" for provider in providers for region in shelf.book(provider, today).regions]


run = one_of(_runs)
shown = one_of(_shown, folders=True)
resumable = one_of(_resumable)
campaign = one_of(_campaigns)
baseline = one_of(_baselines)
benchmark = one_of(_registered("benchmarks"), folders=True)
platform = one_of(_registered("platforms"))
analyzer = one_of(_registered("analyzers"))
exporter = one_of(_registered("exporters"))
metric = one_of(_registered("metrics"))
language = one_of(_registered("languages"))
collector = one_of(_registered("collectors"))
size = one_of(_sizes)
suite = one_of(_suites)
architecture = one_of(_architectures)
option = one_of(_options)
assignment = one_of(_settings)
section = one_of(_sections)
plugin = one_of(_plugins)
provider = one_of(_registered("pricelists"))
place = one_of(_places)

# Settings of plugins by the names that they have everywhere; one with choices offers those.
_FIELDS: dict[str, Complete] = {
    "benchmark": benchmark, "benchmarks": benchmark, "against": benchmark, "platform": platform, "size": size,
    "sizes": size, "suite": suite, "language": language, "languages": language, "architecture": architecture,
    "architectures": architecture, "collectors": collector, "metric": metric, "run": run, "runs": run, "from_run": run,
}  # fmt: skip


def of_setting(name: str, choices: Iterable[Any]) -> Complete | None:
    """Return the completion of a setting by its name and choices; None where any word will do."""
    words = [str(choice) for choice in choices]
    return one_of(lambda _app, _ctx: words) if words else _FIELDS.get(name)
