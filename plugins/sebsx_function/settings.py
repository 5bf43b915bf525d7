"""Settings of the experiment `function`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.settings import setting

# A live endpoint is not a target for load by mistake.
MOST_CONCURRENT = 100
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


@dataclass(frozen=True)
class FunctionSettings:
    """What to measure, on which input, and when to stop."""

    address: str = setting(
        "", help="ARN, name (with --platform) or URL of a function that exists", secret=True, positional="ARN|URL"
    )
    payload: str = setting(
        "", help="input: JSON, or JSON files separated by commas, each of which is measured", option="--payload"
    )
    expect: str = setting("", help="what answers must contain, as JSON or a file; objects may contain more")
    memory_mib: tuple[int, ...] = setting(
        (), help="memory sizes in MiB to measure a copy with; default: the function as it is", option="--memory"
    )
    architectures: tuple[str, ...] = setting(
        (), help="processor architectures to measure a copy on; default: the function's own", option="--architecture"
    )
    start: tuple[str, ...] = setting(
        (), help="start types; default: both with --memory or --architecture, else warm", choices=("cold", "warm")
    )
    in_place: bool = setting(False, help="change the function itself rather than a copy, and put it back afterwards")
    force: bool = setting(False, help="copy to another architecture even if the code is native")
    method: str = setting("", help="HTTP method for a URL; default: POST with a payload, else GET")
    headers: dict[str, str] = setting({}, help="header for a URL; never stored", secret=True, option="--header")
    design: str = setting(
        "rmit",
        help="order of the cells: rmit interleaves them in random order, so that drift hits all alike; "
        "--in-place is always sequential",
        choices=("rmit", "sequential"),
    )
    max_deployed: int = setting(
        32, help="maximum number of copies at once; with more, not all cells are interleaved", minimum=1
    )
    repetitions: int = setting(30, help="samples wanted of each condition and start type", minimum=1)
    concurrency: int = setting(1, help=f"users of the closed loop, at most {MOST_CONCURRENT}", minimum=1)
    warmups: int = setting(1, help="uncounted calls of each user before warm samples", minimum=1)
    precision: float = setting(
        0.05,
        help="continue past `repetitions` until the interval of the median is this share of it",
        minimum=0.001,
        share=True,
    )
    max_repetitions: int = setting(
        0, help="maximum number of samples when going on for precision; 0 stops at `repetitions`", minimum=0
    )
    timeout_s: float = setting(60.0, help="time-out of a call of a URL; ARNs have their own", minimum=0.1)
    max_attempts: int = setting(
        0, help="maximum number of invocations of a cell, wrong start types included; 0 for 3 x samples + 10", minimum=0
    )
    max_failures: int = setting(10, help="failed invocations after which a cell is given up", minimum=1)
    max_time_s: float = setting(600.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    def __post_init__(self) -> None:
        if self.concurrency > MOST_CONCURRENT:
            raise ValueError(f"`concurrency` must be at most {MOST_CONCURRENT}: measure more with sebsx run load")
        if 0 < self.max_repetitions < self.repetitions:
            raise ValueError("`max_repetitions` must be 0 or at least `repetitions`")
        if self.method and self.method.upper() not in METHODS:
            raise ValueError(f"`method` {self.method!r}: must be one of {', '.join(METHODS)}")
        if self.in_place and not self.memory_mib:
            raise ValueError("`in_place` changes the memory: name sizes with `memory_mib`")
        if self.in_place and self.architectures:
            raise ValueError("`in_place` cannot change the architecture: leave out `architectures`")
        for name in ("memory_mib", "architectures", "start"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"`{name}` names something twice")

    @property
    def copy(self) -> bool:
        """Whether a copy is measured, and not the function itself."""
        return bool(self.memory_mib or self.architectures) and not self.in_place

    @property
    def starts(self) -> tuple[str, ...]:
        """The start types meant: nothing forces a function cold that is measured as it is."""
        return self.start or (("cold", "warm") if self.copy or self.in_place else ("warm",))

    @property
    def most_samples(self) -> int:
        """Samples at which a cell stops whatever the precision."""
        return self.max_repetitions or self.repetitions

    @property
    def attempts(self) -> int:
        """Cap on the invocations of a cell."""
        return self.max_attempts or 3 * self.most_samples + 10
