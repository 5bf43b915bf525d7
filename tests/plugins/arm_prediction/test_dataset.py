"""What a dataset holds, how its rows are paired, and how bad ones are told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sebsx.errors import UserError
from sebsx_arm_prediction.checks import problems, validate
from sebsx_arm_prediction.dataset import (
    COMPONENTS,
    FEATURE_NAMES,
    Dataset,
    dataset_of,
    environment_name,
    joined_datasets,
)
from sebsx_arm_prediction.pairs import CLASSES, pair

X86, ARM = environment_name("aws", "x86_64", 3008), environment_name("aws-arm", "arm64", 3008)


def row(function="csv", step=1, sample=1, arm=False, runtime_s=2.0, campaign="train", **more):
    profile = dict.fromkeys(FEATURE_NAMES, 0.0)
    profile |= {"cpuUserDelta_s": runtime_s, "cpuIdleDelta_s": runtime_s, "runtime_s": runtime_s}
    profile |= {"userRuntime_s": runtime_s, "availableCPUs_count": 2.0}
    words = {"environment": ARM if arm else X86, "architecture": "arm64" if arm else "x86_64", "platform": "aws"}
    return {**profile, **words, "function": function, "step": step, "sample": sample, "campaign": campaign, **more}


def both(function="csv", x86=(2.0, 2.0), arm=(3.0,), **more):
    here = [row(function, sample=number, runtime_s=took_s, **more) for number, took_s in enumerate(x86)]
    there = [row(function, sample=number, runtime_s=took_s, arm=True, **more) for number, took_s in enumerate(arm)]
    return [*here, *there]


def test_twenty_one_features_of_which_eight_are_components():
    assert (len(FEATURE_NAMES), len(COMPONENTS)) == (21, 8)


def test_rows_are_paired_by_function_and_step_with_the_mean_of_the_other_side():
    rows = [*both(x86=(2.0, 4.0), arm=(3.0, 4.0, 5.0)), *both(x86=(10.0,), arm=(8.0,), step=2)]
    found = pair(dataset_of(rows))
    assert found.step_names == [("csv", "1", "train"), ("csv", "2", "train")]
    assert found.source_s.tolist() == [3.0, 10.0]
    assert found.target.tolist() == [4.0, 4.0, 8.0]
    assert [CLASSES[label] for label in found.labels] == ["slower", "slower", "faster"]
    assert found.target_cv[0] == pytest.approx(0.25)
    assert math.isnan(found.target_cv[1])


def test_steps_of_other_campaigns_are_apart_and_those_of_one_side_are_named():
    rows = [*both(), *both(campaign="test", arm=(4.0,)), row(step=9), row("float", arm=True)]
    found = pair(dataset_of(rows))
    assert found.of(campaign="test").target.tolist() == [4.0, 4.0]
    assert found.unpaired == [("csv", "9", "train"), ("float", "1", "train")]


def test_steps_are_in_the_order_of_their_numbers():
    rows = [each for step in (10, 9, 1) for each in both(step=step)]
    assert [step for _, step, _ in pair(dataset_of(rows)).step_names] == ["1", "9", "10"]


def test_thinned_keeps_some_rows_of_each_step():
    found = pair(dataset_of([*both(x86=(1.0, 2.0, 3.0)), *both("float", x86=(5.0,))])).thinned(2)
    assert found.source["runtime_s"].tolist() == [1.0, 2.0, 5.0]


@pytest.mark.parametrize(("ratio", "word"), [(0.85, "faster"), (0.86, "similar"), (1.14, "similar"), (1.15, "slower")])
def test_bounds_of_classes(ratio, word):
    found = pair(dataset_of(both(x86=(100.0,), arm=(100.0 * ratio,))))
    assert CLASSES[found.labels[0]] == word


def test_which_is_profiled_is_said_where_it_is_not_plain():
    rows = [row(), row(environment="aws x86_64 1024 MiB")]
    with pytest.raises(UserError, match="say which was profiled"):
        pair(dataset_of(rows))
    found = pair(dataset_of(rows), source=X86)
    assert found.target_name == "aws x86_64 1024 MiB"
    with pytest.raises(UserError, match="environments is wanted, there is 'aws x86_64 3008 MiB'; measure two"):
        pair(dataset_of([row()]))
    with pytest.raises(UserError, match="no rows of environment 'gcp'"):
        pair(dataset_of(rows), source="gcp")
    with pytest.raises(UserError, match="no step of a function was measured both"):
        pair(dataset_of([row(step=1), row(step=2, arm=True)]))


def test_times_of_a_control_group_are_completed_so_that_they_add_up():
    unknown = dict.fromkeys(name for name in COMPONENTS if name not in ("cpuUserDelta_s", "cpuKernelDelta_s"))
    found = dataset_of([row(cpuUserDelta_s=1.0, cpuKernelDelta_s=0.5, utilizedCPUs_count=None, **unknown)]).completed()
    assert found["cpuIdleDelta_s"].tolist() == [2.5]
    assert found.matrix(COMPONENTS).sum() == pytest.approx(2 * 2.0)
    assert found["utilizedCPUs_count"].tolist() == [0.75]


def test_select_takes_words_and_tells_those_there_are():
    found = joined_datasets([dataset_of([row(), row("float")], ["one"]), dataset_of([row("sqlite")], ["two"])])
    assert found.notes == ("one", "two")
    assert found.select(function=["csv", "sqlite"]).functions == ["csv", "sqlite"]
    with pytest.raises(UserError, match="no rows of function 'cvs'; there are csv, float, sqlite"):
        found.select(function="cvs")


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([], "there are no rows"),
        ([row(cpuIdleDelta_s=None)], "no row has cpuIdleDelta_s; profile with the collector 'saaf'"),
        ([row(**dict.fromkeys(COMPONENTS))], "no row has cpuUserDelta_s or 7 other parts of a profile; profile with"),
        ([row(), row(cpuIdleDelta_s=math.nan)], r"1 row \(csv, step 1, sample 1\) has no cpuIdleDelta_s"),
        ([row(), *[row(step=3, cpuIrqDelta_s=-1.0)] * 2], r"2 rows \(first: csv, step 3.* a negative cpuIrqDelta_s"),
        ([row(runtime_s=0.0)], "a runtime_s of 0"),
        ([row(contextSwitchesDelta_count=math.inf)], "an infinite contextSwitchesDelta_count"),
        ([row(runtime_s=54_000.0)], "the median runtime_s is 54,000 s.*are these milliseconds"),
        ([row(runtime_s=0.002, cpuUserDelta_s=2.0, cpuIdleDelta_s=2.0)], "the processor times are about 1,000 times"),
        ([row(runtime_s=2.0, cpuUserDelta_s=0.002, cpuIdleDelta_s=0.002)], "runtime_s is about 1,000 times what"),
    ],
)
def test_each_bad_input_is_one_line(rows, line):
    with pytest.raises(UserError, match=line) as told:
        validate(dataset_of(rows), COMPONENTS)
    assert "\n" not in str(told.value)


def test_one_function_only_is_refused_where_others_are_to_be_predicted():
    assert list(problems(dataset_of(both()), COMPONENTS, functions=1)) == []
    assert list(problems(dataset_of(both()), COMPONENTS, functions=3)) == [
        "all rows are of function 'csv'; predicting functions that were not seen takes 3 or more"
    ]


def test_column_that_is_missing_is_told():
    whole = dataset_of([row()])
    names = [*whole.frame.names, *whole.frame.word_names]
    with pytest.raises(UserError, match=r"a dataset without the columns runtime_s$"):
        Dataset(frame=whole.frame.only([name for name in names if name != "runtime_s"]))


def test_matrix_is_of_the_columns_in_their_order():
    assert np.array_equal(dataset_of([row()]).matrix(["availableCPUs_count", "runtime_s"]), [[2.0, 2.0]])
