"""What users write down of prices: books with every key, and anything in its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sebsx.errors import UserError
from sebsx.pricing.bookfile import read, write
from tests.soak import documents
from tests.soak.commands import Commands
from tests.soak.fuzzing import Check, Fuzzer, hold_one_line

EVERY_KEY = """
provider = "aws"
effective = 2020-01-02
retrieved = 2020-01-03
source = "a test"
currency = "USD"
[groups]
near = ["here", "there"]
[scheme.plain]
step_s = 0.001
minimum_s = 0.1
bills_init_from = 2025-08-01
memory_step_mib = 128
free_ephemeral_mib = 512
observed_memory = false
estimate = true
memory_sizes_mib = [128, 256]
cpu_by_memory = [[128, 0.1], [256, 0.2]]
[[price]]
meter = "request"
unit = "request"
regions = ["near"]
usd = 0.000001
[[price]]
meter = "memory"
unit = "GB-s"
scheme = "plain"
architectures = ["x86_64"]
regions = ["near"]
tiers = [[0, 0.00002], [1_000, 0.00001]]
free = 5
[[price]]
meter = "egress"
unit = "GB"
by_region = {here = 0.09}
"""
WORDS = ("near", "here", "plain", "x86_64", "arm64", "request", "memory", "GB-s", "USD", "aws")


class Shopping:
    """Reads price books as whoever asks for prices."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self._path = folder / "book.toml"
        self._copy = folder / "copy.toml"
        self._commands = commands

    def __call__(self, text: str) -> None:
        self._path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            book = read(self._path)
        except UserError as exc:
            hold_one_line(exc)
            said = self._commands("prices", "diff", str(self._path), str(self._path))
            assert said.code == 2, said.stderr
            return
        self._copy.write_text(write(book), encoding="utf-8")
        copy = read(self._copy)
        assert (copy.prices, copy.schemes) == (book.prices, book.schemes)
        said = self._commands("prices", "diff", str(self._path), str(self._copy))
        assert said.code == 0, said.stderr


@contextmanager
def opened(folder: Path) -> Iterator[Check]:
    with Commands.at(folder) as commands:
        yield Shopping(folder, commands)


FUZZER = Fuzzer(
    name="prices",
    promise="a price book is read and says the same after it was written again, or it is refused in one line",
    inputs=documents.wrong(EVERY_KEY, WORDS),
    opened=opened,
)
