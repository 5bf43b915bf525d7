"""What a check of the data is, and the checks that look at each invocation by itself, all at once as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sebsx.model.starts import counting
from sebsx.settings import setting
from sebsx_quality.evidence import sandboxes_of, told

if TYPE_CHECKING:
    from sebsx.model.frame import Frame, Mask, Numbers

# Columns of invocations that checks look at besides those that a frame always has.
COLUMNS = (
    "function_started_s", "function_finished_s", "function.clock_step_s", "sandbox_id", "start_evidence", "request_id",
    "phase.*_s",
)  # fmt: skip

_SLACK_S = 0.001  # two clocks that read in milliseconds differ by as much
_CLOCK_SLACK_S = 0.005  # wall clocks are slewed
_ORDER_SLACK_S = 2e-6  # Unix seconds as a double hold no less
_ROUNDING_S = 0.0005
_LONGEST_S = 86_400.0  # no platform lets a function run for a day
_EARLIEST_S, _LATEST_S = 946_684_800.0, 4_102_444_800.0  # years 2000 and 2100
_POINTS = ("client.connect_s", "client.first_byte_s", "client.latency_s")  # since the request was sent, in their order
_DURATIONS = (
    "client.latency_s", "function.duration_s", "provider.duration_s", "provider.init_s", "provider.billed_s",
)  # fmt: skip
_AMOUNTS = (*_DURATIONS, "cost_usd", "provider.max_memory_bytes")


@dataclass(frozen=True)
class DataQualitySettings:
    """Beyond what a check warns."""

    parts_share: float = setting(0.05, help="share by which parts may exceed their total", minimum=0)
    failed_share: float = setting(0.05, help="share of the invocations of a cell that may fail", minimum=0)


class Result(StrEnum):
    """What a check came to."""

    PASS = "pass"  # noqa: S105  # a word for a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    NOT_CHECKABLE = "not checkable"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that may be wrong with data.

    Args:
        name: Stable, kebab-case.
        title: What must not be, as a finding says it after a number: `ended before they began`.
        advice: What to do about it.
        unit: What is counted.
        fails: Whether numbers that it concerns must not be used, rather than used with care.
        missing: Why there was nothing to look at, where a run has invocations all the same.
    """

    name: str
    title: str
    advice: str
    unit: str = "invocations"
    fails: bool = False
    missing: str = "nothing of the kind is stored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found in one run.

    Args:
        check: Which.
        checked: How many it looked at; 0 means that it could not look.
        bad: How many were wrong.
        where: The first few of them, in words.
        sequences: Sequences of the first few, where they are invocations.
        note: Why nothing was looked at, if not for the check's usual reason.
    """

    check: Check
    checked: int
    bad: int = 0
    where: str = ""
    sequences: tuple[int, ...] = ()
    note: str = ""

    @property
    def result(self) -> Result:
        """The verdict."""
        if not self.checked:
            return Result.NOT_CHECKABLE
        if not self.bad:
            return Result.PASS
        return Result.FAIL if self.check.fails else Result.WARN


# Which invocations a check can look at, and which of them are wrong.
RowCheck = Callable[["Frame", DataQualitySettings], "tuple[Mask, Mask]"]


def _numbers(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    import numpy as np  # heavy

    infinite = np.logical_or.reduce([np.isinf(frame[name]) for name in frame.names])
    return _all(frame), infinite | np.isnan(frame["client_sent_s"]) | np.isnan(frame["client.latency_s"])


def _absurd(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    import numpy as np  # heavy

    long = np.logical_or.reduce([frame[name] > _LONGEST_S for name in _DURATIONS])
    sent_s = frame["client_sent_s"]
    return _all(frame), long | (sent_s < _EARLIEST_S) | (sent_s > _LATEST_S)


def _negative(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    import numpy as np  # heavy

    samples = [name for name in frame.names if name.startswith("phase.")]
    return _all(frame), np.logical_or.reduce([frame[name] < 0 for name in (*_AMOUNTS, *samples)])


def _order(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    """Look whether intended, sent, connected, first byte and done follow each other, those not reached left out."""
    import numpy as np  # heavy

    bad = frame["client.response_s"] < frame["client.latency_s"] - _ORDER_SLACK_S  # sent before it was intended
    latest = np.zeros(len(frame))
    for name in _POINTS:
        bad |= frame[name] < latest - _ORDER_SLACK_S
        latest = _larger(latest, frame[name])
    return _all(frame), bad


def _client_parts(frame: Frame, settings: DataQualitySettings) -> tuple[Mask, Mask]:
    """Look whether connect, init, provider and function fit into the client's latency."""
    import numpy as np  # heavy

    inside = _larger(_provider(frame), frame["function.duration_s"])
    parts = inside + np.nan_to_num(frame["client.connect_s"])
    return _ok(frame) & ~np.isnan(inside), parts > _limit(frame["client.latency_s"], settings)


def _function_part(frame: Frame, settings: DataQualitySettings) -> tuple[Mask, Mask]:
    import numpy as np  # heavy

    function, provider = frame["function.duration_s"], frame["provider.duration_s"]
    return _ok(frame) & ~np.isnan(function + provider), function > _limit(provider, settings)


def _phases(frame: Frame, settings: DataQualitySettings) -> tuple[Mask, Mask]:
    import numpy as np  # heavy

    phases = [np.nan_to_num(frame[name]) for name in frame.names if name.startswith("phase.")]
    total = np.sum(phases, axis=0) if phases else np.zeros(len(frame))
    function = frame["function.duration_s"]
    return _ok(frame) & ~np.isnan(function) & (total != 0), total > _limit(function, settings)


def _billed(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    import numpy as np  # heavy

    billed, duration = frame["provider.billed_s"], frame["provider.duration_s"]
    return _ok(frame) & ~np.isnan(billed + duration), billed < duration - _ROUNDING_S


def _clock_steps(frame: Frame, settings: DataQualitySettings) -> tuple[Mask, Mask]:
    """Compare the function's wall clock with its monotonic clock: over the call, and from each call to the next."""
    import numpy as np  # heavy

    duration = frame["function.duration_s"]
    apart = np.abs(frame["function_finished_s"] - frame["function_started_s"] - duration)
    steps = frame["function.clock_step_s"] if "function.clock_step_s" in frame else np.zeros(len(frame))
    between = np.nan_to_num(np.abs(steps)) > _CLOCK_SLACK_S
    return ~np.isnan(apart) | between, (apart > settings.parts_share * duration + _CLOCK_SLACK_S) | between


def _request_ids(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    import numpy as np  # heavy

    codes, words = frame.codes("request_id")
    named = np.array([bool(word) for word in words], dtype=bool)
    repeated = np.bincount(codes, minlength=len(words)) > 1
    return named[codes], (named & repeated)[codes]


def _sandbox_ids(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    """Look for sandboxes that two deployments claim."""
    import numpy as np  # heavy

    places, names = sandboxes_of(frame)
    claims = Counter(sandbox for _deployment, sandbox in names)
    known = np.array([bool(sandbox) for _deployment, sandbox in names], dtype=bool)
    shared = np.array([claims[sandbox] > 1 for _deployment, sandbox in names], dtype=bool)
    return known[places], shared[places]


def _cold_twice(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    """Look for sandboxes that were started or restored more than once."""
    import numpy as np  # heavy

    places, names = sandboxes_of(frame)
    known = np.array([bool(sandbox) for _deployment, sandbox in names], dtype=bool)
    cold = _ok(frame) & counting(frame, "cold") & known[places]
    repeated = np.bincount(places[cold], minlength=len(names)) > 1
    return cold, repeated[places]


def _start_evidence(frame: Frame, _settings: DataQualitySettings) -> tuple[Mask, Mask]:
    """Compare what function and provider say of a start; only where both say something."""
    import numpy as np  # heavy

    codes, words = frame.codes("start_evidence")
    said = [told(word) for word in words]
    both = np.array([len(voices) > 1 for voices in said], dtype=bool)
    disputed = np.array([len(set(voices.values())) > 1 for voices in said], dtype=bool)
    return both[codes], disputed[codes]


_CLOCKS = "compare the clocks of client, function and provider; leave these invocations out"
_EDITED = "the store was edited or two stores were mixed; take the run from a snapshot or measure again"

ROW_CHECKS: tuple[tuple[Check, RowCheck], ...] = (
    (Check("numbers", "hold NaN, infinity or no client times", _EDITED, fails=True), _numbers),
    (Check("plausible", "took longer than a day or happened outside 2000 to 2100", _EDITED, fails=True), _absurd),
    (Check("not-negative", "have a negative duration, cost or memory", _CLOCKS, fails=True), _negative),
    (Check("order", "have times out of order (intended, sent, connected, first byte, done)", _CLOCKS, fails=True),
     _order),
    (Check("client-parts", "have connect, init, provider and function times that exceed the client's latency", _CLOCKS,
           missing="neither function nor provider reported a duration"), _client_parts),
    (Check("function-in-provider", "took longer in the function than the provider says in all", _CLOCKS,
           missing="no provider records with the function's own duration"), _function_part),
    (Check("phases", "have phases that exceed the function's duration",
           "phases that overlap count twice; mark phases that follow each other",
           missing="the functions mark no phases"), _phases),
    (Check("billed", "were billed for less than their duration",
           "look at what the provider's record means by duration and by billed",
           missing="no provider records with billed time"), _billed),
    (Check("clock-steps", "had the sandbox's wall clock set while they ran, or since its last call",
           "use durations, which come from the monotonic clock, and not differences of points in time",
           missing="no function reported its own times"), _clock_steps),
    (Check("request-ids", "share their request id with another", _EDITED, fails=True,
           missing="the platform gives no request ids"), _request_ids),
    (Check("sandbox-ids", "ran in a sandbox that two deployments claim", _EDITED, fails=True,
           missing="no function reported its sandbox"), _sandbox_ids),
    (Check("cold-once", "were cold in a sandbox that had been cold before",
           "the start type cannot be right; look at start_evidence and leave these out", fails=True,
           missing="no cold start with a known sandbox"), _cold_twice),
    (Check("start-evidence", "have a start that function and provider dispute",
           "the provider's word was taken; look at start_evidence",
           missing="function and provider do not both tell the start"), _start_evidence),
)  # fmt: skip


def _all(frame: Frame) -> Mask:
    import numpy as np  # heavy

    return np.ones(len(frame), dtype=bool)


def _ok(frame: Frame) -> Mask:
    return frame.equals("status", "ok")


def _provider(frame: Frame) -> Numbers:
    """Return what the provider says of an invocation in all, NaN where it says nothing."""
    import numpy as np  # heavy

    both: Numbers = frame["provider.duration_s"] + np.nan_to_num(frame["provider.init_s"])
    return both


def _larger(first: Numbers, second: Numbers) -> Numbers:
    """Return the larger of two numbers, or the one that is known."""
    import numpy as np  # heavy

    larger: Numbers = np.fmax(first, second)
    return larger


def _limit(total: Numbers, settings: DataQualitySettings) -> Numbers:
    return total * (1 + settings.parts_share) + _SLACK_S
