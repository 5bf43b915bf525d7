"""The listings of the docs about benchmarks do what the text says."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts import benchmarks
from sebsx.contracts.tables import ManifestTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import FolderStorage

    from sebsx.contracts.benchmarks import Benchmark

DOCS = Path(__file__).parents[2] / "docs"
_LISTING = re.compile(r"^```\w+\n(?:#|//) file: (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Benchmark]:
    """Return a function that writes the listings of a page and loads one of their folders."""

    def write(page: str, folder: str) -> Benchmark:
        for name, text in _LISTING.findall((DOCS / page).read_text()):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return benchmarks.load(tmp_path / folder)

    return write


@pytest.mark.parametrize("size", ["test", "small"])
def test_word_count_of_the_guide_runs_and_checks_its_output(
    size: str,
    written: Callable[[str, str], Benchmark],
    storage: FolderStorage,
    invoke: Callable[..., dict[str, Any]],
) -> None:
    benchmark = written("write-a-benchmark.md", "word-count")
    payload = benchmark.payload(benchmark.resolve(size, {}), random.Random(1), None)

    report = invoke(benchmark, payload)

    assert benchmark.check(payload, report["output"], None) is None
    assert list(report["phases"]) == ["compute"]
    wrong = report["output"]["counts"] | {"tail": -1}
    assert "counts are" in (benchmark.check(payload, report["output"] | {"counts": wrong}, None) or "")
    assert "words is -1" in (benchmark.check(payload, report["output"] | {"words": -1}, None) or "")
    assert "not the expected form" in (benchmark.check(payload, {}, None) or "")


def test_an_empty_text_has_no_words(
    written: Callable[[str, str], Benchmark], invoke: Callable[..., dict[str, Any]]
) -> None:
    benchmark = written("write-a-benchmark.md", "word-count")
    payload = benchmark.payload(benchmark.resolve("test", {"words": "0"}), random.Random(1), None)

    assert invoke(benchmark, payload)["output"] == {"words": 0, "counts": {}}


@pytest.mark.slow
def test_primes_of_the_tutorial_are_counted_right(
    written: Callable[[str, str], Benchmark], invoke: Callable[..., dict[str, Any]]
) -> None:
    benchmark = written("tutorial.md", "primes")

    # https://oeis.org/A006880: 25 primes below 100, 9592 below 100,000.
    for limit, primes in ((2, 0), (3, 1), (100, 25), (100_000, 9592)):
        payload = benchmark.payload(benchmark.resolve("test", {"limit": limit}), random.Random(1), None)
        assert invoke(benchmark, payload)["output"] == {"primes": primes}


def test_guide_names_every_key_of_the_manifest() -> None:
    guide = (DOCS / "write-a-benchmark.md").read_text()
    table = ManifestTable({"name": "b", "version": "1", "summary": "s"}, DOCS)
    benchmarks._read(DOCS, table, [])

    assert {key for key in table._asked if not re.search(rf"`{key}[`.]", guide)} == set()


@pytest.mark.parametrize("page", ["write-a-benchmark.md", "tutorial.md"])
def test_console_blocks_hold_commands_only(page: str) -> None:
    blocks = re.findall(r"^```console\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)

    lines = [line for block in blocks for line in block.splitlines()]
    assert lines
    assert [line for line in lines if not line.startswith(("$ sebsx ", "$ python3 "))] == []
