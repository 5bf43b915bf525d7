"""Truths that were planted, and that the models must find or must not make up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sebsx.errors import UserError
from sebsx_arm_prediction.classifiers import fit_classifier
from sebsx_arm_prediction.conformal import best_level, coverage, half_width
from sebsx_arm_prediction.models import fit
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.region import region_of
from sebsx_arm_prediction.scopes import ALL_IN_ONE, FUNCTION_SPECIFIC, RESOURCE_BOUND, fit_scope, threshold
from sebsx_arm_prediction.synthetic import (
    SOURCE,
    TEST,
    FunctionKind,
    campaign,
    network_kind,
    planted_kinds,
    published_kinds,
    published_table,
    sleeping_kind,
    structureless_kinds,
)
from sebsx_arm_prediction.validation import HeldOut, check_apart, choose, differences, leave_one_function_out

pytestmark = pytest.mark.slow  # scikit-learn is imported


def error(model, pairs):
    return float(np.mean(np.abs(model.predict(pairs.source) - pairs.target) / pairs.target))


def two_halves(kinds, **more):
    """Return what every other function took to train on, and of another campaign the others to test on."""
    train = pair(campaign(kinds[::2], steps=6, samples=3, seed=1, **more))
    return train, pair(campaign(kinds[1::2], steps=6, samples=3, seed=2, label=TEST, **more))


def test_planted_ratios_of_components_are_recovered_where_run_times_cannot_tell_them():
    train, test = two_halves(planted_kinds(user=0.8, kernel=1.4))
    model = fit("lta-linear", train)
    assert model.component_ratios["cpuUserDelta_s"] == pytest.approx(0.8, rel=0.02)
    assert model.component_ratios["cpuKernelDelta_s"] == pytest.approx(1.4, rel=0.02)
    assert error(model, test) < 0.02
    assert error(fit("slr-linear", train), test) > 0.1


def test_run_time_alone_does_not_lose_where_components_tell_nothing():
    train, test = two_halves(structureless_kinds(0.9))
    assert error(fit("slr-linear", train), test) <= 1.05 * error(fit("lta-linear", train), test)
    assert error(fit("slr-linear", train), test) < 0.03


def test_models_of_one_function_predict_it_and_no_other():
    train, test = two_halves(published_kinds()[:4])
    model = fit_scope(FUNCTION_SPECIFIC, "slr-linear", train)
    again = pair(campaign(published_kinds()[:4:2], steps=6, samples=3, seed=3, label=TEST))
    assert error(model, again) < 0.05
    with pytest.raises(UserError, match="function 'readmemory' has no model; those that have: primenumber"):
        model.predict(test.source.select(function="readmemory"))


def test_threshold_of_the_kernel_lies_between_functions_that_behave_differently():
    kinds = [*structureless_kinds(0.8, count=4, cv=0.001), *planted_kinds(cv=0.001)[8:]]
    train = pair(campaign(kinds, steps=5, samples=2))
    tau = threshold(train)
    assert 0 < tau < 0.9
    assert fit_scope(RESOURCE_BOUND, "mlr-linear", train).tau == tau
    few = pair(campaign(planted_kinds(count=3), steps=3, samples=1))
    with pytest.raises(UserError, match="3 functions cannot be split by the share of the kernel: 4 or more"):
        threshold(few)


def test_functions_without_kernel_time_leave_no_side_of_a_threshold_empty():
    kinds = [FunctionKind(name=f"user-{number}", shares={"cpuUserDelta_s": 0.4}, cv_here=0) for number in range(3)]
    train = pair(campaign([*kinds, *planted_kinds(cv=0)[-3:]], steps=3, samples=2))
    assert threshold(train) > 0
    assert set(fit_scope(RESOURCE_BOUND, "slr-linear", train).models) == {"user", "kernel"}
    alike = [replace(kind, name=f"{kind.name}-again") for kind in kinds]
    with pytest.raises(UserError, match="it is the same for those in the middle"):
        threshold(pair(campaign([*kinds, *alike], steps=3, samples=2)))


def test_one_class_only_is_told():
    train, _ = two_halves(structureless_kinds(1.0))
    with pytest.raises(UserError, match="all steps are 'similar' on 'aws-arm arm64 3008 MiB'"):
        fit_classifier("decision-tree", train)


def test_testing_on_what_was_trained_on_is_refused():
    train, test = two_halves(planted_kinds())
    check_apart(train, test, unseen=True)
    with pytest.raises(UserError, match="36 steps are both trained and tested on, the first is 'mixture-00', step 1"):
        check_apart(train, train, unseen=False)
    second = pair(campaign(planted_kinds()[:1], steps=2, samples=1, seed=9, label=TEST))
    check_apart(train, second, unseen=False)
    with pytest.raises(UserError, match="'mixture-00' was trained on"):
        check_apart(train, second, unseen=True)


def test_left_out_functions_show_what_run_times_cannot():
    pairs = pair(campaign(planted_kinds(), steps=4, samples=2))
    tested = leave_one_function_out(
        pairs, [(ALL_IN_ONE, name) for name in ("same-time", "slr-linear", "lta-linear", "mlr-linear")]
    )
    errors = {name: each.errors for (_, name), each in tested.items()}
    assert tested[ALL_IN_ONE, "lta-linear"].error < 0.02
    by_name = {each.method: each for each in differences(errors, "same-time")}
    assert by_name["lta-linear"].is_better
    assert by_name["lta-linear"].high < 0.5
    assert not by_name["slr-linear"].is_better
    assert choose(tested)[1] in ("lta-linear", "mlr-linear")


def test_what_was_added_is_taken_only_where_it_is_better_beyond_chance():
    pairs = pair(campaign(structureless_kinds(count=8), steps=3, samples=1))
    truth = pairs.target
    close = {name: truth * (1 + part) for name, part in (("slr-linear", 0.02), ("boosting", 0.0199))}
    tested = {(ALL_IN_ONE, name): HeldOut(scope=ALL_IN_ONE, method=name, pairs=pairs, predicted=predicted)
              for name, predicted in close.items()}  # fmt: skip
    assert choose({**tested, (ALL_IN_ONE, "boosting"): tested[ALL_IN_ONE, "slr-linear"]})[1] == "slr-linear"
    assert choose(tested)[1] == "boosting"


def test_interval_of_functions_counts_each_function_once():
    scores = {"a": np.array([0.1] * 100), "b": np.array([0.2]), "c": np.array([0.3]), "d": np.array([0.4])}
    assert half_width(scores, 0.8) == 0.4
    assert half_width(scores, 0.4) == 0.2
    assert half_width(scores, 0.81) is None
    assert best_level(4, 0.95) == 0.8
    assert best_level(0, 0.95) is None


def test_intervals_cover_what_they_say_on_functions_left_out():
    rng = np.random.default_rng(4)
    covered = [
        coverage({str(name): np.abs(rng.normal(0, rng.uniform(0.5, 2), 20)) for name in range(12)}, 0.8)
        for _ in range(30)
    ]
    assert np.mean(covered) == pytest.approx(0.85, abs=0.05)  # never below what is said


def test_functions_that_sleep_or_wait_for_a_network_are_not_known_and_those_of_the_study_are():
    unseen = [row["function"] for row in published_table("table3") if row["split"] == "unseen"]
    kinds = {kind.name: kind for kind in published_kinds()}
    region = region_of(pair(campaign([kinds[name] for name in kinds if name not in unseen], steps=3, samples=2)))
    strange = [sleeping_kind(), network_kind()]
    asked = campaign([*(kinds[name] for name in unseen), *strange], steps=2, samples=2, sides=(SOURCE,))
    reasons = {name: list(region.reasons(asked.select(function=name))) for name in asked.functions}
    assert any("idle time is 100 %, where training functions had 3 % to 50 %" in reason for reason in reasons["sleep"])
    assert any("idle time is 91 %, where training functions had 3 % to 50 %" in each for each in reasons["network"])
    assert [name for name in unseen if reasons[name]] == []
