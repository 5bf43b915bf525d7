"""The report on a campaign, from a store and from what it lacks."""

from __future__ import annotations

import re

import pytest

from sebsx.store import open_store
from sebsx.testing.contracts.analyzers import check_report
from sebsx_arm_prediction.analyzer import ArmPredictionAnalyzer, ArmPredictionAnalyzerSettings
from sebsx_arm_prediction.classifiers import Confusion, confusion, independent_voting, plurality, voting_curve
from sebsx_arm_prediction.dataset import joined_datasets
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.study import Extent, study
from sebsx_arm_prediction.synthetic import (
    TEST,
    campaign,
    planted_kinds,
    published_kinds,
    published_table,
    structureless_kinds,
)
from tests.plugins.arm_prediction.stored import store_campaign

pytestmark = pytest.mark.slow  # scikit-learn is imported

LITTLE = ArmPredictionAnalyzerSettings(
    methods=("slr-linear", "lta-linear"), classifiers=("decision-tree",), trees=3, rows_per_step=2
)
PLAN = Extent(methods=("slr-linear", "lta-linear"), classifiers=("decision-tree",), trees=3, rows_per_step=2)


def two_campaigns(kinds, steps=3, samples=2):
    return joined_datasets(
        [
            campaign(kinds, steps=steps, samples=samples, seed=seed, label=label)
            for seed, label in ((1, "train"), (2, TEST))
        ]
    )


def analyzed(tmp_path, *datasets, **more):
    with open_store(tmp_path / "runs.db") as store:
        views = [store_campaign(store, dataset, number, **more) for number, dataset in enumerate(datasets, 1)]
        report = ArmPredictionAnalyzer().analyze(views, LITTLE)
    check_report(report)
    return report


def test_table_of_the_study_has_every_column_from_a_campaign_with_its_run_times(tmp_path):
    report = analyzed(tmp_path, two_campaigns(published_kinds()))
    tables = {table.name: table for table in report.tables}
    rows = {row["function"]: row for row in tables["table3"].rows}
    assert len(rows) == 18 + 3
    for published in published_table("table3"):
        row = rows[published["function"]]
        asked = [
            column.key
            for column in tables["table3"].columns
            if not column.key.startswith("cv") and (row["split"] == "train" or column.key != "mape_left_out")
        ]
        assert [key for key in asked if row[key] is None] == []
        assert row["split"] == published["split"]
        for name in ("min_runtime_x86_s", "min_runtime_arm_s", "max_runtime_x86_s", "max_runtime_arm_s"):
            assert row[name] == pytest.approx(float(published[name]), rel=0.1)
    assert rows["mean of unseen functions"]["mape_function_specific"] < 0.06
    assert set(tables) == {"table3", "methods", "decisions", "classes", "confusion", "features"}
    assert [figure.name for figure in report.figures] == [
        "errors", "methods", "predicted", "confusion", "confusion-left-out", "voting", "importance",
    ]  # fmt: skip
    assert [answer[:5] for answer in report.answers] == ["RQ-1:", "RQ-2:", "RQ-3:", "RQ-4:"]
    assert "is a provider's" in report.answers[3]


def test_each_question_is_answered_in_one_sentence_with_its_interval(tmp_path):
    report = analyzed(tmp_path, two_campaigns(published_kinds(), samples=10), region="")
    share = r"[\d.]+ %"
    mean = rf"{share} \(mean of \d+ functions; typical error {share} to {share}\)"
    method = r"[a-z-]+ [a-z-]+"
    unseen = "on 7 functions that were not seen"
    wanted = (
        rf"RQ-1: models of one function \([a-z-]+\) predict it in a second campaign with an error of {mean}\.",
        rf"RQ-2: {method} errs by {mean} {unseen}, (where it is|no better than) {share} by saying the same time\.",
        (
            rf"RQ-3: [a-z-]+ recognises the class of {share} of the samples of functions left out \({share} to {share} "
            rf"for 11 functions\); of functions not seen, {share} with one sample and {share} with 10\."
        ),
        (
            rf"RQ-4: outside of FaaS, from aws x86_64 3008 MiB to aws-arm arm64 3008 MiB, {method} errs by {mean} "
            rf"{unseen}, and models of one function by {mean} in a second campaign\."
        ),
    )
    for pattern, answer in zip(wanted, report.answers, strict=True):
        assert re.fullmatch(pattern, answer), answer


def test_few_functions_have_the_interval_that_they_allow():
    from sebsx_arm_prediction.answering import _interval

    errors = {"a": 0.1, "b": 0.2, "c": 0.4, "d": 0.3, "e": 0.25}
    # With the signs of n differences, all n lie on one side of the centre in 2 of 2**n cases.
    assert _interval(errors) == (
        " (mean of 5 functions; typical error 10.0 % to 40.0 % with 94 % confidence, all that 5 functions allow)"
    )
    assert "with 75 % confidence" in _interval(dict(list(errors.items())[:3]))
    assert _interval({"a": 0.1}) == " (mean of 1 function: no interval)"


def test_methods_are_told_apart_where_they_differ_and_answers_say_so():
    found = study(pair(two_campaigns(planted_kinds())), PLAN)
    assert found.chosen["all-in-one"] == "lta-linear"
    assert found.errors("function-specific")
    assert max(found.errors("function-specific").values()) < 0.03
    better = {each.method: each for each in found.against_line}
    assert better["all-in-one lta-linear"].is_better
    assert found.half is not None
    assert found.half < 0.03


def test_coverage_of_functions_not_seen_is_measured_beside_its_level():
    found = study(pair(two_campaigns(published_kinds(), steps=4)), PLAN)
    assert found.level == 0.8
    assert 0.5 <= found.covered <= 1.0


def test_one_campaign_or_one_class_is_said_and_the_rest_reported(tmp_path):
    report = analyzed(tmp_path, campaign(structureless_kinds(1.0, count=6), steps=3, samples=2))
    told = [finding.text for finding in report.findings]
    assert "models of single functions were not tested, which takes a second campaign: --campaigns train,test" in told
    assert any(text.startswith("classes were not predicted: all steps are 'similar'") for text in told)
    assert report.answers[0].startswith("RQ-1: not measured")
    assert report.answers[2].startswith("RQ-3: not measured")


def test_campaigns_of_a_few_rows_are_studied_without_a_word_of_scikit_learn(recwarn):
    pairs = pair(two_campaigns(planted_kinds()[::4], steps=1, samples=1))
    found = study(pairs, Extent(methods=("slr-linear",), trees=3))
    assert "random-forest" in found.classifiers
    assert any(
        "cannot be fitted to 2 rows, of which 1 is 'similar': measure more steps" in note for note in found.notes
    )
    assert [str(each.message) for each in recwarn] == []


def test_rows_of_one_machine_alone_are_listed_and_the_pair_is_asked_for(tmp_path):
    from sebsx_arm_prediction.synthetic import SOURCE

    report = analyzed(tmp_path, campaign(planted_kinds(count=3), steps=2, samples=1, sides=(SOURCE,)))
    assert [table.name for table in report.tables] == ["profiles"]
    assert any("a pair of environments is wanted" in finding.text for finding in report.findings)


def test_published_table_follows_from_its_own_columns():
    rows = published_table("table3")
    names = ("mape_function_specific_percent", "mape_all_in_one_percent", "mape_arm_speed_percent")
    groups = {
        "train": [row for row in rows if row["split"] == "train"],
        "unseen": [row for row in rows if row["split"] == "unseen"],
        "all": rows,
    }
    means = {
        group: [sum(float(row[name]) for row in its) / len(its) for name in names] for group, its in groups.items()
    }
    printed = {"train": (1.17, 11.90, 3.04), "unseen": (1.15, 18.77, 10.29), "all": (1.16, 14.57, 5.86)}
    assert {group: [round(value, 2) for value in values] for group, values in means.items()} == {
        group: [pytest.approx(value, abs=0.0101) for value in values] for group, values in printed.items()
    }


def test_published_confusion_follows_from_its_own_counts():
    counts = tuple(
        tuple(int(row[f"predicted_{word}"]) for word in ("faster", "similar", "slower"))
        for row in published_table("confusion")
    )
    matrix = Confusion(counts=counts)
    assert matrix.accuracy == pytest.approx(0.9335, abs=5e-5)
    assert matrix.row_accuracy == pytest.approx((0.9977, 0.9099, 0.9500), abs=5e-5)
    assert matrix.column_accuracy == pytest.approx((0.8496, 0.9820, 0.8870), abs=5e-5)
    assert matrix.total == 72_000 - 7  # seven samples are missing in what was published
    assert dict(independent_voting(matrix))[10] == pytest.approx(0.9975, abs=0.0025)


def test_votes():
    import numpy as np

    sure = np.array([[0.9, 0.1, 0.0], [0.0, 0.4, 0.6], [0.8, 0.2, 0.0]])
    assert plurality(sure) == 0
    assert plurality(sure[:2]) == 0  # one vote each: 0.9 outweighs 0.6
    truth = np.zeros(3, dtype=int)
    assert voting_curve(truth, sure, np.zeros(3, dtype=int), most=5) == [
        (1, pytest.approx(2 / 3, abs=0.1)), (2, pytest.approx(1.0)), (3, 1.0),
    ]  # fmt: skip
    assert confusion(truth, sure.argmax(axis=1)).counts[0] == (2, 0, 1)
