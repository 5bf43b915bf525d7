"""Everything that a campaign says of all methods and scopes: fitted, tested on what was not trained on, compared."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sebsx.errors import UserError
from sebsx_arm_prediction.checks import LEAST_FUNCTIONS
from sebsx_arm_prediction.classifiers import (
    CLASSIFIERS,
    Confusion,
    confusion,
    fit_classifier,
    independent_voting,
    voting_curve,
)
from sebsx_arm_prediction.conformal import best_level, covered, half_width
from sebsx_arm_prediction.features import CPU8, FULL21, RATES12, RUNTIME1, SHARES9
from sebsx_arm_prediction.models import BASELINES, LEARNED, STUDIED, Effort, fit, importance
from sebsx_arm_prediction.scopes import (
    ALL_IN_ONE,
    ARM_SPEED,
    FUNCTION_SPECIFIC,
    GENERALISED,
    RESOURCE_BOUND,
    fit_scope,
)
from sebsx_arm_prediction.synthetic import TEST, TRAIN, published_table
from sebsx_arm_prediction.validation import (
    LIGHT,
    HeldOut,
    PairedDifference,
    check_apart,
    choose,
    differences,
    leave_one_function_out,
    mean,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx_arm_prediction.features import FeatureSet
    from sebsx_arm_prediction.pairs import Pairs

logger = logging.getLogger(__name__)

Key = tuple[str, str]
ROWS_LEFT_OUT = 3  # of each step, where functions are left out in turn
LEVEL = 0.8
_FEATURES = (FULL21, CPU8, RUNTIME1, RATES12, SHARES9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is fitted.

    Args:
        rows_per_step: At most so many rows of each step are fitted; 0 for all.
        trees: Of each forest.
        methods: Those that learn something.
        classifiers: By name.
        level: Coverage of intervals.
        seed: Of all that is random.
    """

    rows_per_step: int = 20
    trees: int = 30
    methods: Sequence[str] = LEARNED
    classifiers: Sequence[str] = tuple(CLASSIFIERS)
    level: float = LEVEL
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What was found.

    Args:
        pairs: All rows.
        train: Functions that generalised models are fitted to.
        unseen: Functions that they are not.
        left_out: Predictions of training functions, each by models of all others, by scope and method.
        tested: Predictions of rows that were not trained on, by scope and method: of unseen functions, and of training
            functions in the second campaign.
        chosen: Method of each scope, chosen without the rows it is tested on.
        classifiers: Confusion of each classifier on training functions left out.
        on_rest: Confusion of the first classifier on unseen functions, and on training functions in another campaign.
        voting: Share of steps that k samples get right, on unseen functions.
        bound: The same were samples independent.
        against_same: How methods compare with saying the same time, on functions left out.
        against_line: How they compare with a line from run time to run time.
        level: Coverage wanted of intervals; None where there are too few functions.
        half: Half width of the interval at that level.
        covered: Share of rows of unseen functions that were within.
        ablation: Error on functions left out, by set of features, of `mlr-linear`, `mlr-forest` and the classifier.
        importance: By how much errors grow when a feature is shuffled.
        notes: What could not be done, and why.
    """

    pairs: Pairs
    train: Sequence[str]
    unseen: Sequence[str]
    left_out: Mapping[Key, HeldOut] = field(default_factory=dict)
    tested: Mapping[Key, HeldOut] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    classifiers: Mapping[str, Confusion] = field(default_factory=dict)
    on_rest: Confusion | None = None
    voting: Sequence[tuple[int, float]] = ()
    bound: Sequence[tuple[int, float]] = ()
    against_same: Sequence[PairedDifference] = ()
    against_line: Sequence[PairedDifference] = ()
    level: float | None = None
    half: float | None = None
    covered: float | None = None
    ablation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def errors(self, scope: str, functions: Sequence[str] | None = None) -> dict[str, float]:
        """Return the error of each function by the method chosen for a scope, where it was tested."""
        found = self.tested.get((scope, self.chosen.get(scope, "")))
        everything = found.errors if found else {}
        return {name: error for name, error in everything.items() if functions is None or name in functions}


def study(pairs: Pairs, plan: Extent | None = None) -> Evaluation:
    """Fit and test all that a campaign allows; what it does not is said in the notes."""
    plan, notes = plan or Extent(), list[str]()
    train, unseen = functions_of(pairs)
    first, second = _campaigns(pairs)
    effort = Effort(trees=plan.trees, seed=plan.seed)
    fitted = pairs.of(campaign=first) if first else pairs
    fitted = fitted.thinned(plan.rows_per_step) if plan.rows_per_step else fitted
    tested: dict[Key, HeldOut] = {}
    chosen: dict[str, str] = {}
    if second is None:
        notes.append(
            "models of single functions were not tested, which takes a second campaign: --campaigns train,test"
        )
    else:
        again = pairs.of(campaign=second)
        specific = _function_specific(fitted, again, plan, effort)
        tested |= specific
        chosen[FUNCTION_SPECIFIC] = _chosen_in_halves(fitted, plan)
    if len(train) < LEAST_FUNCTIONS:
        notes.append(
            f"models of functions that were not seen take {LEAST_FUNCTIONS} training functions or more; there are "
            f"{len(train)}"
        )
        return Evaluation(pairs=pairs, train=train, unseen=unseen, tested=tested, chosen=chosen, notes=notes)
    ours = fitted.of(train)
    wanted = [(scope, name) for scope in GENERALISED for name in plan.methods]
    base = [(ALL_IN_ONE, name) for name in BASELINES]
    few = ours.thinned(ROWS_LEFT_OUT)
    left_out = leave_one_function_out(few, [*wanted, *base], classifier=plan.classifiers[0], effort=LIGHT)
    for scope in GENERALISED:
        if of_scope := {key: each for key, each in left_out.items() if key[0] == scope}:
            chosen[scope] = choose(of_scope)[1]
        else:
            notes.append(f"{scope} was not fitted: {_why_not(scope)}")
    rest = _rest(pairs, unseen, second)
    if rest is None:
        notes.append("there are no rows that were not trained on, of other functions or of a second campaign")
    else:
        tested |= _generalised(ours, rest, [*left_out], plan, effort)
    level, half, share = _interval(left_out, tested, unseen, chosen, plan.level)
    matrices, on_rest, votes, bound = _classes(ours, rest, unseen, plan, notes)
    errors = {" ".join(key): each.errors for key, each in left_out.items()}
    return Evaluation(
        pairs=pairs,
        train=train,
        unseen=unseen,
        left_out=left_out,
        tested=tested,
        chosen=chosen,
        classifiers=matrices,
        on_rest=on_rest,
        voting=votes,
        bound=bound,
        against_same=differences(errors, f"{ALL_IN_ONE} same-time"),
        against_line=differences(errors, f"{ALL_IN_ONE} slr-linear") if f"{ALL_IN_ONE} slr-linear" in errors else (),
        level=level,
        half=half,
        covered=share,
        ablation=_ablation(ours, plan),
        importance=_importance(ours, chosen.get(ALL_IN_ONE), effort),
        notes=notes,
    )


def functions_of(pairs: Pairs) -> tuple[list[str], list[str]]:
    """Return the functions to train on, and those that the campaign, or else the study, kept back."""
    kept_back = pairs.source.frame.equals("split", "unseen")
    if kept_back.any():
        unseen = pairs.source.select(where=kept_back).functions
        return [name for name in pairs.functions if name not in unseen], unseen
    return split(pairs.functions, {row["function"]: row["split"] for row in published_table("table3")})


def _campaigns(pairs: Pairs) -> tuple[str | None, str | None]:
    """Return the campaign to train on and the one to test with; None for none of that kind."""
    names = pairs.campaigns
    if len(names) == 1:
        return None, None
    first = TRAIN if TRAIN in names else names[0]
    return first, TEST if TEST in names else next(name for name in names if name != first)


def _rest(pairs: Pairs, unseen: Sequence[str], second: str | None) -> Pairs | None:
    """Return the rows to test generalised models with: none that they were fitted to."""
    import numpy as np  # heavy

    names = [
        (name in unseen and campaign == (second or campaign)) or (second is not None and campaign == second)
        for name, _, campaign in pairs.step_names
    ]
    chosen = np.array(names, dtype=bool)[pairs.step_of]
    return pairs.where(chosen) if chosen.any() else None


def _function_specific(fitted: Pairs, again: Pairs, plan: Extent, effort: Effort) -> dict[Key, HeldOut]:
    shared = [name for name in again.functions if name in fitted.functions]
    again, fitted = again.of(shared), fitted.of(shared)
    check_apart(fitted, again, unseen=False)
    return {
        (FUNCTION_SPECIFIC, name): HeldOut(
            scope=FUNCTION_SPECIFIC, method=name, pairs=again,
            predicted=fit_scope(FUNCTION_SPECIFIC, name, fitted, effort=effort).predict(again.source),
        )
        for name in plan.methods
    }  # fmt: skip


def _chosen_in_halves(fitted: Pairs, plan: Extent) -> str:
    """Return the method for single functions: what errs least on every other step of the campaign it is fitted to."""
    import numpy as np  # heavy

    even = fitted.step_of % 2 == 0
    few = [half.thinned(ROWS_LEFT_OUT) for half in (fitted.where(even), fitted.where(~even)) if len(half)]
    if len(few) < 2 or few[0].functions != few[1].functions:  # one step of each function
        return "slr-linear"
    errors = {}
    for name in [name for name in plan.methods if name in STUDIED]:
        model = fit_scope(FUNCTION_SPECIFIC, name, few[0], effort=LIGHT)
        errors[name] = float(np.mean(np.abs(model.predict(few[1].source) - few[1].target) / few[1].target))
    return min(errors, key=errors.__getitem__) if errors else "slr-linear"


def _generalised(ours: Pairs, rest: Pairs, wanted: Sequence[Key], plan: Extent, effort: Effort) -> dict[Key, HeldOut]:
    check_apart(ours, rest, unseen=False)
    found: dict[Key, HeldOut] = {}
    name = plan.classifiers[0]
    by_class = any(key[0] == ARM_SPEED for key in wanted)
    chooser = fit_classifier(name, ours, effort=effort) if by_class else None
    tau = None
    for scope, method in wanted:
        predictor = fit_scope(scope, method, ours, classifier=chooser or name, effort=effort, tau=tau)
        tau = predictor.tau if tau is None else tau
        found[scope, method] = HeldOut(scope=scope, method=method, pairs=rest, predicted=predictor.predict(rest.source))
    return found


def _interval(
    left_out: Mapping[Key, HeldOut],
    tested: Mapping[Key, HeldOut],
    unseen: Sequence[str],
    chosen: Mapping[str, str],
    wanted: float,
) -> tuple[float | None, float | None, float | None]:
    """Return level and half width of the interval of the best generalised model, and what it covered of the unseen."""
    keys = [(scope, chosen[scope]) for scope in GENERALISED if scope in chosen]
    if not keys:
        return None, None, None
    key = min(keys, key=lambda each: left_out[each].error)
    scores = left_out[key].scores
    level = best_level(len(scores), wanted)
    half = None if level is None else half_width(scores, level)
    if half is None or key not in tested:
        return level, half, None
    theirs = {name: errors for name, errors in tested[key].scores.items() if name in unseen}
    return level, half, covered(theirs, half)


def _classes(
    ours: Pairs, rest: Pairs | None, unseen: Sequence[str], plan: Extent, notes: list[str]
) -> tuple[dict[str, Confusion], Confusion | None, list[tuple[int, float]], list[tuple[int, float]]]:
    """Return confusions on functions left out and on the rest, and the voting curve with its bound."""
    few = ours.thinned(ROWS_LEFT_OUT)
    matrices, refused = {}, dict[str, list[str]]()
    for name in plan.classifiers:
        try:
            matrices[name] = left_out_confusion(few, name)
        except UserError as exc:
            refused.setdefault(str(exc), []).append(name)
    for reason, names in refused.items():
        by = "" if len(names) == len(plan.classifiers) else f" by {', '.join(names)}"
        notes.append(f"classes were not predicted{by}: {reason}")
    if rest is None or plan.classifiers[0] not in matrices:
        return matrices, None, [], []
    best = fit_classifier(plan.classifiers[0], ours, effort=Effort(trees=plan.trees, seed=plan.seed))
    probabilities = best.probabilities(rest.source)
    on_rest = confusion(rest.labels, probabilities.argmax(axis=1))
    held = rest.of(unseen) if set(unseen) & set(rest.functions) else rest
    theirs = best.probabilities(held.source)
    curve = voting_curve(held.labels, theirs, held.step_of, seed=plan.seed)
    return matrices, on_rest, curve, independent_voting(confusion(held.labels, theirs.argmax(axis=1)), len(curve))


def left_out_confusion(pairs: Pairs, name: str, features: FeatureSet = RATES12) -> Confusion:
    """Return how a classifier takes the classes of functions, each left out of what it is fitted to."""
    import numpy as np  # heavy

    function_of, predicted = pairs.function_of, np.zeros(len(pairs), dtype=np.int64)
    for place in range(len(pairs.functions)):
        out = function_of == place
        fitted = fit_classifier(name, pairs.where(~out), features, effort=LIGHT)
        predicted[out] = fitted.labels(pairs.source.select(where=out))
    return confusion(pairs.labels, predicted)


def _ablation(ours: Pairs, plan: Extent) -> dict[str, dict[str, float]]:
    """Return the errors of MLR and of the classifier with each set of features, on functions left out."""
    few = ours.thinned(ROWS_LEFT_OUT)
    found: dict[str, dict[str, float]] = {}
    for features in _FEATURES:
        row: dict[str, float] = {}
        for name in ("mlr-linear", "mlr-forest"):
            if name in plan.methods and not features.scale_free:
                row[name] = _left_out_error(few, name, features)
        try:
            right = left_out_confusion(few, plan.classifiers[0], features).accuracy
            row["class"] = 1 - (right or 0.0)
        except UserError:
            logger.debug("no classes with %s", features)
        found[str(features)] = row
    return found


def _left_out_error(pairs: Pairs, name: str, features: FeatureSet) -> float:
    import numpy as np  # heavy

    function_of, errors = pairs.function_of, []
    for place in range(len(pairs.functions)):
        out = function_of == place
        held = pairs.where(out)
        model = fit(name, pairs.where(~out), features, LIGHT)
        errors.append(float(np.mean(np.abs(model.predict(held.source) - held.target) / held.target)))
    return mean(errors)


def _importance(ours: Pairs, name: str | None, effort: Effort) -> Mapping[str, float]:
    few = ours.thinned(ROWS_LEFT_OUT)
    return importance(fit(name, few, effort=effort), few) if name is not None else {}


def _why_not(scope: str) -> str:
    return {
        ARM_SPEED: "without some function, all others are of one class",
        RESOURCE_BOUND: "without some function, fewer than four are left to be split",
    }.get(scope, "no method could be")
