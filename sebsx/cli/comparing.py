"""`sebsx compare` and `sebsx baseline`: which changes are real, and names for the runs to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sebsx.cli import completing
from sebsx.cli.app import App, CommandGroup, command
from sebsx.cli.options import names_runs
from sebsx.cli.values import Word, number
from sebsx.errors import ThresholdError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sebsx.reading.comparison import ComparisonReport, Options

_FAIL_ON = ("regression", "change", "inconclusive", "incomparable", "never")
_OF_NUMBERS = frozenset({"regression", "change", "inconclusive"})
_APART = (
    "these are two runs, measured one after the other: a gate on them fails in about 1 of 6 cases in which nothing "
    "changed; measure both versions in one (sebsx run benchmark NEW --against BASE), or say --apart"
)
_FORMATS = ("text", "md", "json")


@command("compare")
@names_runs(many=True, metavar="BASE [NEW]")
@click.option("-m", "--metric", multiple=True, metavar="NAME", shell_complete=completing.metric,
              help="Metrics or patterns (phase.*_s) "
              "[default: client.latency_s, and the durations of executions where there are any].")  # fmt: skip
@click.option("-t", "--threshold", multiple=True, metavar="[METRIC=]SHARE", help="Smallest change that matters: 5%, or "
              "client.latency_s=10%,cost_per_million_usd=1% [default: 5%].")  # fmt: skip
@click.option("--alpha", type=number(0, 1), default=0.05, show_default=True,
              help="Chance of any false alarm among all rows.")  # fmt: skip
@click.option("--factor", default="", metavar="NAME", help="Compare levels of this factor within one run "
              "[default: the one with a base side, as version].")  # fmt: skip
@click.option("--base", default="", metavar="LEVEL", help="Level that the others are compared with "
              "[default: base, else the first].")  # fmt: skip
@click.option("--allow", multiple=True, metavar="FACT", help="Compare although these facts differ (region,cpu_model).")
@click.option("--fail-on", multiple=True, metavar="VERDICT", help=f"Exit with 1 on these: {', '.join(_FAIL_ON)}.")
@click.option("--apart", is_flag=True, help="With --fail-on: accept two runs that were not measured in turns.")
@click.option("--strict", is_flag=True, help="With --fail-on: fail on undecided comparisons, too.")
@click.option("-f", "--format", "format_", type=Word(_FORMATS), default="text", show_default=True,
              help="Format of the output; md fits into a comment on a pull request.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write md or json to this file, and "
              "the table to the terminal.")  # fmt: skip
@click.option("--all", "all_", is_flag=True, help="Show every row, not only the worst.")
def compare_command(
    app: App,
    runs: tuple[str, ...],
    campaign: str | None,
    metric: tuple[str, ...],
    threshold: tuple[str, ...],
    alpha: float,
    factor: str,
    base: str,
    allow: tuple[str, ...],
    fail_on: tuple[str, ...],
    apart: bool,
    strict: bool,
    format_: str,
    out: Path | None,
    all_: bool,
) -> None:
    """Compare two runs, or two versions within one run.

    \b
      sebsx run benchmark ./new --against ./old        measures both versions in turns
      sebsx compare last --fail-on regression          exits with 1 if the new one is slower
      sebsx compare main last                          a baseline, or any run, and another
      sebsx compare --campaign nightly                 its two newest runs
      sebsx compare last --factor memory_mib           sizes within one run

    Verdicts: regression, improvement, change (neither direction is better), equivalent (surely within the threshold),
    inconclusive (take more samples) and incomparable (something else differs; the row says what).

    Exit codes: 0 done, 1 a verdict named by --fail-on occurred, 2 wrong use, or nothing could be compared.
    """  # noqa: D301  # \\b keeps click from folding the lines
    from sebsx.reading.comparison import compare_runs  # heavy
    from sebsx.reading.comparison.same_code import newest
    from sebsx.reading.listing import chosen

    if len(runs) > 2:
        raise UserError(f"{len(runs)} runs were given; compare takes BASE and NEW, or one run that holds both")
    if out and format_ == "text":
        raise UserError(f"--out {str(out)!r} needs --format md or json")
    failing = _choices(fail_on)
    if strict and (not failing or "never" in failing):
        raise UserError("--strict is for a gate: name with --fail-on what fails it")
    options = _options(metric, threshold, alpha, factor, base, allow)
    with app.console.working("comparing"), app.open_store(read=True, check=True) as store:
        views = [store.view(run) for run in chosen(store, runs, campaign)[-2:]]
        if len(views) > 1 and failing & _OF_NUMBERS and not apart:
            raise UserError(_APART)
        report = compare_runs(views[:1], views[1:], options, trials=newest(store, views))
    _show(app, report, format_, out, limit=None if all_ else _rows_shown())
    _judge(app, report, failing, strict=strict)


@click.group("baseline", cls=CommandGroup)
def baseline_command() -> None:
    """Name runs that later ones are compared with.

    Such a name can be given wherever a run is asked for.
    """


@command("set")
@click.argument("name")
@names_runs(many=False)
def set_command(app: App, name: str, run: str | None, campaign: str | None) -> None:
    """Name a run; a name that is taken moves to this run."""
    from sebsx.reading.listing import chosen  # heavy

    with app.open_store() as store:
        baseline = store.set_baseline(name, chosen(store, [run] if run else [], campaign)[-1])
    app.console.result(baseline, text=f"{baseline.name} is run {baseline.run}")


@command("list")
def list_command(app: App) -> None:
    """List the baselines."""
    from sebsx.cli.console import rows_table

    with app.open_store() as store:
        baselines = store.baselines()
    rows = [
        {"name": item.name, "run": item.run, "set": item.set_at.strftime("%Y-%m-%d %H:%M:%S")} for item in baselines
    ]
    table = rows_table("", {"name": "name", "run": "run", "set": "set"}, rows)
    app.console.result(
        baselines, table, text="" if rows else "no baselines yet; name a run: sebsx baseline set NAME RUN"
    )


@command("remove")
@click.argument("name", shell_complete=completing.baseline)
def remove_command(app: App, name: str) -> None:
    """Forget a name; the run stays."""
    with app.open_store() as store:
        baseline = store.remove_baseline(name)
    app.console.result(baseline, text=f"{baseline.name} was run {baseline.run}, which stays")


def _options(
    metrics: Sequence[str], thresholds: Sequence[str], alpha: float, factor: str, base: str, allow: Sequence[str]
) -> Options:
    """Return the options as a comparison takes them; what was not given keeps its default."""
    from sebsx.reading.comparison import Options  # heavy

    given: dict[str, Any] = {"metrics": tuple(_split(metrics))} if metrics else {}
    by_metric = {}
    for word in _split(thresholds):
        name, _, share = word.rpartition("=")
        if name:
            by_metric[name] = _share(share)
        else:
            given["threshold"] = _share(share)
    return Options(thresholds=by_metric, alpha=alpha, factor=factor, base=base, allow=frozenset(_split(allow)), **given)


def _share(word: str) -> float:
    """Return a share that a person wrote: `5%`, `5 %` or `0.05`."""
    try:
        share = float(word.removesuffix("%")) / (100 if word.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UserError(f"--threshold {word!r} is not a share (e.g. 5%, 0.05 or METRIC=5%)")
    return share


def _choices(words: Sequence[str]) -> frozenset[str]:
    from sebsx.errors import UnknownNameError

    chosen = frozenset(_split(words))
    for word in sorted(chosen - set(_FAIL_ON)):
        raise UnknownNameError("verdict", word, _FAIL_ON, "--fail-on")
    if "never" in chosen and len(chosen) > 1:
        raise UserError("--fail-on 'never': leave it out, or the others")
    return chosen


def _split(words: Iterable[str]) -> Iterator[str]:
    return (part.strip() for word in words for part in word.split(",") if part.strip())


def _rows_shown() -> int:
    from sebsx.reading.comparison.result import ROWS_SHOWN

    return ROWS_SHOWN


def _show(app: App, report: ComparisonReport, format_: str, out: Path | None, limit: int | None) -> None:
    document = report.document()
    if out:
        text = report.to_markdown() if format_ == "md" else app.console.as_json(document)
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise UserError(f"{str(out)!r} cannot be written: {exc.strerror}") from exc
    if app.console.json or (format_ == "json" and not out):
        app.console.json = True
        app.console.result(document)
    elif format_ == "md" and not out:
        app.console.result(document, verbatim=report.to_markdown())
    else:
        app.console.report(report.to_report(limit))


def _judge(app: App, report: ComparisonReport, failing: frozenset[str], *, strict: bool) -> None:
    """End with the exit code that a gate asked for.

    Raises:
        ThresholdError: If a verdict occurred that it names; what is missing on one side counts as incomparable. Under
            `strict` also if anything was left undecided.
        UserError: If nothing could be compared, unless it asked for no failure at all; for a gate also if nothing was
            decided, since that is not a pass.
    """
    from sebsx.reading.comparison.result import counted, in_words  # heavy
    from sebsx.stats import Verdict

    hits = [row for row in report.rows if row.verdict in failing]
    missing = len(report.missing) if Verdict.INCOMPARABLE in failing else 0
    if hits:
        worst, many = hits[0], "s" * (len(report.rows) > 1)
        what = worst.change if worst.change != "-" else worst.reason
        counts = f"{in_words(counted(hits))} in {len(report.rows)} comparison{many}"
        doubt = f", {worst.doubt}" if worst.doubt else ""
        raise ThresholdError(f"{counts}; the worst: {worst.condition} {worst.name}: {what}{doubt}")
    if missing:
        raise ThresholdError(f"{missing} conditions were measured on one side only, the first: {report.missing[0]}")
    if not report.comparable and "never" not in failing:
        why = report.rows[0].reason if report.rows else str(report.missing[0]) if report.missing else report.summary
        raise UserError(f"nothing of {report.title} can be compared: {why}")
    if not failing or "never" in failing:
        return
    undecided, total = report.undecided, len(report.rows)
    if undecided and (strict or not report.judged):
        first = f"{undecided[0].condition} {undecided[0].name}: {undecided[0].reason}"
        text = f"the gate could not judge {len(undecided)} of {total} comparisons, the first: {first}"
        raise ThresholdError(text) if strict else UserError(text)
    if strict and report.missing:
        raise ThresholdError(f"the gate could not judge what one side lacks, the first: {report.missing[0]}")
    if undecided:
        app.console.warning(f"{len(undecided)} of {total} comparisons were left undecided; --strict fails on them")


for _command in (set_command, list_command, remove_command):
    baseline_command.add_command(_command)

COMMANDS = (compare_command, baseline_command)
