"""Settings of the campaign that profiles functions on two kinds of machine, and what its presets mean."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.reading.units import parse_durations
from sebsx.settings import setting

TRAIN, TEST = "train", "test"
STUDY = "arm-study"  # the suite, and what the labels of its members begin with
STEPS = 40  # of each function, however many of them are measured


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPreset:
    """Values for the settings that are not given.

    Args:
        benchmarks: Names; none for the suite of the study.
        steps: How many of the 40 steps are measured, spread evenly.
        runs: Samples of each function, step, machine and campaign.
        run_times: Run times of the first and the last step.
        memory_mib: Provisioned memory.
        sandboxes: How many serve the samples of a cell, one after the other.
        parallel: How many functions are called at the same time.
    """

    benchmarks: tuple[str, ...] = ()
    steps: int
    runs: int
    run_times: str
    memory_mib: int = 3008
    sandboxes: int
    parallel: int = 1


PRESETS = {
    # Functions without packages of others, which build in a moment: user and kernel time, memory and disk.
    "quick": CampaignPreset(
        benchmarks=("primenumber", "filehandle", "thread", "readwritememory", "float", "json-dumps", "sqlite"),
        steps=3, runs=3, run_times="0.1s..0.5s", memory_mib=1769, sandboxes=1,
    ),
    # An emulated processor takes some ten times as long: with these run times, an hour or so of a laptop.
    "medium": CampaignPreset(steps=8, runs=10, run_times="50ms..300ms", memory_mib=1769, sandboxes=2, parallel=2),
    "paper": CampaignPreset(steps=STEPS, runs=100, run_times="4s..120s", sandboxes=10, parallel=18),
}  # fmt: skip


@dataclass(frozen=True)
class CampaignSettings:
    """What to profile, on which two machines, and how often; what is not given is the preset's."""

    preset: str = setting(
        "quick",
        help="quick for minutes on a laptop, medium for an hour, paper for the study's 18 functions x 40 steps x 100 "
        "runs",
        choices=tuple(PRESETS),
    )
    benchmarks: tuple[str, ...] = setting((), help="names or folders of benchmarks with steps; default: the preset's")
    unseen: tuple[str, ...] = setting(
        (), help="benchmarks that no model is trained on; default: those that the study kept back"
    )
    steps: int = setting(
        0, help=f"how many of {STEPS} steps, spread evenly; 0 for the preset's", minimum=0, maximum=STEPS
    )
    runs: int = setting(0, help="samples of each function, step, machine and campaign; 0 for the preset's", minimum=0)
    run_times: str = setting(
        "", help="run times of the first and the last step on the first machine: 4s..2m; default: the preset's"
    )
    campaigns: tuple[str, ...] = setting(
        (TRAIN, TEST),
        help="campaigns, one after the other, each with sandboxes of its own: one to train on, one to test with",
        choices=(TRAIN, TEST),
    )
    memory_mib: int = setting(
        0, help="provisioned memory in MiB on the first machine; 0 for the preset's", option="--memory", minimum=0
    )
    to_memory_mib: int = setting(
        0, help="provisioned memory in MiB on the second machine; 0 for that of the first", option="--to-memory",
        minimum=0,
    )  # fmt: skip
    architecture: str = setting("", help="processor architecture of the first machine; default: the platform's first")
    to_architecture: str = setting("", help="that of the second machine; default: the platform's first")
    language: str = setting("python", help="language of the functions' code")
    sandboxes: int = setting(
        0, help="sandboxes that serve the samples of a cell in turn; 0 for the preset's", minimum=0
    )
    parallel: int = setting(
        0,
        help="functions called at the same time, at most one call of each; 0 for the preset's. More than 1 only where "
        "functions do not share a processor",
        minimum=0,
    )
    max_deployed: int = setting(
        16, help="maximum number of functions deployed at once; with more, groups are measured in turn", minimum=2
    )
    timeout_s: float = setting(
        0.0, help="time-out of functions; 0 for 30 times the last step's run time, at least 2 minutes", minimum=0
    )
    max_failures: int = setting(3, help="failed invocations after which a cell is given up", minimum=1)
    max_attempts: int = setting(0, help="maximum number of invocations of a cell; 0 for 3 x runs + 10", minimum=0)
    max_time_s: float = setting(86400.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    def __post_init__(self) -> None:
        for name in ("steps", "runs", "run_times", "memory_mib", "sandboxes", "parallel"):
            if not getattr(self, name):
                object.__setattr__(self, name, getattr(PRESETS[self.preset], name))
        if self.steps < 2:  # both ends
            raise ValueError("`steps` must be 2 or more: a model needs run times that differ")
        if not self.campaigns:
            raise ValueError("`campaigns` must name one or both of train and test")
        _ends(self.run_times)

    @property
    def ends_s(self) -> tuple[float, float]:
        """Run times in seconds of the first and the last step."""
        return _ends(self.run_times)

    @property
    def step_numbers(self) -> list[int]:
        """The steps that are measured, of 1 to 40."""
        stride = (STEPS - 1) / (self.steps - 1)
        return [round(1 + stride * place) for place in range(self.steps)]

    @property
    def function_timeout_s(self) -> float:
        """Time-out asked for."""
        return self.timeout_s or max(120.0, 30 * self.ends_s[1])

    def expected_s(self, step: int) -> float:
        """Return the run time that a step should have on the first machine."""
        low_s, high_s = self.ends_s
        return low_s + (high_s - low_s) * (step - 1) / (STEPS - 1)


def _ends(text: str) -> tuple[float, float]:
    if ".." not in text:
        raise ValueError(f"`run_times` {text!r}: write both ends, such as 4s..120s")
    try:
        low_s, high_s = parse_durations(text)
    except ValueError as exc:
        raise ValueError(f"`run_times` {exc}") from exc
    if not 0 < low_s < high_s:
        raise ValueError(f"`run_times` {text!r}: must grow from above 0")
    return low_s, high_s
