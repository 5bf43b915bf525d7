"""Tests on what was not trained on, and differences between methods that functions, not rows, must show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx import stats
from sebsx.errors import UserError
from sebsx_arm_prediction.checks import LEAST_FUNCTIONS
from sebsx_arm_prediction.classifiers import fit_classifier
from sebsx_arm_prediction.conformal import by_function, log_errors
from sebsx_arm_prediction.models import METHODS, Effort
from sebsx_arm_prediction.scopes import ARM_SPEED, fit_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sebsx.model.frame import Numbers
    from sebsx_arm_prediction.pairs import Pairs

LIGHT = Effort(trees=12)
LEAST_FOR_TEST = 6  # functions: with fewer no signed-rank test says anything at 5 %


def check_apart(train: Pairs, test: Pairs, *, unseen: bool) -> None:
    """Refuse to test on what was trained on.

    Args:
        train: Rows that a model was fitted to.
        test: Rows that it is to be tested on.
        unseen: Whether the test is of functions that were not seen, rather than of other rows of the same.

    Raises:
        UserError: If a step, or for a test of unseen functions a function, is in both.
    """
    if shared := sorted(set(train.step_names) & set(test.step_names)):
        function, step, campaign = shared[0]
        raise UserError(
            f"{len(shared)} steps are both trained and tested on, the first is {function!r}, step {step}, of campaign "
            f"{campaign!r}; test on another campaign or on other functions"
        )
    if unseen and (functions := sorted(set(train.functions) & set(test.functions))):
        raise UserError(
            f"{', '.join(map(repr, functions))} {'was' if len(functions) == 1 else 'were'} trained on: a test of "
            "unseen functions takes others"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Predictions of rows that their model was not fitted to.

    Args:
        scope: Of the models.
        method: Of the models.
        pairs: The rows.
        predicted: Time on the other machine, in seconds.
    """

    scope: str
    method: str
    pairs: Pairs
    predicted: Numbers

    @property
    def errors(self) -> dict[str, float]:
        """Mean absolute relative error of each function."""
        import numpy as np  # heavy

        truth, function_of = self.pairs.target, self.pairs.function_of
        relative = np.abs(self.predicted - truth) / truth
        means = np.bincount(function_of, weights=relative) / np.bincount(function_of)
        return {name: float(mean) for name, mean in zip(self.pairs.functions, means, strict=True)}

    @property
    def error(self) -> float:
        """Plain mean of the functions' errors."""
        return mean(self.errors.values())

    @property
    def scores(self) -> dict[str, Numbers]:
        """Absolute logarithms of the ratios of prediction and truth, by function."""
        return by_function(log_errors(self.predicted, self.pairs.target), self.pairs.functions, self.pairs.function_of)


def mean(values: Iterable[float]) -> float:
    """Return the plain mean."""
    found = list(values)
    return sum(found) / len(found)


def leave_one_function_out(
    pairs: Pairs,
    wanted: Sequence[tuple[str, str]],
    *,
    classifier: str = "random-forest",
    effort: Effort = LIGHT,
) -> dict[tuple[str, str], HeldOut]:
    """Return predictions of each function by models that were fitted to all the others.

    Args:
        pairs: The rows.
        wanted: Scopes and methods.
        classifier: For the scope `arm-speed`; fitted once for each function that is left out.
        effort: How large forests are.

    Returns:
        By scope and method; one that could not be fitted without some function is left out.

    Raises:
        UserError: If there are fewer than three functions.
    """
    import numpy as np  # heavy

    if len(pairs.functions) < LEAST_FUNCTIONS:
        raise UserError(
            f"{len(pairs.functions)} functions: leaving one out takes {LEAST_FUNCTIONS} or more to learn from"
        )
    found = {key: np.full(len(pairs), np.nan) for key in wanted}
    function_of = pairs.function_of
    for place in range(len(pairs.functions)):
        out = function_of == place
        rest, held = pairs.where(~out), pairs.source.select(where=out)
        chooser, tau = None, None
        for scope, name in wanted:
            try:
                if scope == ARM_SPEED and not METHODS[name].is_baseline:
                    chooser = chooser or fit_classifier(classifier, rest, effort=effort)
                predictor = fit_scope(scope, name, rest, classifier=chooser or classifier, effort=effort, tau=tau)
            except UserError:
                found[scope, name][:] = np.nan  # one class, or one resource, without this function
                continue
            tau = predictor.tau if tau is None else tau  # the same for all methods
            found[scope, name][out] = predictor.predict(held)
    return {
        (scope, name): HeldOut(scope=scope, method=name, pairs=pairs, predicted=predicted)
        for (scope, name), predicted in found.items()
        if not np.isnan(predicted).any()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """Whether one method errs less than another, over functions.

    Args:
        method: One of them, with its scope.
        other: The other.
        ratio: Typical error of the one over that of the other, with the interval of the signed-rank test.
        low: Its lower end.
        high: Its upper end.
        p: Of Wilcoxon's test, corrected for all that are compared.
        functions: How many.
    """

    method: str
    other: str
    ratio: float
    low: float
    high: float
    p: float
    functions: int

    @property
    def is_better(self) -> bool:
        """Whether the one errs less, beyond chance."""
        return self.p < 0.05 and self.ratio < 1  # the level of all tests here


def differences(errors: Mapping[str, Mapping[str, float]], against: str) -> list[PairedDifference]:
    """Return how methods compare with one of them, by paired tests over functions, corrected by Holm.

    Args:
        errors: Of each method, by function; all of the same functions.
        against: The one that all others are compared with.

    Returns:
        Nothing where there are fewer than six functions.
    """
    import math

    base = errors[against]
    names = [name for name in errors if name != against]
    if len(base) < LEAST_FOR_TEST or not names:
        return []
    sides = [[max(errors[name][function], 1e-9) for function in base] for name in names]
    its = [max(value, 1e-9) for value in base.values()]
    p_values = stats.holm([stats.wilcoxon(side, its) for side in sides])
    found = []
    for name, side, p in zip(names, sides, p_values, strict=True):
        logs = [math.log(mine / other) for mine, other in zip(side, its, strict=True)]
        centre, interval = stats.signed_rank_interval(logs)
        found.append(
            PairedDifference(
                method=name, other=against, ratio=math.exp(centre), low=math.exp(interval.low),
                high=math.exp(interval.high), p=p, functions=len(base),
            )
        )  # fmt: skip
    return found


def choose(tested: Mapping[tuple[str, str], HeldOut]) -> tuple[str, str]:
    """Return the scope and method to take: that of the study with the least error.

    What was added to the study is taken only where it errs less beyond chance. Baselines are never taken: what
    learned nothing needs no model.
    """
    learned = {key: each for key, each in tested.items() if not METHODS[key[1]].is_baseline}
    studied = {key: each for key, each in learned.items() if METHODS[key[1]].kind != "boosting"}
    best = min(studied or learned, key=lambda key: learned[key].error)
    added = [key for key in learned if key not in studied]
    if not added or not studied:
        return best
    errors = {" ".join(key): learned[key].errors for key in (best, *added)}
    better = [each.method for each in differences(errors, " ".join(best)) if each.is_better]
    wins = [key for key in added if " ".join(key) in better]
    return min(wins, key=lambda key: learned[key].error) if wins else best


def split(functions: Sequence[str], published: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the functions to train on and those that stay unseen, by the study's split; the second may be empty."""
    unseen = [name for name in functions if published.get(name) == "unseen"]
    train = [name for name in functions if name not in unseen]
    return (train, unseen) if len(train) >= LEAST_FUNCTIONS else (list(functions), [])
