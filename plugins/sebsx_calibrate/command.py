"""`sebsx calibrate`: measure, say what was found, and keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.commands import Command
from sebsx.errors import UserError
from sebsx.settings import setting

if TYPE_CHECKING:
    from sebsx.contracts.commands import Services

_OF_THE_EXPERIMENT = (
    "benchmark", "memory_mib", "architecture", "language", "repetitions", "tolerance", "max_points", "max_time_s",
)  # fmt: skip


@dataclass(frozen=True)
class CalibrateCommandSettings:
    """What to reach, where, and what becomes of it."""

    benchmark: str = setting("", help="name or folder of the benchmark", positional="NAME|FOLDER")
    run_times: str = setting("", help="run times of the first and the last step: 4s..2m", metavar="TIME..TIME")
    platform: str = setting("", help="platform; default: the one that needs no account")
    save: bool = setting(False, help="keep the result: `--size 7` uses it on that platform and memory")
    run: str = setting("", help="report the result of this stored run; measure nothing", metavar="RUN")
    seed: int | None = setting(None, help="seed of every random choice; default: drawn, and stored")
    memory_mib: int = setting(0, help="provisioned memory in MiB; 0 for the benchmark's setting", option="--memory")
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    language: str = setting("python", help="language of the function's code")
    repetitions: int = setting(5, help="warm calls behind each median", minimum=1)
    tolerance: float = setting(
        0.1, help="largest relative error of the run times of both ends", minimum=0.001, share=True
    )
    max_points: int = setting(16, help="maximum number of values measured", minimum=4)
    max_time_s: float = setting(1800.0, help="time limit of the search", minimum=1, option="--max-search-time")


class CalibrateCommand(Command[CalibrateCommandSettings]):
    """Does a run of the experiment `calibrate`, reads it, and keeps what it found if asked to."""

    name = "calibrate"
    summary = "find the values of a benchmark's steps that take the wanted run times"
    details = (
        "  sebsx calibrate graph-mst --run-times 4s..120s --memory 3008 --save\n"
        "  sebsx run benchmark graph-mst --size 7 --memory 3008\n"
        "  sebsx run --resume RUN && sebsx calibrate --run RUN --save    after an interruption"
    )
    Settings: ClassVar[type[Any]] = CalibrateCommandSettings

    def run(self, services: Services, settings: CalibrateCommandSettings) -> None:
        """Measure, say and keep."""
        from sebsx.contracts import calibrations  # `sebsx --help` asks for the command, and must stay quick
        from sebsx_calibrate.analyzer import in_words, points_table
        from sebsx_calibrate.result import result_of

        name = settings.run or _measure(services, settings)
        with services.open_store() as store:
            view = store.view(name)
            result, table = result_of(view), points_table(view)
        path = calibrations.save(result.calibration) if settings.save else None
        document = {
            "calibration": result.calibration,
            "points": [{"value": value, "duration_s": took_s} for value, took_s in result.points],
            "fit": result.fit,
            "error": result.error,
            "answers": [in_words(result)],
            "saved": None if path is None else str(path),
        }
        services.output.result(document, table, text=in_words(result))
        services.output.note(f"kept in {path}" if path else "nothing is kept; --save makes numbered sizes use it")


def _measure(services: Services, settings: CalibrateCommandSettings) -> str:
    """Do the run and return its id."""
    if not settings.benchmark or not settings.run_times:
        raise UserError("name a benchmark and its run times, such as: sebsx calibrate graph-mst --run-times 4s..120s")
    from sebsx_calibrate.fitting import parse_run_times

    low_s, high_s = parse_run_times(settings.run_times)
    asked = {name: getattr(settings, name) for name in _OF_THE_EXPERIMENT}
    platforms = (settings.platform,) if settings.platform else ()
    run = services.run(
        "calibrate", {**asked, "low_s": low_s, "high_s": high_s}, platforms=platforms, seed=settings.seed
    )
    return run.id
