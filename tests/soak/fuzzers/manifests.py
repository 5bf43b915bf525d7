"""What authors of benchmarks write: manifests with every key, and anything in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sebsx.contracts import benchmarks
from sebsx.errors import UserError
from tests.soak import documents
from tests.soak.commands import Commands
from tests.soak.fuzzing import Check, Fuzzer, hold_one_line

EVERY_KEY = """
name = "count"
version = "2"
summary = "counts"
category = "web"
groups = ["suite:mine"]
source = "own"
licence = "MIT"
external_binary = false
needs = ["storage"]
[defaults]
memory_mib = 512
timeout_s = 5
[languages.python]
handler = "main.run"
[parameters.words]
type = "int"
default = 10
help = "how many"
minimum = 1
maximum = 100
[parameters.share]
type = "float"
default = 0.5
[parameters.sep]
type = "str"
default = " "
[parameters.deep]
type = "bool"
default = false
[sizes]
test = { words = 5 }
large = { words = 100, sep = "," }
[steps]
parameter = "words"
first = 1
last = 9
count = 3
growth = 2
[expect]
test = 0.1
[functions.first]
handler = "main.run"
folder = "."
summary = "s"
needs = ["table"]
languages = ["python"]
memory_mib = 1
timeout_s = 2
[variants.fast]
functions = ["first"]
folder = "."
summary = "s"
needs = []
languages = ["python"]
memory_mib = 2
timeout_s = 3
"""
WORDS = ("python", "nodejs", "storage", "table", "int", "float", "str", "bool", "words", "test", "main.run", ".", "..")
CODES = (0, 2, 3, 4)


class Authoring:
    """Reads manifests as whoever runs them: by the contract, and by `sebsx plan`."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self._root = folder / "count"
        (self._root / "python").mkdir(parents=True)
        (self._root / "python" / "main.py").write_text("def run(event, context): return {}", encoding="utf-8")
        self._commands = commands

    def __call__(self, text: str) -> None:
        (self._root / "benchmark.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            benchmark = benchmarks.load(self._root)
        except UserError as exc:
            hold_one_line(exc)
            return
        for size in (*benchmark.sizes, "1", "2", str(benchmark.steps and benchmark.steps.count), "9" * 5000):
            self._allowed(lambda of: benchmark.resolve(of, {}), size)
        for language in (*benchmark.languages, "cobol"):
            for function in (*benchmark.functions, ""):
                for variant in (*benchmark.variants, ""):
                    self._allowed(benchmark.code, language, function, variant)
                    self._allowed(benchmark.demands, function, variant)
        said = self._commands("plan", "benchmark", str(self._root), "--repetitions", "1")
        assert said.code in CODES, said.stderr

    def _allowed(self, call: Callable[..., object], *words: str) -> None:
        try:
            call(*words)
        except UserError as exc:
            hold_one_line(exc)


@contextmanager
def opened(folder: Path) -> Iterator[Check]:
    with Commands.at(folder) as commands:
        yield Authoring(folder, commands)


FUZZER = Fuzzer(
    name="manifests",
    promise="a manifest is read, or refused in one line",
    inputs=documents.wrong(EVERY_KEY, WORDS),
    opened=opened,
)
