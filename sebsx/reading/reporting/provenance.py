"""Where numbers come from: what must be known to believe and repeat a run, and in words what is missing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sebsx.contracts.analyzers import Column, Table
from sebsx.errors import StoreError
from sebsx.reading.reporting.repeating import assignments
from sebsx.reading.reporting.series import cpu_models
from sebsx.reading.units import duration, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model import Run

MISSING = "missing"  # how a cell begins that says what is not known; pages mark it
_MOST_RUNS = 6


def table(views: Sequence[RunView], measured_cost: Mapping[str, bool]) -> Table:
    """Return a table with a row for each fact and a column for each run.

    Args:
        views: The runs; of more than a handful the first.
        measured_cost: Whether invocations of a run have a cost, by run.
    """
    shown = views[:_MOST_RUNS]
    columns = [Column("fact", "fact"), *(Column(view.run.id, f"run {view.run.id}") for view in shown)]
    told = {view.run.id: _facts(view, measured_cost.get(view.run.id, False)) for view in shown}
    names = dict.fromkeys(name for facts in told.values() for name in facts)
    rows = [{"fact": name, **{run: facts[name] for run, facts in told.items()}} for name in names]
    left = f"the first {len(shown)} of {len(views)} runs" if len(views) > len(shown) else ""
    return Table("provenance", columns=columns, rows=rows, caption=left)


def digests(views: Sequence[RunView]) -> Table:
    """Return a row for each function: the digests of its code and of its package."""
    rows = [
        {
            "benchmark": f"{one.benchmark} {one.benchmark_version}",
            "platform": one.platform,
            "code": _or_missing(one.benchmark_sha256, "no digest of the code"),
            "package": _or_missing(one.package_sha256, "no digest of what was deployed"),
        }
        for view in views
        for one in view.deployments()
    ]
    columns = (
        Column("benchmark", "benchmark"), Column("platform", "platform"), Column("code", "SHA-256 of the code"),
        Column("package", "SHA-256 of the package"),
    )  # fmt: skip
    unique = {tuple(row.values()): row for row in rows}
    return Table("digests", columns=columns, rows=list(unique.values()), caption="digests of what was deployed")


def packages(views: Sequence[RunView]) -> list[Table]:
    """Return a table of the packages that were deployed with their dependencies; none where nothing is known of any."""
    rows = []
    for view in views:
        known = readable(view.packages, {})
        named = {one.package_sha256: one for one in view.deployments() if one.package_sha256}
        for sha256, one in named.items():
            requirements = known.get(sha256, {}).get("requirements")
            rows.append(
                {
                    "benchmark": f"{one.benchmark} {one.benchmark_version}",
                    "sha256": sha256,
                    "bytes": one.package_bytes,
                    "requirements": _or_missing(
                        None if requirements is None else ", ".join(map(str, requirements)) or "none",
                        "what its dependencies resolved to is not stored",
                    ),
                }
            )
    unique = list({row["sha256"]: row for row in rows}.values())
    columns = (
        Column("benchmark", "benchmark"), Column("sha256", "SHA-256 of the package"),
        Column("bytes", "size", unit="bytes"),
        Column("requirements", "dependencies as resolved"),
    )  # fmt: skip
    caption = "packages with their dependencies"
    return [Table("packages", columns=columns, rows=unique, caption=caption)] if unique else []


def settings(run: Run) -> Table:
    """Return the settings a run was made with."""
    rows = [{"setting": key, "value": value} for key, value in assignments(run)]
    columns = (Column("setting", "setting"), Column("value", "value"))
    return Table(
        f"settings-{run.id}", columns=columns, rows=rows, caption=f"settings of run {run.id}; secrets are never stored"
    )


def readable(read: Callable[[], Any], otherwise: Any) -> Any:
    """Return what is read from the store, or something else where a single damaged value stands in the way."""
    try:
        return read()
    except StoreError:
        return otherwise


def _facts(view: RunView, has_cost: bool) -> dict[str, str]:
    run = view.run
    environment = readable(lambda: view.environment, {})
    deployments = view.deployments()
    models = Counter(readable(lambda: cpu_models(view), {}).values())
    sandboxes = ", ".join(f"{model} ({n} sandboxes)" if n > 1 else model for model, n in models.most_common())
    git = environment.get("git") or {}
    took = (
        f", took {duration((run.finished_at - run.started_at).total_seconds())}"
        if run.finished_at
        else f", {MISSING} its end: the run is {run.status.value}"
    )
    return {
        "experiment": f"{run.experiment}, {run.status.value}" + (f": {run.error}" if run.error else ""),
        "time (UTC)": run.started_at.isoformat(" ", "seconds") + took,
        "design and seed": f"{run.design.value}, seed {run.seed}",
        "benchmark": _each(f"{one.benchmark} {one.benchmark_version}" for one in deployments),
        "input": _each(_words({"size": one.size, **one.parameters}) for one in deployments),
        "platform and region": _each(" ".join(filter(None, (one.platform, one.region))) for one in deployments),
        "configuration as the platform reports it": _each(
            f"{one.memory_mib} MiB, {one.architecture}, time-out {show(one.timeout_s, 's')}" for one in deployments
        ),
        "language": _each(f"{one.language} {one.language_version}" for one in deployments),
        "CPU of the sandboxes": _or_missing(sandboxes, "no sandbox reported its CPU model"),
        "client": _or_missing(
            ", ".join(
                str(environment[key])
                for key in ("cpu_model", "system", "release", "machine")
                if environment.get(key) is not None
            ),
            "the client machine is not described",
        ),
        "client cores and memory": _or_missing(
            f"{environment['cpu_count']} cores, {show(environment['memory_bytes'], 'bytes')}"
            if {"cpu_count", "memory_bytes"} <= environment.keys()
            else None,
            "the client machine is not described",
        ),
        "sebsx": _or_missing(
            f"{environment['sebsx']} on Python {environment.get('python', '?')}" if "sebsx" in environment else None,
            "the version of sebsx is not stored",
        ),
        "commit": _or_missing(
            f"{git['commit']}{', with changes that are not committed' if git.get('dirty') else ''}"
            if git.get("commit")
            else None,
            "not run from a checkout",
        ),
        "invocations": _counts(view),
        "cost": "known for each invocation" if has_cost else f"{MISSING}: the platform has no price",
    }


def _counts(view: RunView) -> str:
    kinds: Counter[str] = Counter()
    for (kind, _, _), n in view.counts().items():
        kinds[kind.value] += n
    return ", ".join(f"{n:,} {kind}" for kind, n in sorted(kinds.items())) or f"{MISSING}: there is none"


def _each(words: Iterable[str | None], missing: str = "nothing was deployed") -> str:
    """Return different words in their order; many are counted rather than listed."""
    different = [word for word in dict.fromkeys(words) if word]
    if len(different) > 6:
        different = [*different[:5], f"and {len(different) - 5} more"]
    return _or_missing("; ".join(different), missing)


def _or_missing(word: str | None, why: str) -> str:
    return word or f"{MISSING}: {why}"


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value not in (None, ""))
