"""`sebsx selftest`: measure how far apart this machine shows identical code, say it, and keep it for comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.commands import Command
from sebsx.settings import setting

if TYPE_CHECKING:
    from sebsx.contracts.commands import Services

_OF_THE_EXPERIMENT = ("benchmark", "size", "memory_mib", "trials", "max_time_s")


@dataclass(frozen=True)
class SelfTestCommandSettings:
    """Where, how often, and for how long at most."""

    platform: str = setting("", help="platform; default: the one that needs no account")
    benchmark: str = setting(
        "", help="name or folder of the benchmark that is compared with itself; default: 50 ms of plain Python"
    )
    size: str = setting("", help="input size; default: `test` where the benchmark has it")
    memory_mib: int = setting(0, help="provisioned memory in MiB; 0 for the benchmark's setting", option="--memory")
    trials: int = setting(20, help="whole comparisons of the code with itself", minimum=1, maximum=1000)
    max_time_s: float = setting(600.0, help="time limit", minimum=1, option="--max-time")
    seed: int | None = setting(None, help="seed of every random choice; default: drawn, and stored")
    run: str = setting("", help="show again what this stored run found; measure nothing")


class SelfTestCommand(Command[SelfTestCommandSettings]):
    """Does a run of the experiment `selftest` and says what it found; what was measured is kept however it ends."""

    name = "selftest"
    summary = "measure how far apart identical code is on this machine; `sebsx compare` shows it beside verdicts"
    details = (
        "  sebsx selftest                                  20 comparisons of identical code, at most 10 minutes\n"
        "  sebsx selftest --benchmark ./mine --trials 40   with the code that a gate measures\n"
        "  sebsx selftest --run last                       show again what was found"
    )
    Settings: ClassVar[type[Any]] = SelfTestCommandSettings

    def run(self, services: Services, settings: SelfTestCommandSettings) -> None:
        """Say what it will take, measure, and say what was found."""
        if settings.run:
            _tell(services, settings.run)
            return
        values = {name: getattr(settings, name) for name in _OF_THE_EXPERIMENT}
        values = {name: value for name, value in values.items() if value != ""}
        platforms = (settings.platform,) if settings.platform else ()
        planned = services.plan("selftest", values, platforms=platforms, seed=settings.seed)
        services.output.note(planned.notes[0])  # what it takes; of the others the run warns
        try:
            run = services.run("selftest", values, platforms=platforms, seed=settings.seed)
        except KeyboardInterrupt:
            if interrupted := _interrupted(services):
                _tell(services, interrupted)
            raise
        _tell(services, run.id)


def _interrupted(services: Services) -> str:
    """Return the run that was interrupted a moment ago if it holds a whole trial; empty for none."""
    from sebsx.model import RunStatus  # `sebsx --help` asks for the command, and must stay quick
    from sebsx.reading.comparison.same_code import same_code
    from sebsx_perf_cost.selftest.analyzer import METRICS

    with services.open_store() as store:
        for run in store.runs(1):
            if run.experiment == "selftest" and run.status is RunStatus.INTERRUPTED:
                return run.id if same_code(store.view(run.id), METRICS) else ""
    return ""


def _tell(services: Services, name: str) -> None:
    from sebsx.reading.comparison.same_code import LEAST_TRIALS, same_code  # as above
    from sebsx_perf_cost.selftest.analyzer import METRICS, document

    with services.open_store() as store:
        view = store.view(name)
        report = services.analyze([view], "selftest")
        found = same_code(view, METRICS)
    assert report is not None
    said = {"run": view.run.id, "answers": report.answers, "findings": report.findings}
    tables = [table for table in report.tables if table.rows]
    text = "\n".join(report.answers) or report.findings[-1].text
    services.output.result({**said, "same_code": [document(one) for one in found]}, *tables, text=text)
    for finding in report.findings:
        if finding.warning and finding.text != text:
            services.output.warning(finding.text)
    if any(len(one.trials) >= LEAST_TRIALS for one in found):
        services.output.note("kept in the store: sebsx compare says it beside its verdicts on this machine")
    elif found:
        services.output.note(f"kept in the store; sebsx compare says it from {LEAST_TRIALS} trials on")
