"""How much of the handler's time is the work that a benchmark is named for, at each size.

`pytest -s -m soak tests/benchmarks/test_subjects.py` prints the shares of all.
"""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts import benchmarks
from sebsx.model.meaning import LEAST_SHARE
from sebsx_benchmarks.plugin import sebsx_register_benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import FolderStorage

ALL = {
    benchmark.name: benchmark
    for root in sebsx_register_benchmarks()
    for benchmark in map(benchmarks.load, benchmarks.discover(root))
}
SIZES = ("test", "small", "large")
CALLS = 5  # at size `test`; the others are long enough to be measured by two
# Where the named work is less, and what the README says of it.
LESS = {
    ("startup-dependencies", "test"): "in warm calls it is next to nothing",
    ("startup-dependencies", "small"): "in warm calls it is next to nothing",
    ("startup-dependencies", "large"): "in warm calls it is next to nothing",
    ("crud-api", "test"): "a table in memory",
    ("clock-probe", "test"): "a few microseconds",
}


def share(name: str, size: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]) -> float:
    """Return the median share of the calls after the first."""
    benchmark = ALL[name]
    payload = benchmark.payload(benchmark.resolve(size, {}), random.Random(1), storage)
    report = invoke(benchmark, payload, calls=CALLS if size == "test" else 2)
    assert benchmark.check(payload, report["output"], storage) is None
    return statistics.median(
        sum(call["phases"][phase] for phase in benchmark.meaning.subject) / call["duration_s"]
        for call in report["calls"][1:]
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["long-chain", "object-storage-io", "readwritememory"])
def test_named_work_is_most_of_a_quick_call(
    name: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    shares = (share(name, "test", storage, invoke) for _ in range(3))  # what else the machine does can only take of it

    assert any(one >= LEAST_SHARE for one in shares)


@pytest.mark.parametrize(("name", "size"), LESS)
def test_readme_says_why_the_named_work_is_little(name: str, size: str) -> None:
    words = " ".join((ALL[name].root / "README.md").read_text(encoding="utf-8").split())

    assert LESS[name, size] in words


@pytest.mark.soak
@pytest.mark.network
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ALL)
def test_named_work_is_most_of_every_call_or_the_readme_says_why(
    name: str, size: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    found = share(name, size, storage, invoke)
    if (name, size) not in LESS:
        for _ in range(2):
            found = found if found >= LEAST_SHARE else max(found, share(name, size, storage, invoke))

    print(f"{name:22} {size:6} {found:6.1%}  {', '.join(ALL[name].meaning.subject)}")
    assert found >= LEAST_SHARE or (name, size) in LESS
