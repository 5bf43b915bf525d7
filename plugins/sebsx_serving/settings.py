"""Which modes and policies, under which load, for how long."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.reading.units import parse_bytes, parse_durations
from sebsx.settings import setting
from sebsx_serving.loads import RAMP, USERS, ServingLoad
from sebsx_serving.policies import POLICIES

MODES = ("threads", "forked", "processes")
RELEASED, HELD = "released", "held"
_SHORTEST_S = 0.01  # from one call to the next
_MOST_REQUESTS = 300_000  # of a ramp, whose times are the payload of one call


@dataclass(frozen=True, slots=True)
class ServingPreset:
    """Values for the settings that are not given."""

    inference_s: float
    duration_s: float
    period_s: float
    saturate_s: float
    users: int
    spawn_rate: float
    think: str
    rate: float


PRESETS = {
    "quick": ServingPreset(0.02, 1.5, 0.5, 0.2, 10, 10.0, "0.2s..0.4s", 20.0),
    "paper": ServingPreset(0.5, 120.0, 5.0, 10.0, 100, 2.0, "2s..3s", 100.0),
}


@dataclass(frozen=True)
class ServingSettings:
    """Modes, policies and loads; what is not given is the preset's."""

    preset: str = setting(
        "quick", help="quick for a first look, paper for the loads and periods of the study", choices=tuple(PRESETS)
    )
    modes: tuple[str, ...] = setting(MODES, help="what a worker is, in the part about modes", choices=MODES)
    work: tuple[str, ...] = setting(
        (RELEASED, HELD), help="whether an inference holds the interpreter lock", choices=(RELEASED, HELD)
    )
    policies: tuple[str, ...] = setting(
        tuple(POLICIES), help="how workers are scaled, in the part about policies", choices=tuple(POLICIES)
    )
    loads: tuple[str, ...] = setting((USERS, RAMP), help="users that think, a linear ramp", choices=(USERS, RAMP))
    inference_s: float = setting(0.0, help="processor time of an inference; 0 for the preset's", minimum=0)
    duration_s: float = setting(0.0, help="how long each load lasts; 0 for the preset's", minimum=0)
    period_s: float = setting(0.0, help="from one look of a policy to the next; 0 for the preset's", minimum=0)
    saturate_s: float = setting(
        0.0, help="how long workers are kept busy for their throughput; 0 for the preset's", minimum=0,
        option="--saturate",
    )  # fmt: skip
    users: int = setting(0, help="people of the load; 0 for the preset's", minimum=0, maximum=10_000)
    spawn_rate: float = setting(0.0, help="how many join each second; 0 for the preset's", minimum=0)
    think: str = setting("", help="time between an answer and the next request; default: the preset's", metavar="TIME")
    rate: float = setting(
        0.0, help="requests a second at the end of the ramp; 0 for the preset's", minimum=0, maximum=10_000
    )
    model: str = setting("16MiB", help="memory of the model", metavar="SIZE")
    memory_mib: int = setting(2048, help="provisioned memory size in MiB", option="--memory", minimum=1)
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    max_failures: int = setting(3, help="failed calls after which a cell is given up", minimum=1)
    max_time_s: float = setting(1800.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    def __post_init__(self) -> None:
        parse_bytes(self.model)
        try:
            parse_durations(self.chosen.think)
        except ValueError as exc:
            raise ValueError(f"`think` {exc}") from None
        chosen = self.chosen
        if chosen.duration_s > self.max_time_s:
            raise ValueError(
                f"`duration_s` of {chosen.duration_s:g} s is longer than the {self.max_time_s:g} s of `max_time_s`"
            )
        if chosen.period_s < _SHORTEST_S:
            raise ValueError(f"`period_s` must be at least {_SHORTEST_S:g} s: each period is a call")
        if RAMP in self.loads and self.policies:
            requests = chosen.rate * chosen.duration_s / 2
            if not 1 <= requests <= _MOST_REQUESTS:
                raise ValueError(
                    f"a ramp to a `rate` of {chosen.rate:g}/s in {chosen.duration_s:g} s makes {requests:,.1f} "
                    f"requests; 1 to {_MOST_REQUESTS:,} are possible"
                )

    @property
    def chosen(self) -> ServingPreset:
        """The preset with what was given in place of its own."""
        preset = PRESETS[self.preset]
        return ServingPreset(
            self.inference_s or preset.inference_s,
            self.duration_s or preset.duration_s,
            self.period_s or preset.period_s,
            self.saturate_s or preset.saturate_s,
            self.users or preset.users,
            self.spawn_rate or preset.spawn_rate,
            self.think or preset.think,
            self.rate or preset.rate,
        )

    def load(self, kind: str) -> ServingLoad:
        """Return the load of a kind."""
        chosen = self.chosen
        return ServingLoad(
            kind=kind,
            duration_s=chosen.duration_s,
            users=chosen.users,
            spawn_rate=chosen.spawn_rate,
            think_s=parse_durations(chosen.think),
            rate=chosen.rate,
        )
