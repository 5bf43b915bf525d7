"""What two conditions must have in common to be compared, and what they may differ in because it is studied."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sebsx.model.meaning import FACTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.contracts.runs import RunView
    from sebsx.reading.conditions import Condition

CPU_MODEL = "cpu_model"
PRICE_BOOK = "price_book"
VALIDITY = "validity"
OUTPUT = "output."
"""Begins the names of facts that a benchmark's outputs tell of how its work was done."""

# Facts of a deployment that must be equal, and those that are told: they are what a new version changes.
_DEPLOYED = ("language_version", "parameters")
_REPORTED = ("trigger", "limits")
_BOOK = ("provider", "effective", "sha256")  # which book it is; its region and architecture are facts of their own
_TOLD = ("benchmark_version", "benchmark_sha256", "package_sha256", "timeout_s")
_TOLD_REPORTED = ("runtime",)

_OF_NOTHING = hashlib.sha256(b"").hexdigest()
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")  # its first digits tell as much to a person

# Two mixes of CPU models are the same if no more than this share of the invocations would have to move.
CPU_MIX_TOLERANCE = 0.2


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that is not the same on both sides.

    Args:
        fact: Its name, as `allow` takes it.
        base: Its value there, in words.
        new: Its value there.
    """

    fact: str
    base: str
    new: str

    def __str__(self) -> str:
        return f"{self.fact} {self.base} -> {self.new}"


class Background:
    """What is known of a run beside its invocations.

    Args:
        view: The run.
        priced: Whether costs are compared, so that it matters by which prices.
    """

    def __init__(self, view: RunView, *, priced: bool = False) -> None:
        self.view = view
        self.priced = priced

    @cached_property
    def collectors(self) -> str:
        """The collectors that were in the functions."""
        return ", ".join(sorted(self.view.run.settings.get("collectors") or ())) or "none"

    @cached_property
    def cpu_models(self) -> Mapping[str, str]:
        """CPU model of each sandbox that told it."""
        return {
            sandbox.sandbox_id: str(sandbox.facts[CPU_MODEL])
            for sandbox in self.view.sandboxes()
            if sandbox.facts.get(CPU_MODEL)
        }

    @cached_property
    def told(self) -> Mapping[tuple[int | None, int | None], Mapping[str, list[str]]]:
        """What the outputs of each deployment in each cell said of how the work was done: words by name, sorted."""
        found: dict[tuple[int | None, int | None], dict[str, set[str]]] = {}
        for value in self.view.values():
            if value.metric == FACTS and value.text:
                mine = found.setdefault((value.deployment_id, value.cell_id), {})
                for name, word in json.loads(value.text).items():
                    mine.setdefault(f"{OUTPUT}{name}", set()).add(str(word))
        return {key: {name: sorted(words) for name, words in mine.items()} for key, mine in found.items()}

    def told_of(self, condition: Condition) -> dict[str, str]:
        """Return what the outputs of a condition said of how the work was done, all ways of it in one word."""
        cell_id = condition.cell.id if condition.cell else None
        ways: dict[str, set[str]] = {}
        for deployment in condition.deployments:
            for name, words in self.told.get((deployment.id, cell_id), {}).items():
                ways.setdefault(name, set()).update(words)
        return {name: " / ".join(sorted(words)) for name, words in ways.items()}

    @cached_property
    def price_books(self) -> Mapping[int | None, str]:
        """The prices by which each deployment's invocations were priced, as they were stored."""
        if not self.priced:
            return {}
        return {
            value.deployment_id: ", ".join(
                f"{key} {word}" for key, word in json.loads(value.text).items() if key in _BOOK
            )
            for value in self.view.values()
            if value.metric == PRICE_BOOK and value.text
        }

    def cpu_mix(self, condition: Condition) -> dict[str, float]:
        """Return the share of the invocations that each CPU model served, of those whose model is known."""
        import numpy as np  # heavy

        frame = condition.counted
        if "sandbox_id" not in frame:
            return {}
        codes, names = frame.codes("sandbox_id")
        counts: Counter[str] = Counter()
        for code, n in zip(*np.unique(codes, return_counts=True), strict=True):
            model = self.cpu_models.get(names[code] or "")
            if model:
                counts[model] += int(n)
        return {model: n / counts.total() for model, n in sorted(counts.items())}


def differences(
    base: Condition, new: Condition, backgrounds: Mapping[str, Background], studied: frozenset[str]
) -> list[Difference]:
    """Return what is not the same on both sides and should be.

    Args:
        base: One side.
        new: The other.
        backgrounds: By id of the run.
        studied: Facts that are meant to differ.
    """
    if not (len(base.counted) and len(new.counted)):
        studied |= {"start"}  # what has no sample was not had in any other way than was wanted
    here, there = backgrounds[base.run.id], backgrounds[new.run.id]
    old, young = _comparable(base, here), _comparable(new, there)
    found = _unequal(old, young, studied)
    ways, others = here.told_of(base), there.told_of(new)
    one_sided = ways.keys() ^ others.keys()  # what one side does not tell is not known to differ
    found += _unequal(ways, others, studied | one_sided)
    if base.doubt or new.doubt:
        found.append(Difference(VALIDITY, base.doubt or "valid", new.doubt or "valid"))
    mixes = here.cpu_mix(base), there.cpu_mix(new)
    if CPU_MODEL not in studied and all(mixes) and _distance(*mixes) > CPU_MIX_TOLERANCE:
        found.append(Difference(CPU_MODEL, *map(_mix_in_words, mixes)))
    return found


def told(base: Condition, new: Condition, backgrounds: Mapping[str, Background]) -> list[Difference]:
    """Return what is not the same on both sides and may be: the code, what comes with it, and what one side tells."""
    found = _unequal(_of(base, _TOLD, _TOLD_REPORTED), _of(new, _TOLD, _TOLD_REPORTED), frozenset())
    ways, others = backgrounds[base.run.id].told_of(base), backgrounds[new.run.id].told_of(new)
    return [*found, *_unequal(ways, others, frozenset(ways.keys() & others.keys()))]


def known_facts(found: Iterable[Condition], backgrounds: Mapping[str, Background]) -> list[str]:
    """Return the names that may be allowed to differ."""
    levels = {key for condition in found for key in condition.identity}
    levels |= {name for condition in found for name in backgrounds[condition.run.id].told_of(condition)}
    return sorted({*levels, *_DEPLOYED, *_REPORTED, "emulated", "collectors", PRICE_BOOK, VALIDITY, CPU_MODEL})


def _comparable(condition: Condition, background: Background) -> dict[str, Any]:
    books = background.price_books
    return {
        **{key: level for key, level in condition.identity.items() if key not in _DEPLOYED},
        **_of(condition, _DEPLOYED, _REPORTED),
        "emulated": "yes" if condition.emulated else "no",
        "collectors": background.collectors,
        PRICE_BOOK: " / ".join(dict.fromkeys(books.get(item.id, "") for item in condition.deployments)),
    }


def _of(condition: Condition, columns: Sequence[str], reported: Sequence[str]) -> dict[str, Any]:
    facts = {name: [getattr(item, name) for item in condition.deployments] for name in columns}
    facts |= {name: [item.effective.get(name) for item in condition.deployments] for name in reported}
    return {name: " / ".join(dict.fromkeys(map(_word, values))) for name, values in facts.items()}


def _unequal(base: Mapping[str, Any], new: Mapping[str, Any], studied: frozenset[str]) -> list[Difference]:
    names = [name for name in dict.fromkeys((*base, *new)) if name not in studied]
    words = {name: (_word(base.get(name)), _word(new.get(name))) for name in names}
    return [Difference(name, *sides) for name, sides in words.items() if sides[0] != sides[1]]


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in sorted(value.items())) or "none"
    return "none" if value in (None, "") else _DIGEST.sub(lambda found: _shortened(found[0]), str(value))


def _shortened(digest: str) -> str:
    """Return the first digits of a digest; that of nothing tells nobody anything."""
    return "nothing" if digest == _OF_NOTHING else digest[:12]


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the total variation distance of two mixes: the share that would have to move."""
    return sum(abs(one.get(model, 0.0) - other.get(model, 0.0)) for model in {*one, *other}) / 2


def _mix_in_words(mix: Mapping[str, float]) -> str:
    return ", ".join(f"{model} {share:.0%}" for model, share in mix.items()) if len(mix) > 1 else next(iter(mix))
