"""Datasets in files: read from what SAAF, FaaS Runner and sebsx wrote, and written as CSV or Parquet."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sebsx.contracts.exporters import replacing
from sebsx.errors import UserError
from sebsx.model.frame import Frame
from sebsx.system.lazy import require
from sebsx.system.outside import for_spreadsheets
from sebsx_arm_prediction.checks import mixed_units
from sebsx_arm_prediction.dataset import (
    COMPONENTS,
    CPUS,
    FEATURE_NAMES,
    FROM,
    NUMBERS,
    RUNTIME,
    TO,
    WORDS,
    Dataset,
    environment_name,
    joined_datasets,
)
from sebsx_arm_prediction.gate import TOLERANCE, judge, told
from sebsx_arm_prediction.names import MISSING, Mapped, mapped
from sebsx_arm_prediction.reading import Trouble, chunks_of, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sebsx.model.frame import Codes, Mask, Numbers

PARQUET, CSV = ".parquet", ".csv"
# What tells the kind of machine where a file does not name it.
_MACHINE = ("environment", "platform", "architecture", "processor", "emulated", "side")
_ARM = re.compile(r"\barm|aarch64|graviton|neoverse|ampere", re.IGNORECASE)
_ALSO = {"x86": "x86_64", "amd64": "x86_64", "x64": "x86_64", "arm": "arm64", "aarch64": "arm64"}
_TICKS = (0.08, 0.125)  # sum of times over run time, where ticks of 10 ms were taken for milliseconds
_ROWS = 10_000  # written at a time


def read_files(
    paths: Sequence[Path],
    columns: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
) -> Dataset:
    """Return the rows of files that may be believed, with notes of those that may not.

    Args:
        paths: Files, or folders of JSON files.
        columns: Column of the files for a word of a dataset that its name does not tell: `{"step": "payload"}`.
        given: Words of all rows, for what the files do not say: `{"campaign": "train"}`.
        tolerance: Relative error of the accounting of processor time that is allowed.

    Raises:
        UserError: If a file cannot be read, is of no known kind, has times in the wrong unit, or there is no such word
            or column.
    """
    for name in (*(columns or {}), *(given or {})):
        if name not in WORDS:
            raise UserError(f"{name!r} is not a word of a profile; there are {', '.join(WORDS)}")
    found = [_read(path, columns or {}, given or {}, tolerance) for path in paths]
    return found[0] if len(found) == 1 else joined_datasets(found)


def write_file(dataset: Dataset, path: Path) -> None:
    """Write a dataset as CSV or Parquet, by the ending of the name; what is missing is an empty field, or null.

    Raises:
        UserError: If the ending is another, or the file cannot be written.
        MissingDependencyError: If pyarrow is not installed and Parquet is wanted.
    """
    if path.suffix not in (PARQUET, CSV):
        raise UserError(f"{path.name!r}: name a file that ends in {CSV} or {PARQUET}")
    with replacing(path) as part:
        (_write_parquet if path.suffix == PARQUET else _write_csv)(dataset, part)


class _Gathering:
    """Columns of a dataset that grow chunk by chunk.

    Args:
        columns: Column of the file by word of a dataset.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.mapped: Mapped | None = None
        self.trouble = Trouble()
        self.numbers: dict[str, list[Numbers]] = defaultdict(list)
        self.codes: dict[str, list[Codes]] = defaultdict(list)
        self.levels: dict[str, dict[str, int]] = defaultdict(dict)
        self.warmups = 0
        self.wrong: dict[str, int] = {}
        self._columns = columns

    def choose(self, names: Sequence[str]) -> Sequence[str]:
        """Return the columns that are read."""
        if missing := [name for name in self._columns.values() if name not in names]:
            raise UserError(f"column {missing[0]!r} is missing; the file has {', '.join(names)}")
        self.mapped = mapped(names, dict(self._columns))
        return self.mapped.names

    def add(self, chunk: Mapping[str, Sequence[Any]]) -> None:
        """Take in some rows."""
        import numpy as np  # heavy

        assert self.mapped is not None
        rows = len(next(iter(chunk.values())))
        codes = {name: self._coded(name, chunk[column]) for name, column in self.mapped.words.items()}
        kept = np.ones(rows, dtype=bool)
        if "kind" in codes:
            kept &= self._among("kind", codes["kind"], "measured")
            self.warmups += rows - int(kept.sum())
        if "status" in codes:
            failed = kept & ~self._among("status", codes["status"], "ok")
            if failed.any():
                self.trouble.refuse("calls that failed", int(failed.sum()))
            kept &= ~failed
        for name in (*NUMBERS, *FEATURE_NAMES):
            self.numbers[name].append(self._number(name, chunk, rows)[kept])
        for name in dict.fromkeys((*WORDS, *_MACHINE)):
            if name not in codes:
                codes[name] = np.full(rows, self.levels[name].setdefault("", len(self.levels[name])), dtype=np.int32)
            self.codes[name].append(codes[name][kept])

    def _coded(self, name: str, column: Sequence[Any]) -> Codes:
        """Return a column of words as codes into all words of that column so far."""
        import numpy as np  # heavy

        levels = self.levels[name]
        known = {value: levels.setdefault(word, len(levels)) for value in set(column) for word in [_word(value)]}
        return np.fromiter(map(known.__getitem__, column), dtype=np.int32, count=len(column))

    def _among(self, name: str, codes: Codes, wanted: str) -> Mask:
        """Return which rows have a word, or none."""
        import numpy as np  # heavy

        found: Mask = np.isin(codes, [self.levels[name].get(word, -1) for word in ("", wanted)])
        return found

    def _number(self, name: str, chunk: Mapping[str, Sequence[Any]], rows: int) -> Numbers:
        import numpy as np  # heavy

        assert self.mapped is not None
        sources = self.mapped.numbers.get(name, ())
        if not sources:
            return np.full(rows, np.nan)
        found = np.zeros(rows)
        for source in sources:
            found = found + self._numbers(source.name, chunk[source.name]) * source.factor
        return found

    def _numbers(self, name: str, column: Sequence[Any]) -> Numbers:
        """Return fields as numbers, NaN where there is none."""
        import numpy as np  # heavy

        try:
            if bool in set(map(type, column)):  # which numpy takes for 0 and 1
                raise TypeError(name)
            found = np.array(column, dtype=float)
        except (TypeError, ValueError, OverflowError):
            values = [number(value) for value in column]
            if wrong := values.count(None):
                self.wrong[name] = self.wrong.get(name, 0) + wrong
            found = np.array([np.nan if value is None else value for value in values], dtype=float)
        found[found == MISSING] = np.nan
        return found


def _read(path: Path, columns: Mapping[str, str], given: Mapping[str, str], tolerance: float) -> Dataset:
    import numpy as np  # heavy

    gathering = _Gathering(columns)
    for chunk in chunks_of(path, gathering.choose, gathering.trouble):
        gathering.add(chunk)
    if gathering.mapped is None or not gathering.codes:  # none at all, or a header with no row that lines up
        raise UserError(f"{str(path)!r} holds no rows of a profile: runtime_s, or SAAF's runtime, and more")
    # Column by column out of the chunks: both are there at once for one of them alone.
    numbers = {name: np.concatenate(gathering.numbers.pop(name)) for name in list(gathering.numbers)}
    codes = {name: np.concatenate(gathering.codes.pop(name)) for name in list(gathering.codes)}
    rows = len(codes["function"])
    if np.isnan(numbers["sample"]).all():
        numbers["sample"] = np.arange(1.0, rows + 1)
    numbers["usedMemory_bytes"] = np.where(
        np.isnan(numbers["usedMemory_bytes"]),
        numbers["totalMemory_bytes"] - numbers["freeMemory_bytes"],
        numbers["usedMemory_bytes"],
    )
    levels = {name: list(level) for name, level in gathering.levels.items()}
    codes["environment"], levels["environment"], codes["architecture"], levels["architecture"] = _machines(
        codes, levels, numbers["memory_mib"]
    )
    defaults = {"function": path.stem, "run": path.name, **given}
    words = {}
    for name in WORDS:
        if name in given or (name in defaults and set(levels[name]) <= {""}):
            words[name] = np.zeros(rows, dtype=np.int32), [defaults[name]]
        else:
            words[name] = codes[name], levels[name] or [""]
    dataset = Dataset(frame=Frame(numbers, {name: (column, level) for name, (column, level) in words.items()}))
    dataset, notes = _in_seconds(dataset, gathering.mapped)
    judged = judge(dataset, tolerance)
    if not len(judged.good) and (wrong := next(mixed_units(dataset), None)):
        raise UserError(f"{path.name}: {wrong}")
    found = judged.good.completed()
    return Dataset(frame=found.frame, notes=tuple(f"{path.name}: {note}" for note in (
        *_about(gathering, len(judged.good)), *notes, *judged.good.notes)))  # fmt: skip


def _about(gathering: _Gathering, rows: int) -> list[str]:
    trouble = gathering.trouble
    notes = [f"{rows:,} of {trouble.read:,} rows taken"]
    if gathering.warmups:
        notes.append(f"{gathering.warmups:,} warm-ups passed over")
    if trouble.refused:
        notes.append(f"{sum(trouble.refused.values()):,} rows refused: {told(trouble.refused)}")
    notes += [f"{count:,} fields of {name} are not numbers, and missing" for name, count in gathering.wrong.items()]
    assert gathering.mapped is not None
    if gathering.mapped.in_ticks:
        notes.append("processor times were in ticks of 10 ms, as versions up to 0.5 give them")
    if gathering.mapped.of_saaf and "majorPageFaultsDelta_count" not in gathering.mapped.numbers:
        notes.append(
            "there are no major page faults: SAAF looks for a counter that does not exist; choose features without them"
        )
    return notes


def _in_seconds(dataset: Dataset, names: Mapped) -> tuple[Dataset, list[str]]:
    """Return the rows with processor times in seconds, where they were ticks that no name told of, and a note."""
    import numpy as np  # heavy

    if not names.of_saaf or names.in_ticks:
        return dataset, []
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = dataset.matrix(COMPONENTS).sum(axis=1) / dataset[CPUS] / dataset[RUNTIME]
    ratio = ratio[np.isfinite(ratio)]
    if not len(ratio) or not _TICKS[0] <= float(np.median(ratio)) <= _TICKS[1]:
        return dataset, []
    times = [name for name in FEATURE_NAMES if name.startswith("cpu") and name.endswith("_s")]
    scaled = Frame({name: dataset[name] * 10 for name in times}, {})
    note = "processor times are a tenth of the run time: they were ticks of 10 ms, and are taken for such"
    return Dataset(frame=dataset.frame.beside(scaled), notes=dataset.notes), [note]


def _machines(
    codes: Mapping[str, Codes], levels: Mapping[str, Sequence[str]], memory_mib: Numbers
) -> tuple[Codes, list[str], Codes, list[str]]:
    """Return the columns `environment` and `architecture`: as named, or made of what tells kinds of machines apart."""
    import numpy as np  # heavy

    table = np.column_stack([*(codes[name].astype(float) for name in _MACHINE), np.nan_to_num(memory_mib, nan=-1.0)])
    kinds, kind_of = np.unique(table, axis=0, return_inverse=True)
    said = [
        ({name: levels[name][int(code)] for name, code in zip(_MACHINE, kind, strict=False)}, float(kind[-1]))
        for kind in kinds
    ]
    architectures = [_architecture(words) for words, _ in said]
    places = [_environment(*each, architecture) for each, architecture in zip(said, architectures, strict=True)]
    sides = defaultdict(set)
    for place, (words, _) in zip(places, said, strict=True):
        sides[place].add(words["side"])
    names = [
        _environment(*each, architecture, with_itself=each[0]["side"] == TO and FROM in sides[place])
        for each, architecture, place in zip(said, architectures, places, strict=True)
    ]
    return (*_renumbered(kind_of, names), *_renumbered(kind_of, architectures))


def _renumbered(kind_of: Any, words: Sequence[str]) -> tuple[Codes, list[str]]:
    import numpy as np  # heavy

    unique = list(dict.fromkeys(words))
    return np.array([unique.index(word) for word in words], dtype=np.int32)[kind_of.reshape(-1)], unique


def _architecture(words: Mapping[str, str]) -> str:
    told_ = words["architecture"].lower()
    if told_:
        return _ALSO.get(told_, told_)
    if words["processor"]:
        return "arm64" if _ARM.search(words["processor"]) else "x86_64"
    return ""


def _environment(words: Mapping[str, str], memory_mib: float, architecture: str, *, with_itself: bool = False) -> str:
    """Return the name of a kind of machine; `with_itself` where it is the second of a pair with itself."""
    if words["environment"]:
        return words["environment"]
    emulated = words["emulated"] in ("1", "1.0", "True", "true")
    more = ", ".join(["emulated"] * emulated + [TO] * with_itself)
    platform = words["platform"] or "unknown"
    if memory_mib < 0:
        return " ".join(filter(None, (platform, architecture))) + (f" ({more})" if more else "")
    return environment_name(platform, architecture, memory_mib, more)


def _word(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).encode(errors="replace").decode()  # JSON may hold half of a pair of surrogates
    return "" if text in ("NONE", "None", f"{MISSING:.0f}") else text


def _write_csv(dataset: Dataset, path: Path) -> None:
    import numpy as np  # heavy

    names = [*NUMBERS, *FEATURE_NAMES]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*WORDS, *names])
        for first in range(0, len(dataset), _ROWS):
            part = dataset.select(where=np.arange(first, min(first + _ROWS, len(dataset))))
            words = [[for_spreadsheets(word or "") for word in part.frame.words(name)] for name in WORDS]
            numbers = [["" if value != value else repr(value) for value in part[name].tolist()] for name in names]
            writer.writerows(zip(*words, *numbers, strict=True))


def _write_parquet(dataset: Dataset, path: Path) -> None:
    arrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    columns: dict[str, Any] = {}
    for name in WORDS:
        codes, levels = dataset.frame.codes(name)
        columns[name] = arrow.DictionaryArray.from_arrays(codes, [level or "" for level in levels])
    for name in (*NUMBERS, *FEATURE_NAMES):
        columns[name] = arrow.array(dataset[name], from_pandas=True)
    parquet.write_table(arrow.table(columns), str(path))
