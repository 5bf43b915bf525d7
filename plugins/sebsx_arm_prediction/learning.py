"""From a dataset to a model that can be stored: chosen on functions left out, with the errors that it made on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnknownNameError, UserError
from sebsx.model.frame import Frame
from sebsx_arm_prediction.checks import LEAST_FUNCTIONS, validate
from sebsx_arm_prediction.classifiers import Classifier, fit_classifier
from sebsx_arm_prediction.conformal import LEVELS, coverage, half_width
from sebsx_arm_prediction.dataset import COMPONENTS, FEATURE_NAMES, NUMBERS, WORDS, Dataset
from sebsx_arm_prediction.features import RATES12, feature_set
from sebsx_arm_prediction.models import BASELINES, LEARNED, METHODS, Effort, Model, method, needed_columns
from sebsx_arm_prediction.pairs import CLASSES, Pairs
from sebsx_arm_prediction.region import Region, region_from, region_of
from sebsx_arm_prediction.scopes import ALL_IN_ONE, ARM_SPEED, GENERALISED, Predictor, fit_scope
from sebsx_arm_prediction.validation import LIGHT, HeldOut, choose, leave_one_function_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROWS_LEFT_OUT = 5  # of each step, where functions are left out in turn
ROWS_FITTED = 20  # of each step, in what is stored
_WIDEST = 300.0  # half width of an interval, whose end is a number still
_RUNTIME_ONLY = ("slr-linear", "slr-forest")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A model with all that an answer needs.

    Args:
        predictor: Predicts times.
        classifier: Predicts classes; None where training functions were of one class only.
        region: Profiles that it was fitted to.
        half_widths: By level of coverage, the absolute logarithm of the ratio that an interval reaches to both sides.
        coverages: By level, the share of rows covered on functions that were left out.
        error: Mean of the functions' mean relative errors, each function left out.
        baselines: The same of what learned nothing.
        source: Environment that is profiled.
        target: Environment that is predicted.
        facts: More for the card: functions, runs, rows, class counts.
    """

    predictor: Predictor
    classifier: Classifier | None
    region: Region
    half_widths: Mapping[float, float]
    coverages: Mapping[float, float]
    error: float
    baselines: Mapping[str, float]
    source: str
    target: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def train(
    pairs: Pairs,
    *,
    methods: Sequence[str] = LEARNED,
    scopes: Sequence[str] = GENERALISED,
    effort: Effort | None = None,
    seed: int = 0,
) -> Trained:
    """Return the model that errs least on functions that are left out, fitted to all of them.

    Args:
        pairs: Rows of three functions or more.
        methods: Among which to choose.
        scopes: Likewise, of those that know of functions not seen.
        effort: How large the forests of the stored model are.
        seed: Of all that is random.

    Raises:
        UserError: If rows are bad, or of fewer than three functions.
    """
    if not _profiled(pairs.source):
        methods = [name for name in methods if name in _RUNTIME_ONLY]
    if not methods:
        raise UserError("rows have the run time alone, and no method that reads nothing else is wanted")
    validate(pairs.source, _needed(methods), functions=LEAST_FUNCTIONS)
    few = pairs.thinned(ROWS_LEFT_OUT)
    light = Effort(trees=LIGHT.trees, seed=seed)
    wanted = [(scope, name) for scope in scopes for name in methods]
    tested = leave_one_function_out(few, [*wanted, *((ALL_IN_ONE, name) for name in BASELINES)], effort=light)
    scope, name = choose(tested)
    best, effort = tested[scope, name], effort or Effort(seed=seed)
    rows = pairs.thinned(ROWS_FITTED)
    classifier, notes = None, list(pairs.source.notes)
    try:
        classifier = fit_classifier("random-forest", rows, effort=effort) if _profiled(pairs.source) else None
    except UserError as exc:  # one class only: nothing to tell apart
        notes.append(f"{exc}; answers take it from the predicted time")
    predictor = fit_scope(scope, name, rows, classifier=classifier or "random-forest", effort=effort)
    scores = best.scores
    halves = {level: half for level in LEVELS if (half := half_width(scores, level)) is not None}
    return Trained(
        predictor=predictor,
        classifier=classifier,
        region=region_of(rows),
        half_widths=halves,
        coverages={level: found for level in halves if (found := coverage(scores, level)) is not None},
        error=best.error,
        baselines={each: tested[ALL_IN_ONE, each].error for each in BASELINES},
        source=pairs.source_name,
        target=pairs.target_name,
        facts=_facts(pairs, best, notes),
    )


def _needed(methods: Sequence[str]) -> tuple[str, ...]:
    return needed_columns(methods) if any(name not in _RUNTIME_ONLY for name in methods) else ("runtime_s",)


def needed(trained: Trained) -> tuple[str, ...]:
    """Return the columns that a profile must have for a model to answer."""
    predictor = trained.predictor
    by_share = COMPONENTS if predictor.tau is not None else ()
    by_class = RATES12.needs if predictor.classifier is not None else ()
    return tuple(dict.fromkeys([*_needed([predictor.method]), *by_share, *by_class]))


def _profiled(dataset: Dataset) -> bool:
    """Tell whether rows have more than a run time."""
    import numpy as np  # heavy

    return not bool(np.isnan(dataset["cpuUserDelta_s"]).all())


def _facts(pairs: Pairs, best: HeldOut, notes: Sequence[str]) -> dict[str, Any]:
    import numpy as np  # heavy

    labels = np.array([int(np.argmax(np.bincount(pairs.of([name]).labels))) for name in pairs.functions])
    return {
        "functions": pairs.functions,
        "steps": len(pairs.step_names),
        "rows": len(pairs),
        "runs": pairs.source.levels("run"),
        "campaigns": pairs.campaigns,
        "classes": {word: int((labels == place).sum()) for place, word in enumerate(CLASSES)},
        "errors": best.errors,
        "notes": list(notes),
    }


def to_parts(trained: Trained) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a model as what goes on its card and as the estimators that are stored beside it."""
    predictor, estimators = trained.predictor, {}
    models = {}
    for key, model in predictor.models.items():
        for place, estimator in enumerate(model.estimators):
            estimators[f"{key}/{place}"] = estimator
        models[key] = {"features": model.features, "targets": model.targets, "estimators": len(model.estimators)}
    if trained.classifier is not None:
        estimators["classifier"] = trained.classifier.estimator
    card = {
        "scope": predictor.scope,
        "method": predictor.method,
        "meaning": METHODS[predictor.method].meaning,
        "tau": predictor.tau,
        "models": models,
        "classifier": trained.classifier and [trained.classifier.name, trained.classifier.features],
        "source": trained.source,
        "target": trained.target,
        "error": trained.error,
        "baselines": dict(trained.baselines),
        "half_widths": {str(level): half for level, half in trained.half_widths.items()},
        "coverages": {str(level): share for level, share in trained.coverages.items()},
        "region": asdict(trained.region),
        **trained.facts,
    }
    return card, estimators


def from_parts(card: Mapping[str, Any], estimators: Mapping[str, Any]) -> Trained:
    """Return a model as its card and its estimators were stored.

    Raises:
        UserError: If the card lacks something, or an estimator is not what it says.
    """
    try:
        models = {
            key: Model(
                method=card["method"],
                features=str(feature_set(each["features"])),
                estimators=tuple(estimators[f"{key}/{place}"] for place in range(each["estimators"])),
                targets=tuple(each["targets"]),
            )
            for key, each in card["models"].items()
        }
        chosen = card["classifier"]
        classifier = chosen and Classifier(
            name=chosen[0], features=str(feature_set(chosen[1])), estimator=estimators["classifier"]
        )
        by_class = classifier if card["scope"] == ARM_SPEED else None
        trained = Trained(
            predictor=Predictor(
                scope=card["scope"],
                method=method(card["method"]).name,
                models=models,
                classifier=by_class,
                tau=None if card["tau"] is None else float(card["tau"]),
            ),
            classifier=classifier,
            region=region_from(card["region"]),
            half_widths={float(level): min(float(half), _WIDEST) for level, half in card["half_widths"].items()},
            coverages={float(level): float(share) for level, share in card["coverages"].items()},
            error=card["error"],
            baselines=card["baselines"],
            source=card["source"],
            target=card["target"],
            facts={name: card[name] for name in ("functions", "steps", "rows", "runs", "campaigns", "classes")},
        )
    except (LookupError, TypeError, ValueError, AttributeError, UnknownNameError) as exc:
        raise UserError(f"model {card.get('name')!r} is damaged: its card lacks or garbles {exc}") from exc
    try:
        _let_answer(trained)
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError, AttributeError, UserError) as exc:
        raise UserError(
            f"model {card.get('name')!r} is damaged: its estimators do not answer: {' '.join(str(exc).split())}"
        ) from exc
    return trained


def _let_answer(trained: Trained) -> None:
    """Let every estimator answer, so that one of another shape is told now, not by whatever it does to a profile.

    Raises:
        ValueError: If an answer is not one finite number for each row; or whatever the estimator raises.
    """
    import numpy as np  # heavy

    numbers = {name: np.ones(2) for name in (*NUMBERS, *FEATURE_NAMES)}
    rows = Dataset(frame=Frame(numbers, {name: (np.zeros(2, dtype=np.int32), [""]) for name in WORDS}))
    with np.errstate(all="ignore"):
        found = [model.predict(rows) for model in trained.predictor.models.values()]
        classifiers = filter(None, {trained.classifier, trained.predictor.classifier})
        found += [classifier.probabilities(rows).sum(axis=1) for classifier in classifiers]
    if wrong := [each.shape for each in found if each.shape != (2,) or not np.isfinite(each).all()]:
        raise ValueError(f"answers to 2 rows have the shape {wrong[0]}, or are not finite")
