"""`sebsx calibrate`: which values of a benchmark's steps give the wanted run times on a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sebsx.cli.app import CORE, App, command
from sebsx.cli.options import complete_benchmark, layer_of
from sebsx.cli.running import choose_platforms
from sebsx.errors import UserError
from sebsx.settings import Layer, Section, SettingsReader

if TYPE_CHECKING:
    from sebsx.running.calibrator import Outcome
    from sebsx.running.orchestrator import RunSpec


@command("calibrate")
@click.argument("benchmark", metavar="NAME|FOLDER", shell_complete=complete_benchmark)
@click.option("--target", metavar="LOW..HIGH", required=True, help="Run times of the first and last step: 4s..120s.")
@click.option("-P", "--platform", metavar="NAME", help="Platform [default: the one that needs no account].")
@click.option("-s", "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As in `sebsx run`.")
@click.option("--save", is_flag=True, help="Keep the result: `--size 7` uses it on that platform and memory.")
@click.option("--seed", type=int, help="Seed of every random choice [default: drawn, and stored].")
@click.option("--memory", "memory_mib", type=int, help="Provisioned memory in MiB [default: the benchmark's own].")
@click.option("--architecture", help="Processor architecture [default: the platform's first].")
@click.option("--language", help="Language of the function's code [default: python].")
@click.option("--repetitions", type=int, help="Warm calls of which the median is taken [default: 5].")
@click.option("--tolerance", type=float, help="Largest relative error of both ends [default: 0.1].")
@click.option("--max-points", type=int, help="Most values that are measured [default: 16].")
@click.option("--max-time-s", type=float, help="Most time in s [default: 1800].")
def calibrate_command(
    app: App, benchmark: str, target: str, platform: str | None, assignments: tuple[str, ...], save: bool, **values: Any
) -> None:
    """Find the values of a benchmark's numbered steps that take the wanted run times on a platform.

    \b
      sebsx calibrate graph-mst --target 4s..120s --memory 3008 --save
      sebsx run benchmark graph-mst --size 7 --memory 3008
    """  # noqa: D301  # \\b keeps click from folding the lines
    from sebsx.running import calibration, calibrator, orchestrator  # heavy

    low_s, high_s = calibration.parse_target(target)
    experiment = calibrator.Calibrate()
    spec = _spec(app, experiment, platform, assignments, {
        **values, "benchmark": benchmark, "low_s": low_s, "high_s": high_s,
    })  # fmt: skip
    with app.open_store() as store, app.console.progress() as observer:
        orchestrator.run(spec, app.registry, store, observer)
    outcome = experiment.outcome
    assert outcome is not None
    path = calibration.save(outcome.calibration) if save else None
    _print(app, outcome, None if path is None else str(path))


def _spec(
    app: App, experiment: Any, platform: str | None, assignments: tuple[str, ...], values: dict[str, Any]
) -> RunSpec:
    from sebsx.running.calibrator import CalibrateSettings  # heavy
    from sebsx.running.orchestrator import RunSpec

    section, seed = Section("calibrate", CalibrateSettings), values.pop("seed")
    given = [Layer("the command line", {f"{CORE}.platform": platform})] if platform else []
    names = choose_platforms(app, app.reader((), (), *given).read(CORE).value.platform)
    if len(names) > 1:
        raise UserError(f"calibrate takes one platform, not {', '.join(names)}; name it with --platform")
    reader = app.reader(assignments, [f"platform.{name}" for name in names], *given)
    settings = SettingsReader([layer_of(section, values)], [section]).read(section.name).value
    platforms = {name: reader.read(f"platform.{name}").value for name in names}
    return RunSpec(experiment, settings, platforms, seed=seed)


def _print(app: App, outcome: Outcome, path: str | None) -> None:
    from sebsx.contracts.analyzers import Column, Table  # heavy

    found, fit = outcome.calibration, outcome.fit
    document = {
        "calibration": found,
        "points": [{"value": value, "duration_s": took_s} for value, took_s in outcome.points],
        "fit": fit,
        "error": outcome.error,
        "saved": path,
    }
    ends = {found.first: "step 1", found.last: f"step {found.count}"}
    rows = [
        {
            "value": f"{value:g}",
            "duration_s": took_s,
            "line_s": fit.duration_s(value**found.growth),
            "is": ends.get(value),
        }
        for value, took_s in sorted(outcome.points)
    ]
    columns = [
        Column("value", found.parameter), Column("duration_s", "run time", "s"), Column("line_s", "line", "s"),
        Column("is", "is"),
    ]  # fmt: skip
    text = (
        f"{found.parameter} from {found.first:g} to {found.last:g} gives {found.first_s:.3g} s to {found.last_s:.3g} s "
        f"on {found.platform} with {found.memory_mib} MiB; R^2 of the line is {fit.r2:.4f}"
    )
    app.console.result(document, Table("", columns, rows), text=text)
    app.console.note(f"kept in {path}" if path else "nothing is kept; --save makes numbered sizes use it")


COMMANDS = (calibrate_command,)
