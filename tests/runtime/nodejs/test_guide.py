from __future__ import annotations

import random
from pathlib import Path

from sebsx.contracts import benchmarks
from tests.runtime.nodejs.conftest import Node
from tests.test_docs import ROOT, write_files


def test_listing_of_the_guide_gives_what_the_python_one_is_checked_for(node: Node, tmp_path: Path) -> None:
    write_files(ROOT / "docs" / "write-a-benchmark.md", tmp_path)
    benchmark = benchmarks.load(tmp_path / "word-count")
    payload = benchmark.payload(benchmark.resolve("test", {}), random.Random(1), None)

    body = node.answer((benchmark.root / "nodejs" / "function.js").read_text(), payload)

    assert benchmark.check(payload, body["output"], None) is None
    assert body["sebsx"]["samples"]["phase.compute_s"] > 0
