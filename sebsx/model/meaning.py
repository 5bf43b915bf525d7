"""What a benchmark says its numbers mean: which phases are its named work, and what tells how that was done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECT = "function.subject_s"
FACTS = "function.facts"
LEAST_SHARE = 0.8
"""Where the named work is a smaller share of the handler's time, reports say so beside the total."""

_MOST_CHARACTERS = 100
_PREFIX, _SUFFIX = "phase.", "_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the manifest of a benchmark says of its numbers.

    Args:
        subject: Phases that are the named work, which every call marks and which do not overlap; empty for all of the
            handler.
        facts: Fields of the output that say how the work was done, each a word, a number or a truth value: calls whose
            facts differ did not measure the same.
    """

    subject: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    def fault(self, samples: Mapping[str, float], output: Any) -> str | None:
        """Return what a good answer lacks of what the manifest promises, None if nothing."""
        for phase in self.subject:
            if _sample(phase) not in samples:
                marked = [name[len(_PREFIX) : -len(_SUFFIX)] for name in samples if name.startswith(_PREFIX)]
                return _missing("phase", phase, "subject", marked)
        for name in self.facts:
            if not isinstance(output, dict) or name not in output:
                return _missing("field", name, "facts", output if isinstance(output, dict) else ())
            if not isinstance(output[name], str | int | float) or len(str(output[name])) > _MOST_CHARACTERS:
                wanted = f"a word of at most {_MOST_CHARACTERS} characters or a number is wanted"
                return (
                    f"field {name!r}, which the manifest names under 'facts', is {str(output[name])[:60]!r}: {wanted}"
                )
        return None

    def subject_s(self, samples: Mapping[str, float]) -> float:
        """Return the time of the named work in seconds, of a call without fault."""
        return sum(samples[_sample(phase)] for phase in self.subject)

    def told(self, output: Mapping[str, Any]) -> str:
        """Return as JSON how the work was done, of a call without fault; empty where the benchmark tells nothing."""
        return json.dumps({name: output[name] for name in self.facts}) if self.facts else ""


PLAIN = Meaning()
"""Of a function without a manifest: the handler is the work, and it tells nothing of how."""


def _sample(phase: str) -> str:
    return f"{_PREFIX}{phase}{_SUFFIX}"


def _missing(what: str, name: str, key: str, there: Any) -> str:
    close = nearest(name, there)
    advice = f"; did you mean {close!r}?" if close else ""
    having = f" (it has {', '.join(map(str, there))})" if there else ""
    return f"{what} {name!r}, which the manifest names under {key!r}, is missing{advice}{having}"
