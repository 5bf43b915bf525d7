"""Reads what the runtime shim sends back: the function's own measurement and its output or error."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)  # not frozen: made for each answer, in half the time
class Envelope:
    """What a sandbox said of one invocation; see `docs/architecture.md`. Every part may be missing."""

    output: Any = None
    error: str | None = None
    sandbox_id: str | None = None
    call: int | None = None
    initialization: str | None = None
    init_gap_s: float | None = None
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


def read_envelope(body: bytes) -> Envelope:
    """Return the envelope in a response body; a body without one is taken as the plain output.

    A body that is no JSON gives an envelope with an `error`.
    """
    try:
        document = json.loads(body.decode())  # given bytes, it would guess at their encoding
    except ValueError:
        return Envelope(error=f"answer is not JSON: {body[:80]!r}")
    if not isinstance(document, dict) or not isinstance(document.get("sebsx", {}), dict):
        return Envelope(output=document)
    shim, error = document.get("sebsx"), document.get("error")
    if not shim:
        output = document.get("output", document)
        return Envelope(output=output, error=_describe(error) if error else None)
    samples = dict(shim.get("samples", ()))
    for key in ("boot_s", "import_s"):
        if shim.get(key) is not None:
            samples[f"function.{key}"] = shim[key]
    series = {name: samples.pop(name) for name in list(samples) if isinstance(samples[name], dict)}
    return Envelope(
        output=document.get("output"),
        error=_describe(error) if error else None,
        sandbox_id=shim.get("sandbox"),
        call=shim.get("call"),
        initialization=_if(str, shim.get("initialization")),
        init_gap_s=_if(float, shim.get("init_gap_s")),
        started_s=shim.get("started_s"),
        finished_s=shim.get("finished_s"),
        duration_s=shim.get("duration_s"),
        samples=samples,
        series=series,
        facts=shim.get("facts", {}),
    )


def _if(kind: type[Any], value: Any) -> Any:
    return value if isinstance(value, kind) else None


def read_answer(body: bytes) -> Envelope:
    """Return the answer of a function that somebody else wrote: all of it is output, unless our shim speaks."""
    try:
        document = json.loads(body.decode())
    except ValueError:
        return Envelope(output=body.decode("utf-8", "replace"))
    ours = isinstance(document, dict) and isinstance(document.get("sebsx"), dict)
    return read_envelope(body) if ours else Envelope(output=document)


def _describe(error: Any) -> str:
    """Return type and message in one line, the traceback below it."""
    if not isinstance(error, dict):
        return str(error)
    first = f"{error.get('type', 'Error')}: {error.get('message', '')}"
    return "\n".join(part for part in (first, error.get("traceback")) if part)
