"""`sebsx show`, `analyze`, `export`: what was measured and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import CORE, App, command
from sebsx.cli.describing import show_benchmark
from sebsx.cli.failing import failure_text, show_failures
from sebsx.cli.listing import took
from sebsx.cli.options import FAIL_IF, names_runs
from sebsx.cli.running import show_judged
from sebsx.errors import PluginError, UserError
from sebsx.settings import COMMAND_LINE, Layer

if TYPE_CHECKING:
    from sebsx.contracts.runs import RunView


_LIMITS = {"cpu": "processor"}
_MANY = 10  # files that are counted rather than listed


@command("show")
@names_runs(many=True, metavar="RUN | benchmark NAME", complete=completing.shown)
@click.option("--failures", "only_failures", is_flag=True, help="Show why invocations failed, with tracebacks.")
def show_command(app: App, runs: tuple[str, ...], campaign: str | None, only_failures: bool) -> None:
    """Show one run (conditions, failures, settings) or a benchmark (what can be chosen of it).

    RUN is an id, its start, the name of a baseline, or `last`; NAME is a benchmark or its folder.
    """
    if len(runs) == 2 and runs[0] == "benchmark":
        show_benchmark(app, runs[1])
    elif runs == ("benchmark",):
        raise UserError("name a benchmark or its folder: sebsx show benchmark NAME (sebsx list benchmarks)")
    elif len(runs) > 1:
        raise UserError(f"show takes one run, or `benchmark NAME`; {' '.join(runs)!r} is {len(runs)} words")
    else:
        _show_run(app, runs, campaign, only_failures)


def _show_run(app: App, runs: tuple[str, ...], campaign: str | None, only_failures: bool) -> None:
    from sebsx.contracts.analyzers import Column, Table  # heavy
    from sebsx.reading.failures import failures
    from sebsx.reading.levels import level_columns, levels_of
    from sebsx.reading.listing import chosen

    with app.open_store(read=True) as store:
        view = store.view(chosen(store, runs, campaign)[-1])
        cells, deployments, resources = view.cells(), view.deployments(), store.resources(view.run.id)
        counts = {cell.id: store.counts(view.run.id, cell.id) for cell in cells}
        environment, failed = view.environment, failures(view)
    document = {
        "run": view.run,
        "status": view.status,
        "environment": environment,
        "cells": cells,
        "deployments": deployments,
        "resources": resources,
        "failures": failed,
    }
    if only_failures:
        app.console.result(document, verbatim="\n\n".join(map(failure_text, failed)) or "no invocation failed")
        return
    cell_columns = [
        *level_columns(view.factors, [cell.factors for cell in cells]),
        *(Column(key, key.replace("_", " ")) for key in ("status", "calls", "ok", "stop_reason")),
    ]
    cell_rows = [
        {
            **levels_of(cell.factors),
            "status": str(cell.status),
            "stop_reason": cell.stop_reason,
            "calls": sum(n for (kind, _, _), n in counts[cell.id].items() if kind == "measured"),
            "ok": sum(n for (kind, status, _), n in counts[cell.id].items() if (kind, status) == ("measured", "ok")),
        }
        for cell in cells
    ]
    left = [
        {"kind": item.kind, "name": item.name, "platform": item.platform, "state": item.state} for item in resources
    ]
    app.console.result(
        document,
        Table("cells", columns=cell_columns, rows=cell_rows),
        Table(
            "failures",
            columns=[
                Column("error", "error", essential=True),
                Column("count", "invocations", unit="count"),
                Column("status", "status"),
            ],
            rows=[{"error": item.error, "count": item.count, "status": item.status.value} for item in failed],
        ),
        Table(
            "resources still there (sebsx clean)",
            columns=[Column(k, k) for k in ("kind", "name", "platform", "state")],
            rows=left,
        ),
        facts=_describe(view, environment),
        explain=True,
    )
    show_failures(app, [view])


@command("analyze")
@names_runs(many=True)
@click.option(
    "-a",
    "--analyzer",
    shell_complete=completing.analyzer,
    help="Which analyzer [default: the one of the run's experiment].",
)
@click.option(
    "-s", "--set", "assignments", multiple=True, metavar="KEY=VALUE", shell_complete=completing.assignment,
    help="A setting of the analyzer, as cost_weight=0.3; repeatable (sebsx config show analyzer.NAME).",
)  # fmt: skip
@click.option("--fail-if", multiple=True, metavar="THRESHOLD", help=f"{FAIL_IF[:1].upper()}{FAIL_IF[1:]}.")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write the analyzer's files to, such as a fitted model [default: they are not written].",
)  # fmt: skip
def analyze_command(
    app: App,
    runs: tuple[str, ...],
    campaign: str | None,
    analyzer: str | None,
    assignments: tuple[str, ...],
    fail_if: tuple[str, ...],
    out: Path | None,
) -> None:
    """Analyze stored runs: tables and findings.

    RUN is an id, its start, the name of a baseline, or `last`.

    Exit codes: 0 done, 1 a threshold of --fail-if was crossed, 2 wrong use, or a threshold cannot be judged.
    """
    from sebsx.cli.console import plain
    from sebsx.reading import gate  # heavy
    from sebsx.reading.failures import nothing_worked
    from sebsx.reading.files import write_files
    from sebsx.reading.listing import chosen

    app.analyzer_assignments = assignments
    given = {f"{CORE}.fail_if": ",".join(fail_if)} if fail_if else {}
    thresholds = app.reader((), (), Layer(COMMAND_LINE, given)).read(CORE).value.fail_if
    with app.open_store(read=True) as store:
        views = [store.view(run) for run in chosen(store, runs, campaign)]
        judged = gate.judged(thresholds, views, app.registry.metrics)
        report = app.analyze(views, analyzer)
        if report is None:
            raise UserError(f"experiment {views[0].run.experiment!r} has no analyzer here; name one with --analyzer")
        if app.console.json:
            app.console.result({**plain(report), "thresholds": [each.document() for each in judged]})
        else:
            show_judged(app, judged)
            app.console.report(report, failed=nothing_worked(views))
            show_failures(app, views)
        if out is not None:
            for path in write_files(report, views, out):
                app.console.note(f"wrote {path}")
    gate.raise_for(judged, thresholds)


class _ExportCommand(click.Command):
    """Tells in its help which formats there are: only then are the plugins asked."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the formats."""
        exporters = (ctx.find_object(App) or App()).registry.exporters
        with formatter.section("Formats"):
            formatter.write_dl([(name, cls.summary) for name, cls in sorted(exporters.items())])


@command("export", cls=_ExportCommand)
@names_runs(many=True)
@click.option(
    "-f",
    "--format",
    "format_",
    required=True,
    shell_complete=completing.exporter,
    help="Which exporter: one of the formats below.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="File or folder to write, replacing an older export [default: the first run's id with the format's ending].",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    shell_complete=completing.metric,
    help="Only this metric, such as client.latency_s; repeatable.",
)
@click.option("--statistic", "statistics", multiple=True, help="Only this statistic, such as p50; repeatable.")
@click.option("--fail-if", multiple=True, metavar="THRESHOLD", help="Thresholds to write in place of those of the runs "
              "(junit); repeatable.")  # fmt: skip
def export_command(
    app: App,
    runs: tuple[str, ...],
    campaign: str | None,
    format_: str,
    out: Path | None,
    metrics: tuple[str, ...],
    statistics: tuple[str, ...],
    fail_if: tuple[str, ...],
) -> None:
    """Export runs in a format that other tools read.

    RUN is an id, its start, or `last`; formats with a history take several as one, the others put them side by
    side. Raw formats hold every invocation. The others hold figures of each condition, cold and warm apart, and how
    many invocations failed; invalid measurements have no figures.
    """
    from sebsx.contracts.exporters import Selection  # only when needed
    from sebsx.reading.listing import chosen

    if out == Path("-"):
        raise UserError("an export is a file, complete or not there; name one with -o")
    exporter = app.registry.get("exporters", format_)()
    for option, given in (("metric", metrics), ("statistic", statistics), ("fail-if", fail_if)):
        if given and option not in exporter.chooses:
            raise UserError(f"format {format_!r} takes no --{option}; leave it out")
    with app.console.working("exporting"), app.open_store(read=True, check=True) as store:
        views = list({view.run.id: view for view in map(store.view, chosen(store, runs, campaign))}.values())
        target = out or Path(views[0].run.id + exporter.suffix)
        selection = Selection(metrics=metrics, statistics=statistics, fail_if=fail_if)
        files = exporter.export(views, target, selection)
    for file in files:
        if not file.exists():
            whose = app.registry.whose("exporters", format_)
            raise PluginError(f"{whose}: export() returned {str(file)!r}, where there is nothing")
    text = (
        "\n".join(f"wrote {file}" for file in files) if len(files) < _MANY else f"wrote {len(files)} files in {target}"
    )
    app.console.result({"files": files}, text=text)


def _describe(view: RunView, environment: Any) -> dict[str, str]:
    from sebsx.reading.listing import note_of  # heavy

    run = view.run
    said = {
        "run": run.id,
        "note": note_of(view),
        "experiment": run.experiment,
        "design": run.design.value,
        "status": view.status.value + (f": {run.error}" if run.error else ""),
        "started": run.started_at.isoformat(timespec="seconds"),
        "took": took(run),
        "seed": str(run.seed),
        "limits": _not_enforced(view),
        "settings": _words(run.settings.get("experiment", {})),
        "client": _words(
            {
                key: environment[key]
                for key in ("cpu_model", "cpu_count", "system", "release", "python", "sebsx")
                if key in environment
            }
        ),
    }
    return {name: text for name, text in said.items() if text}


def _not_enforced(view: RunView) -> str:
    """Return which limits were not in force, and where; empty where all were."""
    from sebsx.contracts.analyzers import unenforced

    found = unenforced([view])
    words = [f"{_LIMITS.get(limit, limit)} on {', '.join(platforms)}" for limit, platforms in found.items()]
    return f"not in force: {'; '.join(words)}" if words else ""


def _words(values: dict[str, Any]) -> str:
    """Return settings or facts in a line: `size=test, memory_mib=256,512`."""
    said = {key: value for key, value in values.items() if value not in (None, "", [], {})}
    return ", ".join(
        f"{key}={','.join(map(str, value)) if isinstance(value, list) else value}" for key, value in said.items()
    )


COMMANDS = (show_command, analyze_command, export_command)
