"""Feeds what comes from outside with inputs that nobody would send, for as long as is asked, and keeps what it found.

A fuzzer (`tests/soak/fuzzers/`) makes inputs and says what must hold of each. Inputs are Python literals, so that a
finding is one line of text in `tests/soak/corpus/`, which the quick suite replays.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"
# Of one input: generous, because the machine may be busy; what is bounded takes a hundredth of it.
MOST_CPU_S = 5.0
MOST_BYTES = 512 * 2**20
_AT_ONCE = 200

Check = Callable[[Any], None]
"""Raises if what must hold of an input does not."""


@dataclass(frozen=True, kw_only=True)
class Fuzzer:
    """Inputs, and what must hold of each.

    Args:
        name: Of its corpus.
        promise: What holds whatever the input, in one line.
        inputs: Makes inputs: literals of Python.
        opened: Makes what checks inputs, given a folder of its own.
    """

    name: str
    promise: str
    inputs: st.SearchStrategy[Any] = field(repr=False)
    opened: Callable[[Path], AbstractContextManager[Check]]


@dataclass(frozen=True)
class Found:
    """An input that broke a promise once."""

    where: str
    value: Any


def corpus(name: str) -> Iterator[Found]:
    """Yield what a fuzzer found so far: an expression a line (`b"[" * 9`), its story in the comment above it."""
    path = CORPUS / f"{name}.txt"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line and not line.startswith("#"):
            yield Found(f"{path.name}:{number}", eval(line, {"__builtins__": {}}))


def bounded(check: Check) -> Check:
    """Return a check that holds bounds of processor time and memory as well."""
    before_bytes = _peak_bytes()

    def checked(value: Any) -> None:
        began_s = time.process_time()
        check(value)
        spent_s = time.process_time() - began_s
        assert spent_s < MOST_CPU_S, f"it took {spent_s:.1f} s of processor time"
        assert _peak_bytes() - before_bytes < MOST_BYTES, "it took too much memory"

    return checked


def fuzz(fuzzer: Fuzzer, folder: Path, seconds: float, first_seed: int = 1) -> int:
    """Try inputs for so long and return how many; an input that breaks the promise is made small, and raised with.

    Args:
        fuzzer: Which.
        folder: An empty one.
        seconds: How long.
        first_seed: Of the first few hundred inputs; later ones count up from it.
    """
    tried = 0
    with fuzzer.opened(folder) as check:
        held, until_s = bounded(check), time.monotonic() + seconds  # what it opens may take long

        def attempt(value: Any) -> None:
            nonlocal tried
            if time.monotonic() < until_s or failed:
                tried += 1
                try:
                    held(value)
                except BaseException as exc:
                    failed.append(value)  # from now on it is made small, however long that takes
                    exc.add_note(f"for the corpus: {value!r}")
                    raise

        failed: list[Any] = []
        number = first_seed
        while time.monotonic() < until_s:
            given_inputs = given(fuzzer.inputs)(attempt)
            seed(number)(_SETTINGS(given_inputs))()
            number += 1
    return tried


_SETTINGS = settings(
    max_examples=_AT_ONCE,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


def hold_one_line(error: Exception) -> None:
    """Hold that a message is one line."""
    assert "\n" not in str(error), error


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def spliced(valid: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return valid bytes in which a few pieces were cut, doubled, put elsewhere or replaced by noise."""
    edits = st.lists(
        st.tuples(
            st.sampled_from(("cut", "double", "noise", "flip", "end")),
            st.integers(0, 10**6),
            st.integers(0, 40),
            st.binary(max_size=12),
        ),
        max_size=3,
    )
    return st.builds(_edited, valid, edits)


def _edited(data: bytes, edits: list[tuple[str, int, int, bytes]]) -> bytes:
    for what, at, length, noise in edits:
        at %= len(data) + 1
        piece = data[at : at + length]
        if what == "cut":
            data = data[:at] + data[at + length :]
        elif what == "double":
            data = data[:at] + piece * 3 + data[at:]
        elif what == "noise":
            data = data[:at] + noise + data[at + length :]
        elif what == "flip":
            data = data[:at] + bytes(byte ^ 0x80 for byte in piece) + data[at + length :]
        else:
            data = data[:at]
    return data


def in_pieces(data: st.SearchStrategy[bytes]) -> st.SearchStrategy[tuple[bytes, ...]]:
    """Return bytes as they may arrive: in one to four pieces."""

    def cut(whole: bytes, places: list[int]) -> tuple[bytes, ...]:
        ends = sorted(place % (len(whole) + 1) for place in places)
        return tuple(whole[start:end] for start, end in zip([0, *ends], [*ends, len(whole)], strict=True))

    return st.builds(cut, data, st.lists(st.integers(0, 10**6), max_size=3))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
