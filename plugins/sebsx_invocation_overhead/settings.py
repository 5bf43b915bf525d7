"""What to sweep, and the presets."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.running.blocks import Spreading
from sebsx.running.rounds import StoppingRule
from sebsx.settings import setting

MIB = 2**20
_LONGEST_WINDOW = 10  # more calls between two alignments let the clock drift
# The most a payload has beside its padding: names, token, clock.
_SMALLEST, _LARGEST, _LARGEST_PACKAGE = 1024, 5_900_000, 261_619_712


def _ladder(first: int, last: int, points: int) -> tuple[int, ...]:
    return tuple(round(first + (last - first) * place / (points - 1)) for place in range(points))


@dataclass(frozen=True, slots=True)
class OverheadPreset:
    """Values for the settings that are not given."""

    payload_bytes: tuple[int, ...]
    package_bytes: tuple[int, ...]
    repetitions: int
    exchanges: int


PRESETS = {
    "quick": OverheadPreset(
        (_SMALLEST, MIB // 2, 2 * MIB, _LARGEST), (MIB, 8 * MIB, 32 * MIB), repetitions=6, exchanges=10
    ),
    # The ladders of SeBS: 20 points each, 20 exchanges without a new minimum; 6 repetitions rather than 5, which are
    # the fewest of which a median has an interval.
    "paper": OverheadPreset(
        _ladder(_SMALLEST, _LARGEST, 20), _ladder(MIB, _LARGEST_PACKAGE, 20), repetitions=6, exchanges=20
    ),
}


@dataclass(frozen=True)
class OverheadSettings:
    """What to sweep; what is not given is the preset's."""

    preset: str = setting("quick", help="quick for a first look, paper for what SeBS did", choices=tuple(PRESETS))
    sweeps: tuple[str, ...] = setting(
        ("payload", "package"), help="what is made larger", choices=("payload", "package")
    )
    start: tuple[str, ...] = setting(("cold", "warm"), help="start types", choices=("cold", "warm"))
    payload_bytes: tuple[int, ...] = setting((), help="payload sizes in bytes; default: the preset's", minimum=1)
    package_bytes: tuple[int, ...] = setting(
        (), help="sizes of the padding of the package in bytes; default: the preset's", minimum=1
    )
    repetitions: int = setting(0, help="samples of each size and start type; 0 for the preset's", minimum=0)
    exchanges: int = setting(
        0, help="an alignment ends after this many exchanges without a new shortest one; 0 for the preset's", minimum=0
    )
    max_exchanges: int = setting(200, help="maximum number of exchanges of one alignment", minimum=1)
    window: int = setting(
        0, help="warm samples between two alignments, all of one sandbox; 0 for so few that there are ten sandboxes",
        minimum=0,
    )  # fmt: skip
    memory_mib: tuple[int, ...] = setting(
        (), help="provisioned memory sizes in MiB; default: the benchmark's setting", option="--memory"
    )
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    parameters: dict[str, str] = setting({}, help="parameters of clock-probe", option="--parameter")
    max_attempts: int = setting(0, help="maximum number of measured calls of a cell; 0 for 3 x samples + 10", minimum=0)
    max_failures: int = setting(10, help="failed measured calls after which a cell is given up", minimum=1)
    max_time_s: float = setting(900.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    @property
    def chosen(self) -> OverheadPreset:
        """The preset with what was given in place of its own."""
        preset = PRESETS[self.preset]
        return OverheadPreset(
            self.payload_bytes or preset.payload_bytes,
            self.package_bytes or preset.package_bytes,
            self.repetitions or preset.repetitions,
            self.exchanges or preset.exchanges,
        )

    @property
    def attempts(self) -> int:
        """Cap on the measured calls of a cell."""
        return self.max_attempts or 3 * self.chosen.repetitions + 10

    @property
    def calls(self) -> int:
        """Warm samples of a window."""
        return self.window or min(_LONGEST_WINDOW, Spreading.of(self.chosen.repetitions).calls)

    @property
    def rule(self) -> StoppingRule:
        """When a cell ends."""
        return StoppingRule(
            repetitions=self.chosen.repetitions,
            max_attempts=self.attempts,
            max_failures=self.max_failures,
            max_time_s=self.max_time_s,
        )
