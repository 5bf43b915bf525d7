"""What to load, how, and in how many replicas."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.reading.units import parse_bytes
from sebsx.settings import setting

STRATEGIES = ("copy", "mapped", "forked", "ksm-madvise", "ksm-prctl")
MERGING = ("ksm-madvise", "ksm-prctl")
SAME, DIFFERENT = "same", "different"
# Parameters of the published models by four bytes each.
MODELS = {
    "squeezenet": 4 * 1_235_496,
    "resnet18": 4 * 11_689_512,
    "resnet50": 4 * 25_557_032,
    "alexnet": 4 * 61_100_840,
}


@dataclass(frozen=True, slots=True)
class SharingPreset:
    """Values for the settings that are not given."""

    models: tuple[str, ...]
    replicas: tuple[int, ...]
    strategies: tuple[str, ...]
    rounds: int


PRESETS = {
    "quick": SharingPreset(("16MiB",), (1, 2, 4), STRATEGIES[:3], 1),
    "full": SharingPreset(("resnet18",), (1, 2, 4, 8, 16), STRATEGIES, 6),
}


@dataclass(frozen=True)
class SharingSettings:
    """Models, replicas, strategies, and how the kernel is to merge; what is not given is the preset's."""

    preset: str = setting(
        "quick", help="quick for a first look, full for all strategies and up to 16 replicas", choices=tuple(PRESETS)
    )
    models: tuple[str, ...] = setting(
        (), help=f"sizes as 16MiB, or models whose size is known: {', '.join(MODELS)}; default: the preset's"
    )
    replicas: tuple[int, ...] = setting(
        (), help="how many at once; default: the preset's", minimum=1, maximum=256, option="--replicas"
    )
    strategies: tuple[str, ...] = setting(
        (), help="how each replica gets the model; default: the preset's", choices=STRATEGIES
    )
    control: bool = setting(True, help="also measure replicas that each have other weights, which must share nothing")
    private: str = setting("0", help="memory that each replica fills for itself, as 200MiB", metavar="SIZE")
    rounds: int = setting(0, help="rounds of fresh sandboxes; 0 for the preset's", minimum=0, maximum=1000)
    memory_mib: int = setting(1024, help="provisioned memory size in MiB", option="--memory", minimum=1)
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    hold_s: float = setting(
        0.25, help="how long each call keeps its sandbox busy, so that the others meet other ones", minimum=0.01
    )
    pages_to_scan: int = setting(20_000, help="pages that KSM looks at before it rests for 20 ms", minimum=100)
    merge_timeout_s: float = setting(120.0, help="longest wait for KSM to settle", minimum=1)
    max_failures: int = setting(5, help="failed rounds after which a cell is given up", minimum=1)
    max_time_s: float = setting(1800.0, help="time limit of a cell", minimum=1, option="--max-cell-time")

    def __post_init__(self) -> None:
        for name in self.chosen.models:
            if bytes_of(name) < 4096:
                raise ValueError(f"`models`: {name!r} is smaller than a page of memory")
        parse_bytes(self.private)

    @property
    def chosen(self) -> SharingPreset:
        """The preset with what was given in place of its own."""
        preset = PRESETS[self.preset]
        return SharingPreset(
            tuple(dict.fromkeys(self.models)) or preset.models,
            tuple(sorted(set(self.replicas))) or preset.replicas,
            tuple(dict.fromkeys(self.strategies)) or preset.strategies,
            self.rounds or preset.rounds,
        )


def bytes_of(model: str) -> int:
    """Return the size of a model by its name, or of a size in words.

    Raises:
        ValueError: If it is neither.
    """
    try:
        return MODELS[model] if model in MODELS else parse_bytes(model)
    except ValueError as exc:
        raise ValueError(f"{exc}; a model is a size or one of {', '.join(MODELS)}") from None
