"""A benchmark with functions, a variant and files of its own making fulfils the published contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sebsx.contracts import benchmarks
from sebsx.testing.contracts import BenchmarkContract

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
name = "parts"
version = "1"
summary = "looks words up"
category = "own"
source = "own"
licence = "Apache-2.0"
needs = ["storage"]
[functions.find]
handler = "src/app.handler"
[functions.other]
folder = "find"
handler = "src/app.handler"
[variants.slow]
[parameters.count]
type = "int"
default = 5
help = "how many words"
[sizes]
test = { count = 5 }
small = { count = 50 }
large = { count = 500 }
"""
DRIVER = """
def build(parameters, artifacts, target):
    made = artifacts.folder / "words.txt"
    made.write_text("\\n".join(f"word{number}" for number in range(parameters["count"])))
    artifacts.package(made, "data/words.txt")
    artifacts.store(made)

def payload(parameters, rng, storage, artifacts):
    return {"index": rng.randrange(parameters["count"]), "key": artifacts["words.txt"]}

def check(payload, output, storage):
    words = storage.get(payload["key"]).decode().split()
    expected = {"word": words[payload["index"]], "same": True}
    return None if output == expected else f"output is {output!r}"
"""
FUNCTION = """
import pathlib
from src.how import find

def handler(event, context):
    words = pathlib.Path(__file__).parent.with_name("data").joinpath("words.txt").read_text()
    return {"word": find(words, event["index"]), "same": context.storage.download(event["key"]).decode() == words}
"""


class TestParts(BenchmarkContract):
    variant = "slow"

    @pytest.fixture
    def benchmark(self, tmp_path: Path) -> benchmarks.Benchmark:
        root = tmp_path / "parts"
        for name, text in {
            "benchmark.toml": MANIFEST,
            "benchmark.py": DRIVER,
            "find/python/src/app.py": FUNCTION,
            "find/python/src/how.py": "1 / 0  # the variant's lies over it",
            "variants/slow/find/python/src/how.py": "def find(words, index):\n    return words.split()[index]\n",
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return benchmarks.load(root)
