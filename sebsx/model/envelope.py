"""Reads what the runtime shim sends back: the function's own measurement and its output or error.

A function writes its answer itself, so that every field is typed and bounded here. What is wrong makes the invocation
wrong (`Envelope.fault`); nothing in an answer raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.model.untrusted import UntrustedJsonError, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longer than any provider lets a function run, and later than any clock that is right.
_LONGEST_S = 400 * 86400.0
_LATEST_S = 1e11
_MOST_CALLS = 2**53
_NAME_CHARACTERS = 200
_MOST_SAMPLES = 1000
_LARGEST = 1e300
_NUMBERS = frozenset({float, int})
_SOUND_NAMES: set[str] = set()  # of samples, seen before: the same come with each answer
_BOUNDS = (
    *((name, _LONGEST_S) for name in ("boot_s", "import_s", "duration_s", "age_s")),
    *((name, _LATEST_S) for name in ("started_s", "finished_s")),
)


@dataclass(slots=True, kw_only=True)  # not frozen: made for each answer, in half the time
class Envelope:
    """What a sandbox said of one invocation; see `docs/architecture.md`. Every part may be missing.

    `error` is the function's; `fault` says what is wrong with the envelope itself, of which nothing else is kept then.
    """

    output: Any = None
    error: str | None = None
    fault: str | None = None
    sandbox_id: str | None = None
    call: int | None = None
    initialization: str | None = None
    init_gap_s: float | None = None
    age_s: float | None = None
    started_s: float | None = None
    finished_s: float | None = None
    duration_s: float | None = None
    samples: Mapping[str, float] = field(default_factory=dict)
    series: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        """Whether the shim answered, rather than something in its place."""
        return self.sandbox_id is not None


class _FaultError(Exception):
    """Says what is wrong with an envelope."""


def read_envelope(body: bytes) -> Envelope:
    """Return the envelope in a response body; a body without one is taken as the plain output.

    A body that is not JSON gives an envelope with an `error`.
    """
    try:
        document = parse_json(body)
    except UntrustedJsonError as exc:
        return Envelope(error=f"answer is not JSON that can be read: {exc}: {body[:80]!r}")
    if not isinstance(document, dict) or not isinstance(document.get("sebsx", {}), dict):
        return Envelope(output=document)
    shim, error = document.get("sebsx"), document.get("error")
    said = _describe(error) if error else None
    if not shim:
        return Envelope(output=document.get("output", document), error=said)
    try:
        envelope = _typed(shim)
    except _FaultError as exc:
        return Envelope(error=said, fault=f"the answer's envelope is wrong: {exc}")
    envelope.output, envelope.error = document.get("output"), said
    return envelope


def read_answer(body: bytes) -> Envelope:
    """Return the answer of a function that somebody else wrote: all of it is output, unless our shim speaks."""
    try:
        document = parse_json(body)
    except UntrustedJsonError:
        return Envelope(output=body.decode("utf-8", "replace"))
    ours = isinstance(document, dict) and isinstance(document.get("sebsx"), dict)
    return read_envelope(body) if ours else Envelope(output=document)


def _typed(shim: dict[str, Any]) -> Envelope:
    for key, most in _BOUNDS:
        if (value := shim.get(key)) is not None and not (type(value) is float and 0 <= value <= most):
            _between(key, value, most)
    sandbox, call = shim.get("sandbox"), shim.get("call")
    if sandbox is not None:
        _name("sandbox", sandbox)
    if call is not None and (type(call) is not int or not 0 <= call <= _MOST_CALLS):
        raise _FaultError(f"call is {_brief(call)}, not a number of calls")
    samples, series = _samples(shim)
    return Envelope(
        sandbox_id=sandbox,
        call=call,
        initialization=_if(str, shim.get("initialization")),
        init_gap_s=_gap(shim.get("init_gap_s")),
        age_s=shim.get("age_s"),
        started_s=shim.get("started_s"),
        finished_s=shim.get("finished_s"),
        duration_s=shim.get("duration_s"),
        samples=samples,
        series=series,
        facts=_object("facts", shim.get("facts")),
    )


def _own_figures(shim: dict[str, Any]) -> dict[str, float]:
    """Return the figures of the shim itself, by the names of metrics."""
    samples: dict[str, float] = {}
    for key in ("boot_s", "import_s"):
        if shim.get(key) is not None:
            samples[f"function.{key}"] = shim[key]
    if (step_s := shim.get("clock_step_s")) is not None:
        if type(step_s) not in (int, float) or not -_LATEST_S <= step_s <= _LATEST_S:
            raise _FaultError(f"clock_step_s is {_brief(step_s)}, not a number of seconds")
        samples["function.clock_step_s"] = step_s
    if (others := shim.get("concurrent")) is not None:
        _between("concurrent", others, _MOST_CALLS)
        samples["function.concurrent_count"] = others
    return samples


def _samples(shim: dict[str, Any]) -> tuple[dict[str, float], dict[str, Mapping[str, Any]]]:
    """Return what was measured in the function as numbers and as series, by the names of metrics."""
    samples: dict[str, float] = {}
    series: dict[str, Mapping[str, Any]] = {}
    told = _object("samples", shim.get("samples"))
    if _are_sound(told):
        samples, told = told, {}
    for name, value in told.items():
        if name not in _SOUND_NAMES:
            _name("the name of a sample", name)
            if len(_SOUND_NAMES) < _MOST_SAMPLES:
                _SOUND_NAMES.add(name)
        if type(value) is float or type(value) is int:
            if not -_LARGEST <= value <= _LARGEST:
                raise _FaultError(f"sample {name!r} is {_brief(value)}, not a finite number")
            samples[name] = value
        elif type(value) is dict:
            series[name] = value
        else:
            raise _FaultError(f"sample {name!r} is {_brief(value)}, neither a number nor a series")
    samples |= _own_figures(shim)
    if len(samples) > _MOST_SAMPLES:
        raise _FaultError(f"there are {len(samples)} samples, more than {_MOST_SAMPLES}")
    return samples, series


def _are_sound(told: dict[str, Any]) -> bool:
    """Tell of samples as they usually come that nothing is wrong with them: in a fifth of the time of a closer look."""
    values = told.values()
    if not (told.keys() <= _SOUND_NAMES and _NUMBERS.issuperset(map(type, values))):
        return False
    # Neither holds of what is not a number, whatever comes after it.
    return all(map(_LARGEST.__ge__, values)) and all(map((-_LARGEST).__le__, values))


def _object(key: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _FaultError(f"{key} are {_brief(value)}, not an object")
    return value


def _between(key: str, value: Any, most: float) -> None:
    if not ((type(value) is float or type(value) is int) and 0 <= value <= most):
        raise _FaultError(f"{key} is {_brief(value)}, not a number from 0 to {most:g}")


def _name(what: str, value: Any) -> None:
    if type(value) is not str or not 0 < len(value) <= _NAME_CHARACTERS or not value.isprintable():
        raise _FaultError(f"{what} is {_brief(value)}, not a printable text of up to {_NAME_CHARACTERS} characters")


def _brief(value: Any) -> str:
    """Return a value for a message, without turning all of a large one into text."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if type(value) is int and value.bit_length() > 128:
        return "a huge integer"
    return ascii(value[:80] if isinstance(value, str) else value)


def _if(kind: type[Any], value: Any) -> Any:
    return value if isinstance(value, kind) else None


def _gap(value: Any) -> float | None:
    """Return a time that is evidence; None of anything else, which no JSON of a store could hold (NaN)."""
    return value if type(value) in _NUMBERS and 0 <= value <= _LONGEST_S else None


def _describe(error: Any) -> str:
    """Return type and message in one line, below it the traceback, which ends in the whole message."""
    if not isinstance(error, dict):
        return _text(error)
    kind, message = (_text(error.get(name, default)) for name, default in (("type", "Error"), ("message", "")))
    if not (traceback := error.get("traceback")):
        return f"{kind}: {message}"
    trace = _text(traceback)
    first, _, rest = message.partition("\n")
    return f"{kind}: {first if rest in trace else message}\n{trace}"


def _text(value: Any) -> str:
    """Return text; what is none stays recognisable, and lone surrogates are escaped."""
    text = value if isinstance(value, str) else _brief(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
