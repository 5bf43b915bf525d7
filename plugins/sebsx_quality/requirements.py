"""The twelve requirements of a result that others can judge and repeat, each looked up in what a run stored.

Source: the eight principles of Papadopoulos et al., Methodological Principles for Reproducible Performance Evaluation
in Cloud Computing (TSE 2021), made concrete for functions; docs/methods/quality.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.model import CellStatus, RunStatus
from sebsx_quality.evidence import READY, sandboxes_of, told, told_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.model.frame import Frame, Mask
    from sebsx.model.stored import StoredDeployment

COLUMNS = ("start_evidence", "sandbox_id")
_LEAST_FOR_INTERVAL = 6  # samples without which a median has no interval at 95 %
_SHORT = 12  # digits of a digest that are shown
_WORDS = 3  # values of a fact that are shown


class Met(StrEnum):
    """Whether a requirement is met."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


@dataclass(frozen=True, slots=True)
class RequirementAnswer:
    """What is stored of a requirement, and what is not."""

    evidence: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def met(self) -> Met:
        """Yes where nothing is missing, no where there is nothing."""
        if not self.missing:
            return Met.YES
        return Met.PARTLY if self.evidence else Met.NO


class Facts:
    """What requirements look at, read once.

    Args:
        view: The run.
    """

    def __init__(self, view: RunView) -> None:
        self.view = view
        self.run = view.run
        self.environment = view.environment

    @cached_property
    def deployments(self) -> list[StoredDeployment]:
        """Those that took invocations."""
        return [item for item in self.view.deployments() if item.status in READY]

    @cached_property
    def frame(self) -> Frame:
        """Every invocation, warm-ups too."""
        return self.view.frame(kind=None, more=COLUMNS)

    @cached_property
    def ok(self) -> Mask:
        """Which invocations ended well."""
        return self.frame.equals("status", "ok")

    @cached_property
    def sandboxes(self) -> list[Mapping[str, Any]]:
        """What each sandbox told of itself."""
        return [item.facts for item in self.view.sandboxes()]

    @cached_property
    def answered(self) -> int:
        """How many sandboxes answered at all."""
        import numpy as np  # heavy

        places, names = sandboxes_of(self.frame)
        return sum(bool(names[place][1]) for place in np.unique(places[self.ok]))

    def of_deployments(self, metric: str) -> dict[int, list[Any]]:
        """Return the values, or texts, stored under a metric for each deployment that took invocations."""
        found: dict[int, list[Any]] = {item.id: [] for item in self.deployments}
        for value in self.view.values():
            if value.metric == metric and value.deployment_id in found:
                found[value.deployment_id].append(value.value if value.text is None else value.text)
        return found


class _Look:
    """Collects evidence and what is missing."""

    def __init__(self) -> None:
        self.evidence: list[str] = []
        self.missing: list[str] = []

    def need(self, present: object, evidence: str, missing: str) -> None:
        """Note one part of a requirement: its evidence if it is present, else what is missing."""
        (self.evidence if present else self.missing).append(evidence if present else missing)

    def answer(self) -> RequirementAnswer:
        """Return what was collected."""
        return RequirementAnswer(tuple(self.evidence), tuple(self.missing))


def _every(items: Sequence[Any]) -> bool:
    """Tell whether there are items and none of them is empty."""
    return bool(items) and all(items)


def _shown(values: Sequence[Any]) -> str:
    """Return the different values, in few words."""
    different = list(dict.fromkeys(str(value) for value in values))
    return ", ".join(different[:_WORDS]) + (f" and {len(different) - _WORDS} more" if len(different) > _WORDS else "")


def _digests(values: Sequence[str | None]) -> str:
    return _shown([str(value)[:_SHORT] for value in values])


def _code(facts: Facts) -> RequirementAnswer:
    look, found = _Look(), facts.deployments
    packages = [item.package_sha256 for item in found]
    look.need(
        _every(packages),
        f"packages {_digests(packages)}",
        "the digest of every deployed package; deploy with sebsx rather than by hand",
    )
    sources = [item.benchmark_sha256 for item in found]
    look.need(_every(sources), f"sources {_digests(sources)}", "the digest of every benchmark's folder")
    artifacts = facts.view.packages()
    locked = [artifacts.get(digest or "", {}).get("requirements") for digest in packages]
    names = [name for requirements in locked for name in requirements or ()]
    look.need(
        locked and None not in locked,
        f"dependencies {_shown(names) or 'none'}",
        "the resolved dependencies of every package",
    )
    origins = [told_json(texts[-1]) if texts else {} for texts in facts.of_deployments("client.source").values()]
    dirty = any(origin.get("dirty") for origin in origins)
    look.need(
        _every(origins) and not dirty,
        f"from {_shown([_origin(facts, origin) for origin in origins])}",
        "a clean commit: the folder of the benchmark has changes that are in none; commit them"
        if dirty
        else "where others find the benchmark: keep its folder in git, or install it as a plugin",
    )
    return look.answer()  # fmt: skip


def _origin(facts: Facts, origin: Mapping[str, Any]) -> str:
    return f"commit {origin['commit'][:_SHORT]}" if "commit" in origin else f"sebsx {facts.environment.get('sebsx')}"


def _platform(facts: Facts) -> RequirementAnswer:
    look = _Look()
    for name, unit in (("memory_mib", " MiB"), ("timeout_s", " s time-out"), ("architecture", "")):
        told_back = [item.effective.get(name) for item in facts.deployments]
        look.need(_every(told_back), f"{_shown(told_back)}{unit}", f"{name} as the platform reports it back")
    platforms = [item.platform for item in facts.deployments]
    if platforms:
        look.evidence.append(f"on {_shown(platforms)}")
    return look.answer()


def _runtime(facts: Facts) -> RequirementAnswer:
    look = _Look()
    languages = {item.language for item in facts.deployments}
    versions = [
        f"{name} {told_facts[name]}" for name in languages for told_facts in facts.sandboxes if name in told_facts
    ]
    complete = len(versions) >= max(facts.answered, 1)
    look.need(complete, _shown(sorted(versions)), "the exact version of the language, reported by every sandbox")
    kernels = [told_facts.get("kernel") for told_facts in facts.sandboxes]
    look.need(
        _every(kernels), f"kernel {_shown(kernels)}", "the release of the operating system, reported by every sandbox"
    )
    return look.answer()


def _hardware(facts: Facts) -> RequirementAnswer:
    look = _Look()
    for name, title in (("cpu_model", ""), ("cpu_count", "CPUs "), ("boot_id", "machines ")):
        values = [told_facts.get(name) for told_facts in facts.sandboxes]
        complete = _every(values) and len(values) >= facts.answered
        look.need(complete, f"{title}{_shown(values)}", f"{name} of every sandbox; the first call of each tells it")
    for name in ("cpu_mhz", "cpu_cache"):  # not told by every processor
        if values := [told_facts[name] for told_facts in facts.sandboxes if name in told_facts]:
            look.evidence.append(f"{name} {_shown(values)}")
    emulated = [item for item in facts.deployments if item.effective.get("emulated")]
    if emulated:
        look.missing.append("a real processor: some were emulated")
    return look.answer()


def _place_and_time(facts: Facts) -> RequirementAnswer:
    look, run = _Look(), facts.run
    regions = [item.region for item in facts.deployments]
    host = run.owner.get("host")
    named = [region or f"this machine ({host})" for region in regions if region is not None]
    look.need(regions and None not in regions, _shown(named), "the region of every deployment")
    look.need(run.finished_at, _period(run.started_at, run.finished_at), "when it ended; let it finish")
    return look.answer()


def _period(started_at: Any, finished_at: Any) -> str:
    end = finished_at.isoformat(timespec="seconds") if finished_at else "?"
    return f"{started_at.strftime('%A')} {started_at.isoformat(timespec='seconds')} to {end}"


def _client(facts: Facts) -> RequirementAnswer:
    import numpy as np  # heavy

    look, known = _Look(), facts.environment
    machine = [known.get(name) for name in ("cpu_model", "cpu_count", "release", "python")]
    look.need(_every(machine), _shown(machine), "processor, kernel and Python of the client")
    libraries = known.get("libraries")
    look.need(
        libraries,
        _shown([f"{name} {version}" for name, version in (libraries or {}).items()]),
        "versions of the client's libraries",
    )
    synchronized = known.get("clock_synchronized")
    look.need(
        synchronized is not None,
        f"clock {'' if synchronized else 'not '}synchronized",
        "whether something keeps the client's clock (NTP)",
    )
    trips = list(facts.of_deployments("client.round_trip_s").values())
    times = [f"{1e3 * time_s:.2g} ms" for pair in trips for time_s in pair if time_s is not None]
    look.need(
        bool(trips) and all(len(pair) > 1 for pair in trips),
        f"round trip {_shown(times)}",
        "round trip to every function before and after; the endpoint must be reachable without a proxy",
    )
    response_s, latency_s = facts.frame["client.response_s"], facts.frame["client.latency_s"]
    known_s = np.isfinite(response_s) & np.isfinite(latency_s)
    late_s = response_s[known_s] - latency_s[known_s]  # sent minus intended
    look.need(
        len(late_s),
        f"p99 lateness {1e3 * float(np.quantile(late_s, 0.99)) if len(late_s) else 0:.2g} ms",
        "when requests were due and when they were sent",
    )
    return look.answer()  # fmt: skip


def _workload(facts: Facts) -> RequirementAnswer:
    look, found = _Look(), facts.deployments
    sizes = [f"{item.benchmark} {item.size}" for item in found]
    look.need(_every([item.size for item in found]), _shown(sizes), "the name of the input's size")
    inputs = [told_json(texts[-1]) if texts else {} for texts in facts.of_deployments("client.input").values()]
    shown = [f"{str(item.get('sha256'))[:_SHORT]} ({item.get('bytes')} B)" for item in inputs]
    look.need(_every(inputs), f"input {_shown(shown)}", "digest and size of the input of every deployment")
    look.evidence.append(f"seed {facts.run.seed}")
    settings = facts.run.settings.get("experiment") or {}
    schedule = [f"{name}={value}" for name, value in settings.items() if name in _SCHEDULE]
    look.need(
        settings,
        f"{facts.run.experiment} {_shown(schedule)}".strip(),
        "the settings of the experiment: schedule, warm-ups, order",
    )
    return look.answer()  # fmt: skip


_SCHEDULE = ("repetitions", "concurrency", "warmups", "rate", "users")


def _raw_data(facts: Facts) -> RequirementAnswer:
    look, sequence = _Look(), facts.frame["sequence"]
    n, highest = len(sequence), int(sequence[-1]) if len(sequence) else 0
    failed = int((~facts.ok).sum())
    look.need(
        n and n == highest,
        f"{n} invocations without a gap, {failed} of them failed",
        f"{highest - n} of {highest} invocations: rows were deleted" if n else "any invocation",
    )
    return look.answer()  # fmt: skip


def _start_proof(facts: Facts) -> RequirementAnswer:
    import numpy as np  # heavy

    look = _Look()
    codes, words = facts.frame.codes("start_evidence")
    voices = [told(word) for word in words]
    proven = np.array([bool(item) for item in voices], dtype=bool)[codes] if len(words) else np.zeros(0, dtype=bool)
    wanted, have = int(facts.ok.sum()), int((proven & facts.ok).sum())
    who = sorted({name for item in voices for name in item})
    complete = wanted > 0 and have == wanted
    look.need(
        complete,
        f"{' and '.join(who)} told the start of {have}",
        f"who says whether a start was cold: {wanted - have} of {wanted} have no evidence; use a language's own "
        "bootstrap, which counts calls",
    )
    return look.answer()  # fmt: skip


def _statistics(facts: Facts) -> RequirementAnswer:
    import numpy as np  # heavy

    look, cells = _Look(), facts.view.cells()
    look.evidence.append(f"design {facts.run.design.value}")
    reasons = [cell.stop_reason for cell in cells]
    look.need(_every(reasons), f"stopped by {_shown(reasons)}", "why the sampling of every cell stopped")
    wanted = [cell.wanted for cell in cells]
    measured = facts.ok & facts.frame.equals("kind", "measured")
    keys, numbers = np.unique(facts.frame["cell_id"][measured], return_counts=True)
    by_cell = dict(zip(keys.tolist(), numbers.tolist(), strict=True))
    counts = [by_cell.get(float(cell.id), 0) for cell in cells]
    smallest = min(counts, default=0)
    look.need(
        smallest >= _LEAST_FOR_INTERVAL,
        f"n {smallest} to {max(counts, default=0)} of {_shown(wanted)}, median with order-statistic interval",
        f"at least {_LEAST_FOR_INTERVAL} samples of each cell, for an interval at 95 %; raise --repetitions",
    )
    return look.answer()  # fmt: skip


def _cost(facts: Facts) -> RequirementAnswer:
    look, frame = _Look(), facts.frame
    billed, priced = len(frame.known("provider.billed_s")), len(frame.known("cost_usd"))
    look.need(billed, f"billed time of {billed} invocations", "billed time, from a platform with records")
    look.need(
        priced,
        f"cost of {priced} invocations, {frame.known('cost_usd').sum():.4g} USD in all",
        "a cost: the platform has no price; give it one in its settings",
    )
    books = [text for texts in facts.of_deployments("price_book").values() for text in texts]
    own = [
        f"{name}={value}"
        for settings in (facts.run.settings.get("platforms") or {}).values()
        for name, value in settings.items()
        if name.startswith("price") and value is not None
    ]
    look.need(
        books or own,
        f"by {_shown([_book(text) for text in books] or own)}",
        "the prices it was counted by, and their date",
    )
    return look.answer()  # fmt: skip


def _book(text: str) -> str:
    book = told_json(text)
    return (
        " ".join(f"{key} {str(value)[:_SHORT]}" for key, value in book.items() if isinstance(value, str)) or text[:40]
    )


def _again(facts: Facts) -> RequirementAnswer:
    look, run = _Look(), facts.run
    complete = bool(run.settings.get("experiment")) and bool(run.settings.get("platforms"))
    look.need(
        complete,
        f"settings of {run.experiment} and {_shown(list(run.settings.get('platforms') or ()))}",
        "the complete settings of experiment and platforms",
    )
    versions = facts.environment.get("plugins")
    look.need(
        versions and facts.environment.get("sebsx"),
        f"sebsx {facts.environment.get('sebsx')} with {len(versions or ())} plugins",
        "versions of sebsx and plugins",
    )
    open_cells = [cell for cell in facts.view.cells() if cell.status is CellStatus.RUNNING]
    look.need(
        run.status in (RunStatus.FINISHED, RunStatus.UNSUCCESSFUL) and not open_cells,
        "measured to the end",
        "the end of it: resume with sebsx run --resume RUN",
    )
    return look.answer()  # fmt: skip


REQUIREMENTS: tuple[tuple[str, Callable[[Facts], RequirementAnswer]], ...] = (
    ("exact code", _code),
    ("configuration that the platform reports", _platform),
    ("runtime version", _runtime),
    ("hardware of each sandbox", _hardware),
    ("place and time", _place_and_time),
    ("client", _client),
    ("workload", _workload),
    ("raw data, failures too", _raw_data),
    ("proof of the start type", _start_proof),
    ("statistics", _statistics),
    ("cost", _cost),
    ("run again and audit", _again),
)
