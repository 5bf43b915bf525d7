"""From stored runs to verdicts: choose the metrics, pair the conditions, measure, correct, judge."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sebsx.errors import UnknownNameError, UserError
from sebsx.model import RunStatus
from sebsx.reading.comparison.facts import (
    Background,
    differences,
    known_facts,
    told,
)
from sebsx.reading.comparison.judging import Task, judge
from sebsx.reading.comparison.options import SANDBOX, Options
from sebsx.reading.comparison.pairing import Missing, pair, unmeasured
from sebsx.reading.comparison.result import ComparisonReport
from sebsx.reading.comparison.same_code import same_code
from sebsx.reading.conditions import conditions, factors_of, identity_columns, level, name_of
from sebsx.reading.executions import DURATION, durations
from sebsx.reading.subjects import COLUMNS, about_compared
from sebsx.reading.summaries import COST_PER_MILLION, ERRORS
from sebsx.reading.units import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model import Factor, Factors
    from sebsx.model.metrics import Metric
    from sebsx.reading.comparison.same_code import SameCode
    from sebsx.reading.conditions import Condition

_BASE = "base"
_LATENCY = "client.latency_s"
_OURS = {metric.name: metric for metric in (COST_PER_MILLION, ERRORS)}
_ALLOWED_SHOWN = 5
_AS_UNITS = (
    "calls are taken as units although some shared a sandbox, as allowed: a difference of a few percent may be that of "
    "the sandbox, and intervals are too narrow"
)
# Facts of the client machine that must not change between two runs.
_CLIENT = ("cpu_model", "cpu_count", "system", "release", "python", "sebsx")

# Measured on a shared machine of two cores: 200 comparisons of the same 4 ms of work, each of 60 samples a side,
# Mann-Whitney at 5 %.
_DRIFT = (
    "so that drift of the platform looks like a difference: of 200 comparisons of the same code, 64 % found a change "
    "when measured one after the other and 2 % when interleaved"
)
_TOGETHER = "measure both in one run: sebsx run benchmark NEW --against BASE --design rmit"


@dataclass(frozen=True, slots=True)
class _Sides:
    """What is compared with what: two runs, or two levels of a factor."""

    base: str
    new: str
    old: Sequence[Condition]
    young: Sequence[Condition]


def compare_runs(
    base: Sequence[RunView],
    new: Sequence[RunView] = (),
    options: Options | None = None,
    *,
    trials: RunView | None = None,
) -> ComparisonReport:
    """Return the verdict on each condition and metric.

    Sandboxes are the units, and compared as pairs where they shared the rounds of one interleaved run. p values are
    corrected over all rows (Holm). Failures are compared as shares wherever an invocation failed.

    Args:
        base: What is compared with; or the run that holds both sides, if there is no `new`.
        new: What is compared.
        options: None for the defaults.
        trials: A run that shows what identical code does on this machine (`same_code.newest`), to stand beside the
            verdicts; None for none.

    Raises:
        UserError: If a name is unknown, both sides are the same run, or one run does not hold two levels.
    """
    chosen = options or Options()
    _check_sides(base, new, chosen)
    views = [*base, *new]
    metrics = _metrics(views, chosen)
    priced = any(metric.unit == "USD" for metric in metrics)
    backgrounds = {view.run.id: Background(view, priced=priced) for view in views}
    models = {model for background in backgrounds.values() for model in background.cpu_models.values()}
    more = [*(metric.name for metric in metrics), *COLUMNS, *(["sandbox_id"] if len(models) > 1 else [])]
    old, young = conditions(base, more), conditions(new, more)
    _check_allowed(chosen, [*old, *young], backgrounds)
    studied, factors = chosen.allow, factors_of([*old, *young])
    factor = "" if new else _factor(base, old, factors, chosen)
    if new:
        sides = [_Sides(_names(base), _names(new), old, young)]
    else:
        sides = list(_levels(base, old, factors[factor], chosen.base))
        studied |= factors.implied(factor)
    missing = [
        Missing(name, *line)
        for name, side, found in (("base" if new else "the run", base, old), ("new", new, young))
        for view in side
        for line in unmeasured(view, found)
    ]
    tasks, left = _tasks(sides, backgrounds, studied, chosen.allow, factor, factors)
    shown = _shown(trials, tasks, metrics)
    rows = judge(tasks, metrics, chosen, shown)
    return ComparisonReport(
        base=sides[0].base,
        new=", ".join(side.new for side in sides),
        rows=tuple(rows),
        missing=(*missing, *left),
        changed=tuple(dict.fromkeys(item for task in tasks for item in told(task.base, task.new, backgrounds))),
        warnings=(
            *_warnings(base, new, tasks, SANDBOX in chosen.allow),
            *about_compared(((task.label, (task.base, task.new)) for task in tasks), metrics),
        ),
        alpha=chosen.alpha,
        paired=any(row.method == "paired" for row in rows),
        same_code=tuple(shown.values()),
    )


def _shown(trials: RunView | None, tasks: Sequence[Task], metrics: Sequence[Metric]) -> dict[tuple[str, str], SameCode]:
    """Return what identical code shows, by platform and metric, of the platforms that are compared."""
    platforms = {str(side.identity.get("platform")) for task in tasks for side in (task.base, task.new)}
    found = same_code(trials, metrics) if trials else []
    return {(one.platform, one.metric.name): one for one in found if one.platform in platforms}


def _check_sides(base: Sequence[RunView], new: Sequence[RunView], options: Options) -> None:
    if options.factor and new:
        raise UserError(f"--factor {options.factor} compares within one run; leave the second run or the factor out")
    if both := {view.run.id for view in base} & {view.run.id for view in new}:
        raise UserError(f"run {both.pop()!r} stands on both sides; name two runs, or one that holds both versions")
    if not 0 < options.alpha < 1:
        raise UserError(f"alpha {options.alpha!r} must lie between 0 and 1")


def _check_allowed(options: Options, found: Sequence[Condition], backgrounds: Mapping[str, Background]) -> None:
    known = [*known_facts(found, backgrounds), SANDBOX]
    for name in sorted(options.allow - set(known)):
        raise UnknownNameError("fact", name, known, "--allow")


def _metrics(views: Sequence[RunView], options: Options) -> list[Metric]:
    """Return the metrics to compare; failures last.

    Raises:
        UnknownNameError: If there is none of a name.
    """
    stored = {name: metric for view in views for name, metric in view.metrics().items()}
    grouped = {metric.name: metric for view in views for metric in durations(view)}
    stored |= grouped
    known = {name: metric for name, metric in stored.items() if metric.unit != "json" and "*" not in name} | _OURS
    chosen: dict[str, Metric] = {}
    for pattern in options.metrics or (_LATENCY, *grouped):
        found = {name: metric for name, metric in known.items() if fnmatchcase(name, pattern)}
        if found.pop(DURATION.name, None):
            found |= grouped or {DURATION.name: DURATION}
        if not found:
            raise UnknownNameError("metric", pattern, known, "sebsx list metrics")
        chosen |= found
    for pattern in options.thresholds:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise UnknownNameError("metric", pattern, known, "--threshold METRIC=SHARE")
    return [*(metric for metric in chosen.values() if metric is not ERRORS), ERRORS]


def _factor(base: Sequence[RunView], found: Sequence[Condition], factors: Factors, options: Options) -> str:
    """Return the factor whose levels one run is to be split by.

    Raises:
        UserError: If it does not have two.
    """
    levels = {
        key: dict.fromkeys(str(level(one, key)) for one in found if level(one, key) is not None)
        for key in dict.fromkeys(key for one in found for key in one.identity)
    }
    factor = options.factor or _sided(factors, levels)
    if len(levels.get(factor, ())) > 1:
        return factor
    failed = [f"{label}: {reason}" for view in base for label, reason in unmeasured(view, found)]
    name = _names(base)
    if not found:
        raise UserError(f"{name} holds no invocations; {failed[0] if failed else 'measure something first'}")
    several = [f"{key} ({', '.join(values)})" for key, values in levels.items() if len(values) > 1]
    if options.factor and factor not in levels:
        raise UnknownNameError("factor", factor, levels, f"it has several levels of {', '.join(several) or 'nothing'}")
    here = f"{factor} ({', '.join(levels.get(factor, ())) or 'none'})" if factor else "a factor with a base side"
    advice = f"compare it with another run, or with --factor the levels of {' or '.join(several)}" if several else ""
    advice = advice or "compare it with another run: sebsx compare BASE NEW"
    raise UserError(f"{name} holds no two levels of {here}; {failed[0] if failed else advice}")


def _sided(factors: Factors, levels: Mapping[str, Iterable[str]]) -> str:
    """Return the factor that says which of its levels is the base; empty for none."""
    declared = (factor.name for factor in factors.declared if factor.base)
    return next(declared, "") or next((name for name, values in levels.items() if _BASE in values), "")


def _levels(views: Sequence[RunView], found: Sequence[Condition], factor: Factor, wanted: str) -> Iterator[_Sides]:
    groups: dict[str, list[Condition]] = {}
    for condition in found:
        value = level(condition, factor.name)
        if value is not None:
            groups.setdefault(str(value), []).append(condition)
    if wanted and wanted not in groups:
        raise UnknownNameError("level", wanted, groups, "--base", of=f"factor {factor.name!r}")
    base = wanted or next((word for word in (factor.base, _BASE) if word in groups), next(iter(groups)))
    for value, members in groups.items():
        if value != base:
            yield _Sides(f"{factor.name} {base} of {_names(views)}", f"{factor.name} {value}", groups[base], members)


def _names(views: Sequence[RunView]) -> str:
    return ", ".join(f"run {view.run.id}" for view in views)


def _tasks(
    sides: Sequence[_Sides],
    backgrounds: Mapping[str, Background],
    studied: frozenset[str],
    allow: frozenset[str],
    factor: str,
    factors: Factors,
) -> tuple[list[Task], list[Missing]]:
    tasks, missing = [], []
    hidden = {"run", factor, *(factors.implied(factor) - {"benchmark"})}
    for side in sides:
        pairs, old, young = pair(side.old, side.young, studied)
        columns = [column.key for column in identity_columns([*side.old, *side.young]) if column.key not in hidden]

        def words(condition: Condition, side: _Sides = side, columns: Sequence[str] = columns) -> str:
            name = name_of({key: level(condition, key) for key in columns}, factors)
            return f"{name} ({side.new})" if len(sides) > 1 else name

        for one, other in pairs:
            found = differences(one, other, backgrounds, studied)
            allowed = differences(one, other, backgrounds, studied - allow) if allow else found
            extra = tuple(item for item in allowed if item not in found)
            tasks.append(Task(words(one), one, other, tuple(found), extra))
        missing += [Missing(side.new if len(sides) > 1 else "new", words(one), "only base has it") for one in old]
        missing += [Missing("base", words(one), "only new has it") for one in young]
    return tasks, missing


def _warnings(base: Sequence[RunView], new: Sequence[RunView], tasks: Sequence[Task], allow: bool) -> Iterator[str]:
    if tasks and new:
        yield f"the two sides are separate runs{_apart(base, new)}, {_DRIFT}; {_TOGETHER}"
    elif tasks and not all(task.paired for task in tasks):
        yield f"{_names(base)} measured one condition after the other, {_DRIFT}; {_TOGETHER}"
    if allow and not all(side.observed(_LATENCY).singles for task in tasks for side in (task.base, task.new)):
        yield _AS_UNITS
    for view in (*base, *new):
        run = view.run
        if run.status is not RunStatus.FINISHED:
            yield f"run {run.id} is {run.status.value}{f': {run.error}' if run.error else ''}; this is what it stored"
    if allowed := list(dict.fromkeys(str(item) for task in tasks for item in task.allowed)):
        more = f" and {len(allowed) - _ALLOWED_SHOWN} more" if len(allowed) > _ALLOWED_SHOWN else ""
        yield f"compared although this differs, as allowed: {'; '.join(allowed[:_ALLOWED_SHOWN])}{more}"
    if base and new:
        here, there = base[0], new[0]
        changed = [name for name in _CLIENT if here.environment.get(name) != there.environment.get(name)]
        for name in changed:
            was, became = here.environment.get(name, "not known"), there.environment.get(name, "not known")
            yield f"the client is not the same: {name} {was} -> {became}"
        if here.run.seed != there.run.seed:
            seeds = f"{here.run.seed} and {there.run.seed}"
            yield f"the seeds differ ({seeds}), and so may the inputs; --seed N makes them equal"


def _apart(base: Sequence[RunView], new: Sequence[RunView]) -> str:
    seconds = abs((new[0].run.started_at - base[0].run.started_at).total_seconds())
    return f", {duration(seconds)} apart" if seconds >= 1 else ""
