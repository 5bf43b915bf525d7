"""Settings of the communication experiment, and what its presets mean."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sebsx.reading.units import parse_bytes
from sebsx.settings import setting

_PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "sizes": ("1", "1KiB", "16KiB", "128KiB", "1MiB"),
        "rounds": 6, "round_trips": 10, "warmups": 2, "stream_messages": 10, "stream_bytes": "4MiB", "budget_s": 0.25,
    },
    "paper": {
        "sizes": (
            "1", "16", "256", "1KiB", "4KiB", "16KiB", "64KiB", "256KiB", "1MiB", "4MiB", "16MiB", "64MiB",
        ),
        "rounds": 10, "round_trips": 100, "warmups": 5, "stream_messages": 100, "stream_bytes": "256MiB",
        "budget_s": 20.0,
    },
}  # fmt: skip


@dataclass(frozen=True)
class CommunicationSettings:
    """What to send, by which channels, and when to stop. 0 and nothing stand for what the preset says."""

    preset: str = setting("quick", help="quick for a laptop, paper for 1 B to 64 MiB", choices=tuple(_PRESETS))
    channels: tuple[str, ...] = setting((), help="channels (sebsx list channels); default: all")
    channel_settings: dict[str, str] = setting({}, help="settings of channels: redis.address=HOST:PORT")
    sizes: tuple[str, ...] = setting((), help="sizes of messages: 1,64KiB,1MiB; default: the preset's", metavar="SIZE")
    memory_mib: tuple[int, ...] = setting(
        (1769,), help="provisioned memory sizes in MiB; 1769 is one processor on AWS", option="--memory"
    )
    architecture: str = setting("", help="processor architecture; default: the platform's first")
    rounds: int = setting(0, help="exchanges of each channel and size, each in new sandboxes", minimum=0)
    round_trips: int = setting(
        0, help="maximum number of messages of an exchange that are answered and counted", minimum=0
    )
    warmups: int = setting(0, help="uncounted messages at the start of an exchange", minimum=0)
    stream_messages: int = setting(0, help="maximum number of messages of an exchange that are sent one way", minimum=0)
    stream_bytes: str = setting("", help="maximum number of bytes sent one way: 8MiB", metavar="SIZE")
    budget_s: float = setting(
        0.0, help="time after which an exchange sends no more messages", minimum=0, option="--exchange-time"
    )
    timeout_s: float = setting(5.0, help="longest wait for a message, before it is sent again", minimum=0.001)
    retries: int = setting(2, help="times that a message is sent again", minimum=0)
    start_s: float = setting(
        20.0, help="time limit for the first sign of the other end", minimum=0.1, option="--start-wait"
    )
    poll_s: float = setting(0.001, help="pause between two polls for a message", minimum=0)
    max_failures: int = setting(3, help="failed exchanges after which a cell is given up", minimum=1)
    max_time_s: float = setting(
        600.0, help="time limit of all exchanges of a cell", minimum=1, option="--max-cell-time"
    )

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) and field.name in _PRESETS.get(self.preset, {}):
                object.__setattr__(self, field.name, _PRESETS[self.preset][field.name])
        if any(size < 1 for size in self.message_bytes):
            raise ValueError("`sizes`: a message has at least 1 byte")
        for name in self.channel_settings:
            if "." not in name:
                raise ValueError(f"`channel_settings` {name!r}: write CHANNEL.SETTING=VALUE")

    @property
    def message_bytes(self) -> list[int]:
        """Sizes of message, ascending."""
        return sorted({parse_bytes(size) for size in self.sizes})

    @property
    def most_streamed_bytes(self) -> int:
        """Most bytes of a stream."""
        return parse_bytes(self.stream_bytes)

    @property
    def function_timeout_s(self) -> float:
        """Time in which an exchange has ended, whatever happens: every wait is counted at its longest."""
        waits_s = (self.retries + 1) * self.timeout_s
        return self.start_s * 3 + self.budget_s * 6 + waits_s * 4 + 10
