"""`sebsx run` and `sebsx plan`: the same words, done or only planned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import CORE, App, CommandGroup, output_options
from sebsx.cli.failing import show_failures
from sebsx.cli.mistakes import ListsCommand
from sebsx.cli.options import FAIL_IF, layer_of, options_of
from sebsx.cli.planning import show_plan
from sebsx.cli.values import Read, duration, integer, number
from sebsx.errors import (
    PlatformError,
    PluginError,
    SebsxError,
    ThresholdError,
    UnknownNameError,
    UnsuccessfulError,
    UserError,
)
from sebsx.settings import COMMAND_LINE, Layer, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.runs import RunView
    from sebsx.model import Run
    from sebsx.model.stored import StoredCell
    from sebsx.reading.gate import Judgement
    from sebsx.reading.repricing import PriceChoice
    from sebsx.running.limits import Limits
    from sebsx.running.orchestrator import RunSpec
    from sebsx.store import Store

LIMITS: tuple[click.Parameter, ...] = (
    click.Option(["--budget-usd"], type=number(0, name="usd"), help="stop before this much is spent; keep all data"),
    click.Option(["--max-invocations"], type=integer(1), help="stop before more are sent; keep all data"),
    click.Option(
        ["--max-time", "time_limit_s"],
        type=Read(duration, "time"),
        help="stop after this (90s, 20m, 2h); keep all data",
    ),
    click.Option(
        ["--records-wait", "records_wait_s"],
        type=Read(duration, "time"),
        help="how long to wait for a provider's late records of a function  [default: 60s]",
    ),
)
_COMMON: tuple[click.Parameter, ...] = (
    click.Option(
        ["-P", "--platform", "platform"],
        metavar="A,B",
        shell_complete=completing.platform,
        help="platforms to run on [default: the one that needs no account]",
    ),
    click.Option(
        ["-s", "--set", "assignments"],
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=completing.assignment,
        help="any setting, as `keep_alive_s=60` or `platform.local.keep_alive_s=60`; repeatable",
    ),
    click.Option(["--seed"], type=integer(), help="seed of every random choice [default: drawn, and stored]"),
    click.Option(
        ["--collect", "collectors"],
        metavar="A,B",
        shell_complete=completing.collector,
        help="collectors in functions [default: the default ones]",
    ),
    click.Option(
        ["--option", "options"],
        multiple=True,
        metavar="NAME=VALUE,...",
        shell_complete=completing.option,
        help="an option of functions, each value a level to measure (sebsx list options); repeatable",
    ),
    click.Option(["--campaign"], shell_complete=completing.campaign, help="free label that groups runs"),
    click.Option(["--fail-if", "fail_if"], multiple=True, metavar="THRESHOLD", help=FAIL_IF),
    click.Option(
        ["--price-as"],
        metavar="PROVIDER:REGION",
        shell_complete=completing.place,
        help="estimate the cost of what has no price where it runs by these, such as aws:us-east-1",
    ),
    *LIMITS,
)


class ExperimentGroup(CommandGroup):
    """`experiment NAME`: one command per registered experiment, with an option for each of its settings."""

    def __init__(self, action: Callable[[App, RunSpec], None], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._action = action

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the experiments."""
        return sorted(ctx.ensure_object(App).registry.experiments)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of an experiment."""
        app = ctx.ensure_object(App)
        return _command(cmd_name, app.registry.get("experiments", cmd_name), self._action)


class SubjectGroup(CommandGroup):
    """`run` and `plan`: `benchmark` is the experiment that runs benchmarks, found by what it says of itself."""

    def __init__(self, action: Callable[[App, RunSpec], None], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._action = action
        help_text = "Run an experiment by its name (sebsx list experiments)."
        self._experiment = ExperimentGroup(action, name="experiment", help=help_text)

    def list_commands(self, ctx: click.Context) -> list[str]:  # click's signature
        """Return `experiment` and the words that experiments bring."""
        return sorted(["experiment", *_subjects(ctx.ensure_object(App))])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of the experiment that a word means."""
        if cmd_name == "experiment":
            return self._experiment
        subjects = _subjects(ctx.ensure_object(App))
        if cmd_name not in subjects:
            return None
        return _command(cmd_name, subjects[cmd_name], self._action, positional=True)

    def unknown(self, ctx: click.Context, word: str) -> UserError:
        """Return which command takes a word that is a benchmark, a folder, an address or an experiment."""
        what = _named(ctx.ensure_object(App), word)
        if what:
            return UserError(f"{word!r} is {what[0]}: {ctx.command_path} {what[1]} {word}")
        return UnknownNameError("command", word, self.list_commands(ctx), f"{ctx.command_path} --help")


def _named(app: App, word: str) -> tuple[str, str] | None:
    """Return what a word names that can be run, and the command behind `run` that takes it; None for nothing."""
    if "://" in word or word.startswith("arn:"):
        return "a function", "function"
    if word in app.registry.benchmarks:
        return "a benchmark", "benchmark"
    if word in app.registry.experiments:
        return "an experiment", "experiment"
    return ("a folder", "benchmark") if Path(word).is_dir() else None


def _subjects(app: App) -> dict[str, type[Experiment[Any]]]:
    return {experiment.subject: experiment for experiment in app.registry.experiments.values() if experiment.subject}


def _command(
    name: str, experiment: type[Experiment[Any]], action: Callable[[App, RunSpec], None], *, positional: bool = False
) -> click.Command:
    """Return the command of an experiment: its settings as options, and what all runs have."""
    section = Section(f"experiment.{experiment.name}", experiment.Settings)
    parameters = options_of(section, positional=positional)

    @click.pass_obj
    def callback(app: App, /, **values: Any) -> None:
        action(app, _spec(app, experiment, section, values))

    help_text = f"{experiment.summary[0].upper()}{experiment.summary[1:]}."
    if positional and any(isinstance(parameter, click.Argument) for parameter in parameters):
        help_text += "\n\n" + _about_arguments(section)
    made = ListsCommand(name, params=[*parameters, *_COMMON], callback=callback, help=help_text)
    made.section = section
    ready: click.Command = output_options(made)
    return ready


def _about_arguments(section: Section) -> str:
    fields = [item for item in section.fields.values() if item.metadata["positional"]]
    return "\n\n".join(f"{item.metadata['positional']}: {item.metadata['help']}." for item in fields)


def _spec(app: App, experiment: type[Experiment[Any]], section: Section, values: Mapping[str, Any]) -> RunSpec:
    """Return what the user asked for, from options, `--set`, environment and files."""
    core_values = {
        f"{CORE}.{name}": values[name]
        for name in ("platform", "collectors", "campaign")
        if values.get(name) is not None
    }
    if values["options"]:
        core_values[f"{CORE}.options"] = ",".join(values["options"])
    if values["fail_if"]:
        core_values[f"{CORE}.fail_if"] = ",".join(values["fail_if"])
    if values["price_as"] is not None:
        app.price_as = price_choice(app, values["price_as"])
    assignments = values["assignments"]
    app.analyzer_assignments = [word for word in assignments if word.startswith("analyzer.")]
    return app.spec(
        experiment,
        Layer(COMMAND_LINE, core_values),
        layer_of(section, values),
        assignments=assignments,
        seed=values["seed"],
        limits=_limits(values),
    )


def price_choice(app: App, place: str) -> PriceChoice:
    """Return the prices that `--price-as` names, of today.

    Raises:
        UserError: If nobody brings prices of that provider, or they have none for the region; before anything runs.
    """
    from datetime import UTC, datetime

    from sebsx.pricing import Shelf  # heavy
    from sebsx.reading.repricing import PriceChoice

    provider, _, region = place.partition(":")
    today = datetime.now(UTC).date()
    book = Shelf(app.registry).book(provider, today)
    if not region:
        usual = app.registry.get("pricelists", provider).usual_region
        example = usual if usual in book.regions else book.regions[0]
        raise UserError(
            f"--price-as {place!r}: add the region, such as {provider}:{example} (sebsx prices show {provider})"
        )
    if region not in book.regions:
        raise UnknownNameError("region", region, book.regions, f"sebsx prices show {provider}", of=f"price book {book}")
    return PriceChoice(today, provider, region)


def _price(app: App, view: RunView, store: Store) -> RunView:
    """Store what a run would have cost by `--price-as`, and return the run with it."""
    if app.price_as is None:
        return view
    from sebsx.reading import saved_prices  # heavy
    from sebsx.reading.repricing import reprice

    try:
        saved_prices.save(store, reprice(view, app.registry, app.price_as))
    except UserError as exc:  # what was measured is told all the same
        app.console.warning(f"not priced by --price-as: {exc}")
    return store.view(view.run.id)


def _limits(values: Mapping[str, Any]) -> Limits:
    from sebsx.running.limits import Limits  # heavy

    # `time_limit_s`, because experiments may have a `max_time_s` of their own, for a cell.
    return Limits(values["budget_usd"], values["max_invocations"], values["time_limit_s"], values["records_wait_s"])


def _run(app: App, spec: RunSpec) -> None:
    """Do a run, print what it says, and end with the exit code that its cells and its thresholds ask for."""
    from sebsx.model import RunStatus
    from sebsx.reading import gate  # heavy

    if spec.fail_if:
        gate.check(spec.fail_if, app.planned(spec), app.registry.metrics)
    with app.open_store() as store:
        run = app.carry_out(spec, store)
        view = _price(app, store.view(run.id), store)
        judged, unjudged = [], None
        try:
            judged = gate.judged(spec.fail_if, [view], app.registry.metrics)
        except UserError as exc:  # nothing of a condition was measured: why that is, the run says
            unjudged = exc
        _print_run(app, spec, run, view, judged)
        if run.status is RunStatus.INTERRUPTED:
            raise ThresholdError(f"{run.error}; what was measured is kept, resume with: sebsx run --resume {run.id}")
        raise_for(run, view.cells())
        if unjudged is not None:
            raise unjudged
        gate.raise_for(judged, spec.fail_if)


def _print_run(app: App, spec: RunSpec, run: Run, view: RunView, judged: Sequence[Judgement]) -> None:
    from sebsx.reading.failures import nothing_worked  # heavy

    report, trouble = None, None
    try:
        report = app.analyze([view]) if spec.experiment.analyzer else None
    except (UserError, PluginError) as exc:  # what was measured is told all the same
        trouble = exc
    if app.console.json:
        thresholds = [each.document() for each in judged]
        app.console.result({"run": run, "cells": view.cells(), "report": report, "thresholds": thresholds})
    else:
        show_judged(app, judged)
        if report:
            app.console.report(report, failed=nothing_worked([view]))
        show_failures(app, [view])
        page = f", or a page about it: sebsx report {run.id}" if report else ""
        app.console.note(f"\nrun {run.id} is stored; see: sebsx show {run.id}{page}")
    if trouble:
        raise trouble


def show_judged(app: App, judged: Sequence[Judgement]) -> None:
    """Print what became of thresholds, as a table; nothing where there are none."""
    from sebsx.reading import gate  # heavy

    if judged:
        app.console.result(None, gate.table(judged))


def raise_for(run: Run, cells: list[StoredCell]) -> None:
    """Turn what did not work into the documented exit code.

    Raises:
        PluginError: If a plugin failed.
        PlatformError: If a function could not be deployed, or nothing was supported.
        UnsuccessfulError: If nothing or almost nothing in the run worked.
        ThresholdError: If a cell was given up for failures, or must not be believed.
    """
    from sebsx.model import NOT_DEPLOYED, PLUGIN_FAILED, RunStatus

    # Why a cell failed that is not a threshold of the user's, the most serious first.
    failures: dict[str | None, type[SebsxError]] = {PLUGIN_FAILED: PluginError, NOT_DEPLOYED: PlatformError}
    unsuccessful = run.status is RunStatus.UNSUCCESSFUL
    failed = [cell for cell in cells if cell.status == "failed"]
    invalid = [cell for cell in cells if cell.status == "invalid"]
    unsupported = [cell for cell in cells if cell.status == "unsupported"]
    if failed:
        reasons = [cell.stop_reason for cell in failed]
        worst = next((reason for reason in failures if reason in reasons), reasons[0])
        cell = failed[reasons.index(worst)]
        kind = failures.get(worst, UnsuccessfulError if unsuccessful else ThresholdError)
        raise kind(f"{len(failed)} of {len(cells)} cells failed; {worst}: {cell.error}")
    if unsuccessful and (not cells or len(unsupported) < len(cells)):
        raise UnsuccessfulError(run.error)
    if invalid:
        raise ThresholdError(f"{len(invalid)} of {len(cells)} cells are invalid: {invalid[0].stop_reason}")
    if cells and len(unsupported) == len(cells):
        raise PlatformError(f"nothing could be measured: {unsupported[0].error or unsupported[0].stop_reason}")


@click.group("run", cls=SubjectGroup, action=_run, invoke_without_command=True)
@click.option(
    "--resume",
    metavar="RUN",
    shell_complete=completing.resumable,
    help="Go on with an interrupted run: finished cells are skipped.",
)
@click.pass_context
def run_command(ctx: click.Context, /, resume: str | None, **limits: Any) -> None:
    """Build, deploy, call, measure, price, tear down, report.

    \b
      sebsx run benchmark                                   the default suite on this machine
      sebsx run benchmark graph-bfs --memory 256,512,1024   a memory sweep
      sebsx run benchmark ./my-function --start cold        a folder of your own
      sebsx run benchmark ./new --against ../main/new       two versions, interleaved
      sebsx run function https://host/path                  what you have deployed already
      sebsx run --resume RUN                                go on where a run was interrupted
    """  # noqa: D301  # \\b keeps click from folding the lines
    if ctx.invoked_subcommand is None:
        if not resume:
            raise click.UsageError("name what to run: benchmark, function, load, experiment, or --resume RUN", ctx)
        app = ctx.ensure_object(App)
        _run(app, app.resumed(resume, _limits(limits)))
    elif resume:
        raise click.UsageError("--resume takes everything from the run; leave the rest out", ctx)
    elif any(value is not None for value in limits.values()):
        raise click.UsageError(f"limits go behind {ctx.invoked_subcommand!r}, or beside --resume", ctx)


run_command.params += LIMITS


@click.group("plan", cls=SubjectGroup, action=show_plan)
def plan_command() -> None:
    """Show what a run would deploy, call, take and cost.

    It takes the same words as `run`.
    """


COMMANDS = (run_command, plan_command)
