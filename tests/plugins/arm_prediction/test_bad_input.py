"""Whatever is wrong with a file of profiles: one line that says what, and no traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sebsx.model.frame import Frame
from sebsx_arm_prediction import learning, registry
from sebsx_arm_prediction.dataset import COMPONENTS, Dataset
from sebsx_arm_prediction.files import write_file
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.scopes import ALL_IN_ONE
from sebsx_arm_prediction.synthetic import campaign, planted_kinds, structureless_kinds
from tests.support import Call

pytestmark = pytest.mark.slow  # scikit-learn is imported
USAGE = 2


def with_numbers(dataset: Dataset, **columns: np.ndarray) -> Dataset:
    return Dataset(frame=dataset.frame.beside(Frame(columns, {})))


def some(column: np.ndarray, value: float, count: int = 3) -> np.ndarray:
    changed = column.copy()
    changed[:count] = value
    return changed


def test_each_kind_of_bad_input_is_one_clear_line(call: Call, tmp_path: Path) -> None:
    good = campaign(planted_kinds(count=4), steps=3, samples=3)
    nothing = np.full(len(good), np.nan)
    cases = {
        "missing features": (
            with_numbers(good, cpuKernelDelta_s=nothing),
            "no row has cpuKernelDelta_s; profile with the collector 'saaf' (--collect saaf)",
        ),
        "a feature that some rows lack": (
            with_numbers(good, contextSwitchesDelta_count=some(good["contextSwitchesDelta_count"], np.nan)),
            "3 rows (first: mixture-00, step 1, sample 0) have no contextSwitchesDelta_count",
        ),
        "NaN where a run time should be": (
            with_numbers(good, runtime_s=nothing),
            "there are no rows: 2.csv: 72 of 72 rows left out: 72 with no run time",
        ),
        "negative times": (
            with_numbers(good, cpuUserDelta_s=-good["cpuUserDelta_s"]),
            "there are no rows: 3.csv: 72 of 72 rows left out: 72 with a negative cpuUserDelta_s",
        ),
        "one function only": (
            campaign(planted_kinds(count=1), steps=3, samples=3), "all rows are of function 'mixture-00'; predicting",
        ),
        "milliseconds taken for seconds": (
            with_numbers(good, runtime_s=1000 * good["runtime_s"]),
            "longer than any provider lets a function run: are these milliseconds?",
        ),
        "processor times in milliseconds": (
            with_numbers(good, **{name: 1000 * good[name] for name in COMPONENTS}),
            "the processor times are about 1,000 times what runtime_s tells: milliseconds were taken for seconds",
        ),
    }  # fmt: skip
    card, estimators = learning.to_parts(learning.train(pair(good), methods=("lta-linear",), scopes=(ALL_IN_ONE,)))
    model = registry.save("small", card, estimators, place=tmp_path)
    train_only = ("one function only", "a feature that some rows lack")  # other functions or features are not asked for
    for number, (what, (dataset, words)) in enumerate(cases.items()):
        path = tmp_path / f"{number}.csv"
        write_file(dataset, path)
        for command in (("train",), ("arm", "--model", str(model)))[: 1 if what in train_only else 2]:
            said = call("predict", *command, "--features", str(path))
            assert said.code == USAGE, (what, command, said)
            assert words in said.error, (what, command)
    write_file(with_numbers(good, runtime_s=some(good["runtime_s"], np.nan, 1)), tmp_path / "one.csv")
    said = call("predict", "arm", "--model", str(model), "--features", str(tmp_path / "one.csv"))
    assert said.code == 0
    assert "one.csv: 1 of 72 rows left out: 1 with no run time" in said.stderr
    assert "warning: one.csv" not in said.stderr


def test_one_class_only_is_said_and_answered_from_the_time(call: Call, tmp_path: Path) -> None:
    write_file(campaign(structureless_kinds(1.0, count=4), steps=3, samples=3), tmp_path / "same.csv")
    said = call("predict", "train", "--features", str(tmp_path / "same.csv"))
    assert said.code == 0
    assert said.stderr.count("all steps are 'similar' on 'aws-arm arm64 3008 MiB': a classifier needs") == 1
