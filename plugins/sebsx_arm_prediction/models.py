"""Models of the time on another machine: what a method reads, fits and predicts.

SLR predicts run time from run time, MLR from the parts of processor time, LTA (Linux time accounting) each part of
processor time on the other machine, whose sum over the processors is the run time. Each is fitted by linear regression
and by a random forest. Boosting learns the logarithm of the ratio from what does not grow with the work.

Errors are judged relative to the time, so all are fitted with weights of one over the square of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnknownNameError
from sebsx.system.lazy import require
from sebsx_arm_prediction.dataset import COMPONENTS, CPUS, RUNTIME
from sebsx_arm_prediction.features import CPU8, RATES12, RUNTIME1, FeatureSet, feature_set
from sebsx_arm_prediction.forests import predicted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.model.frame import Numbers
    from sebsx_arm_prediction.dataset import Dataset
    from sebsx_arm_prediction.pairs import Pairs

EXTRA = "ml"
_BUSY = frozenset({"cpuUserDelta_s", "cpuNiceDelta_s", "cpuKernelDelta_s", "cpuIrqDelta_s", "cpuSoftIrqDelta_s"})
_LEAST_SHARE = 1e-3  # of the time here that a prediction is at least: a line may cross zero


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelForm:
    """A way to predict run times.

    Args:
        name: What a user types.
        kind: `slr`, `mlr`, `lta` or `boosting`; `factor` for a baseline that learns nothing.
        features: What it reads by default.
        forest: Whether a random forest is fitted rather than a line.
        factor: What a baseline multiplies the time with.
        meaning: One line.
    """

    name: str
    kind: str
    features: FeatureSet
    meaning: str
    forest: bool = False
    factor: float = 1.0

    @property
    def is_baseline(self) -> bool:
        """Whether it learns nothing."""
        return self.kind == "factor"


# AWS, us-east-1, 2026-09: a GB-second on ARM costs 0.8 of one on x86, so that 1.25 times the time costs the same.
BREAK_EVEN_RATIO = 1.25
METHODS = {
    each.name: each
    for each in (
        ModelForm(name="same-time", kind="factor", features=RUNTIME1, meaning="baseline: the time is the same"),
        ModelForm(
            name="price-ratio", kind="factor", features=RUNTIME1, factor=BREAK_EVEN_RATIO,
            meaning="baseline: the time is longer by what a second costs less",
        ),
        ModelForm(name="slr-linear", kind="slr", features=RUNTIME1, meaning="a line from run time to run time"),
        ModelForm(name="slr-forest", kind="slr", features=RUNTIME1, forest=True, meaning="the same by a random forest"),
        ModelForm(name="mlr-linear", kind="mlr", features=CPU8, meaning="a plane over the parts of processor time"),
        ModelForm(name="mlr-forest", kind="mlr", features=CPU8, forest=True, meaning="the same by a random forest"),
        ModelForm(name="lta-linear", kind="lta", features=CPU8, meaning="parts of processor time by lines, summed"),
        ModelForm(name="lta-forest", kind="lta", features=CPU8, forest=True, meaning="the same by random forests"),
        ModelForm(name="boosting", kind="boosting", features=RATES12, meaning="gradient boosting of ratios of times"),
    )
}  # fmt: skip
BASELINES = tuple(name for name, each in METHODS.items() if each.is_baseline)
STUDIED = tuple(name for name, each in METHODS.items() if each.kind in ("slr", "mlr", "lta"))
ADDED = ("boosting",)
LEARNED = (*STUDIED, *ADDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How large forests are.

    Args:
        trees: In each forest, and rounds of boosting.
        seed: Of all that is random.
        jobs: Processors that are used to fit; -1 for all.
    """

    trees: int = 50
    seed: int = 0
    jobs: int = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A fitted method.

    Args:
        method: Its name.
        features: The set it reads, with version.
        estimators: Fitted by scikit-learn; for LTA one for each of `targets`.
        targets: For LTA the components that are predicted; those that are not were 0 throughout.
    """

    method: str
    features: str
    estimators: tuple[Any, ...] = ()
    targets: tuple[str, ...] = ()

    def predict(self, dataset: Dataset) -> Numbers:
        """Return the time in seconds on the other machine for each row."""
        import numpy as np  # heavy

        how, run_s = METHODS[self.method], dataset[RUNTIME]
        if how.is_baseline:
            found: Numbers = how.factor * run_s
            return found
        inputs = feature_set(self.features).matrix(dataset)
        if how.kind == "lta":
            parts = self.components(dataset)
            found = np.sum(list(parts.values()), axis=0) / dataset[CPUS]
        elif how.kind == "boosting":
            with _threads().limit(limits=1):
                found = run_s * np.exp(self.estimators[0].predict(inputs))
        else:
            found = predicted(self.estimators[0], inputs)
        return np.maximum(found, _LEAST_SHARE * run_s)

    def components(self, dataset: Dataset) -> dict[str, Numbers]:
        """Return for a model of LTA the parts of processor time on the other machine, in seconds."""
        import numpy as np  # heavy

        inputs = feature_set(self.features).matrix(dataset)
        return {
            name: np.maximum(0.0, predicted(estimator, _inputs_of(name, self.features, inputs)))
            for name, estimator in zip(self.targets, self.estimators, strict=True)
        }

    @property
    def component_ratios(self) -> dict[str, float]:
        """For LTA by lines: how much longer each busy part of processor time takes on the other machine."""
        return {
            name: float(estimator.coef_[0])
            for name, estimator in zip(self.targets, self.estimators, strict=True)
            if name in _BUSY and METHODS[self.method].kind == "lta" and hasattr(estimator, "coef_")
        }


def method(name: str) -> ModelForm:
    """Return a method by its name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def fit(name: str, pairs: Pairs, features: FeatureSet | None = None, effort: Effort | None = None) -> Model:
    """Fit a method to rows.

    Args:
        name: Of the method.
        pairs: The rows, with what they take on the other machine.
        features: Another set than the method's own; MLR and boosting only.
        effort: How large forests are.
    """
    how, effort = method(name), effort or Effort()
    if how.is_baseline:
        return Model(method=name, features=str(how.features))
    chosen = features if features is not None and how.kind in ("mlr", "boosting") else how.features
    inputs, target = chosen.matrix(pairs.source), pairs.target
    weights = (target.mean() / target) ** 2
    if how.kind == "lta":
        return _fit_components(how, pairs, inputs, weights, effort)
    if how.kind == "boosting":
        estimator = learned(_boosting(effort), inputs, _log_ratio(pairs))
    else:
        estimator = learned(_estimator(how, effort, len(pairs)), inputs, target, sample_weight=weights)
    return Model(method=name, features=str(chosen), estimators=(_settled(estimator),))


def importance(model: Model, pairs: Pairs, seed: int = 0) -> Mapping[str, float]:
    """Return by how many points the mean relative error grows when a feature is shuffled among rows, largest first.

    Source: Breiman, Random Forests, Machine Learning 45 (2001), section 10; permutation importance.
    """
    import numpy as np  # heavy

    from sebsx.model.frame import Frame

    rng, truth = np.random.default_rng(seed), pairs.target
    error = np.mean(np.abs(model.predict(pairs.source) - truth) / truth)
    found = {}
    for name in feature_set(model.features).needs:
        shuffled = Frame({name: rng.permutation(pairs.source[name])}, {})
        source = type(pairs.source)(frame=pairs.source.frame.beside(shuffled))
        found[name] = float(np.mean(np.abs(model.predict(source) - truth) / truth) - error)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _fit_components(how: ModelForm, pairs: Pairs, inputs: Numbers, weights: Numbers, effort: Effort) -> Model:
    targets = pairs.target_components
    moved = [place for place in range(len(COMPONENTS)) if targets[:, place].any()]
    names = tuple(COMPONENTS[place] for place in moved)
    estimators = [
        _settled(
            learned(
                _estimator(how, effort, len(pairs)),
                _inputs_of(COMPONENTS[place], str(how.features), inputs),
                targets[:, place],
                sample_weight=weights,
            )
        )
        for place in moved
    ]
    return Model(method=how.name, features=str(how.features), estimators=tuple(estimators), targets=names)


def _inputs_of(component: str, features: str, inputs: Numbers) -> Numbers:
    """Return what the model of a component reads: itself, and all of them for times of waiting.

    How long processors are idle is no property of the work: it follows from how long all the rest takes.
    """
    if component not in _BUSY:
        return inputs
    place = feature_set(features).needs.index(component)
    return inputs[:, place : place + 1]


def _log_ratio(pairs: Pairs) -> Numbers:
    import numpy as np  # heavy

    found: Numbers = np.log(pairs.target / pairs.source[RUNTIME])
    return found


def _estimator(how: ModelForm, effort: Effort, rows: int) -> Any:
    if not how.forest:
        return require("sklearn.linear_model", extra=EXTRA).LinearRegression()
    return require("sklearn.ensemble", extra=EXTRA).RandomForestRegressor(
        n_estimators=effort.trees, min_samples_leaf=3, max_features=1.0, max_samples=max(1, round(_BAG * rows)),
        random_state=effort.seed, n_jobs=effort.jobs if rows >= _LEAST_FOR_THREADS else None,
    )  # fmt: skip


_LEAST_FOR_THREADS = 5000  # rows: with fewer, trees are grown sooner than threads are started
_BAG = 0.5  # of the rows in each tree: rows of a step repeat each other


def _boosting(effort: Effort) -> Any:
    return require("sklearn.ensemble", extra=EXTRA).HistGradientBoostingRegressor(
        max_iter=effort.trees, learning_rate=0.1, max_leaf_nodes=15, early_stopping=False, random_state=effort.seed
    )


def learned(estimator: Any, inputs: Numbers, target: Any, **more: Any) -> Any:
    """Return an estimator, fitted in one thread of BLAS and OpenMP.

    Theirs wait for each other by spinning: beside anything else that runs, more of them take longer than one. What
    scikit-learn warns of (rows that are few, a fit that has not converged) shows in the errors on functions left out.
    """
    import warnings

    with _threads().limit(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(inputs, target, **more)


@cache
def _threads() -> Any:
    """Return the libraries with threads of their own; they are looked for once."""
    return require("threadpoolctl", extra=EXTRA).ThreadpoolController()


def _settled(estimator: Any) -> Any:
    """Return a fitted estimator that predicts in the thread that asks: starting others takes longer than one row."""
    if hasattr(estimator, "n_jobs"):
        estimator.set_params(n_jobs=None)
    vars(estimator).pop("_feature_subsample_rng", None)  # used to fit alone; a stored model holds no generator
    return estimator


def needed_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that some methods read."""
    return tuple(dict.fromkeys(column for name in names for column in (*method(name).features.needs, RUNTIME, CPUS)))
