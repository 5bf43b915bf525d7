"""Classifiers of whether a function is faster, similar or slower on another machine, and what several samples add."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnknownNameError, UserError
from sebsx.system.lazy import require
from sebsx_arm_prediction.features import RATES12, FeatureSet, feature_set
from sebsx_arm_prediction.forests import shares_of_classes
from sebsx_arm_prediction.models import EXTRA, Effort, learned
from sebsx_arm_prediction.pairs import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.model.frame import Numbers, Places
    from sebsx_arm_prediction.dataset import Dataset
    from sebsx_arm_prediction.pairs import Pairs

    Labels = NDArray[np.int64]

MOST_FOR_PROCESS = 600  # rows that a Gaussian process is fitted to: its time grows with their cube
_LEAST_TO_STOP = 200  # rows from which on a tenth of them tells when a network has learned enough
_NEIGHBOURS = 15
_SUBSETS = 200  # random choices of k samples of a step


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """A fitted classifier.

    Args:
        name: Which of `CLASSIFIERS`.
        features: The set it reads, with version.
        estimator: Fitted by scikit-learn; its classes are places in `CLASSES`.
    """

    name: str
    features: str
    estimator: Any

    def probabilities(self, dataset: Dataset) -> Numbers:
        """Return the probability of each of `CLASSES` for each row."""
        import numpy as np  # heavy

        given = shares_of_classes(self.estimator, feature_set(self.features).matrix(dataset))
        found = np.zeros((len(dataset), len(CLASSES)))
        found[:, self.estimator.classes_] = given
        return found

    def labels(self, dataset: Dataset) -> Labels:
        """Return the most probable class of each row, as its place in `CLASSES`."""
        found: Labels = self.probabilities(dataset).argmax(axis=1)
        return found


def fit_classifier(name: str, pairs: Pairs, features: FeatureSet = RATES12, effort: Effort | None = None) -> Classifier:
    """Fit a classifier to rows.

    Raises:
        UnknownNameError: If there is none of that name.
        UserError: If all rows are of one class, or there are too few of one.
    """
    import numpy as np  # heavy

    if name not in CLASSIFIERS:
        raise UnknownNameError("classifier", name, CLASSIFIERS)
    labels = pairs.labels
    if len(there := np.unique(labels)) < 2:  # something to tell apart
        raise UserError(
            f"all steps are {CLASSES[there[0]]!r} on {pairs.target_name!r}: a classifier needs functions of two classes"
        )
    effort, inputs = effort or Effort(), features.matrix(pairs.source)
    if name == "gaussian-process" and len(inputs) > MOST_FOR_PROCESS:
        chosen = np.random.default_rng(effort.seed).choice(len(inputs), MOST_FOR_PROCESS, replace=False)
        chosen = np.union1d(chosen, [int(np.flatnonzero(labels == label)[0]) for label in there])
        inputs, labels = inputs[chosen], labels[chosen]
    try:
        estimator = learned(CLASSIFIERS[name](effort, len(inputs)), inputs, labels)
    except ValueError as exc:
        least, place = min((int((labels == label).sum()), int(label)) for label in there)
        raise UserError(
            f"{name} cannot be fitted to {len(labels)} rows, of which {least} "
            f"{'is' if least == 1 else 'are'} {CLASSES[place]!r}: measure more steps"
        ) from exc
    if hasattr(estimator, "n_jobs"):
        estimator.set_params(n_jobs=None)  # starting threads takes longer than one row
    return Classifier(name=name, features=str(features), estimator=estimator)


def _forest(effort: Effort, _rows: int) -> Any:
    return require("sklearn.ensemble", extra=EXTRA).RandomForestClassifier(
        n_estimators=effort.trees, min_samples_leaf=2, random_state=effort.seed
    )


def _adaboost(effort: Effort, _rows: int) -> Any:
    tree = require("sklearn.tree", extra=EXTRA).DecisionTreeClassifier(max_depth=2, random_state=effort.seed)
    return require("sklearn.ensemble", extra=EXTRA).AdaBoostClassifier(
        tree, n_estimators=effort.trees, random_state=effort.seed
    )


def _mlp(effort: Effort, rows: int) -> Any:
    return _scaled(
        require("sklearn.neural_network", extra=EXTRA).MLPClassifier(
            (32, 16),
            early_stopping=rows >= _LEAST_TO_STOP,
            n_iter_no_change=5,
            max_iter=60,
            random_state=effort.seed,
            tol=1e-3,
        )
    )


def _tree(effort: Effort, _rows: int) -> Any:
    return require("sklearn.tree", extra=EXTRA).DecisionTreeClassifier(min_samples_leaf=2, random_state=effort.seed)


def _neighbours(effort: Effort, rows: int) -> Any:
    return _scaled(require("sklearn.neighbors", extra=EXTRA).KNeighborsClassifier(min(_NEIGHBOURS, rows)))


def _process(effort: Effort, _rows: int) -> Any:
    kernels = require("sklearn.gaussian_process.kernels", extra=EXTRA)
    return _scaled(
        require("sklearn.gaussian_process", extra=EXTRA).GaussianProcessClassifier(
            1.0 * kernels.RBF(2.0), optimizer=None, random_state=effort.seed
        )
    )


def _quadratic(effort: Effort, _rows: int) -> Any:
    return _scaled(
        require("sklearn.discriminant_analysis", extra=EXTRA).QuadraticDiscriminantAnalysis(
            solver="eigen", shrinkage=0.1
        )
    )


def _scaled(estimator: Any) -> Any:
    scaler = require("sklearn.preprocessing", extra=EXTRA).StandardScaler()
    return require("sklearn.pipeline", extra=EXTRA).make_pipeline(scaler, estimator)


CLASSIFIERS: Mapping[str, Callable[[Effort, int], Any]] = {
    "random-forest": _forest,
    "decision-tree": _tree,
    "gaussian-process": _process,
    "adaboost": _adaboost,
    "k-neighbors": _neighbours,
    "mlp": _mlp,
    "quadratic-discriminant": _quadratic,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often each class was taken for each: rows are what is true, columns what was predicted."""

    counts: tuple[tuple[int, ...], ...]

    @property
    def total(self) -> int:
        """Number of rows that were classified."""
        return sum(map(sum, self.counts))

    @property
    def accuracy(self) -> float | None:
        """Share of rows whose class is right."""
        right = sum(row[place] for place, row in enumerate(self.counts))
        return right / self.total if self.total else None

    @property
    def row_accuracy(self) -> tuple[float | None, ...]:
        """For each class, the share of its rows that was recognised."""
        return tuple(row[place] / sum(row) if sum(row) else None for place, row in enumerate(self.counts))

    @property
    def column_accuracy(self) -> tuple[float | None, ...]:
        """For each class, the share of rows that are of it among those predicted to be."""
        sums = [sum(column) for column in zip(*self.counts, strict=True)]
        return tuple(self.counts[place][place] / total if total else None for place, total in enumerate(sums))


def confusion(truth: Labels, predicted: Labels) -> Confusion:
    """Return how often each class was taken for each."""
    import numpy as np  # heavy

    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=int)
    np.add.at(counts, (truth, predicted), 1)
    return Confusion(counts=tuple(tuple(int(number) for number in row) for row in counts))


def plurality(probabilities: Numbers) -> int:
    """Return the class that most samples are predicted to be of; ties go to the larger mean probability."""
    import numpy as np  # heavy

    votes = np.bincount(probabilities.argmax(axis=1), minlength=len(CLASSES))
    return int(np.where(votes == votes.max(), probabilities.mean(axis=0), -1.0).argmax())


def voting_curve(
    truth: Labels, probabilities: Numbers, step_of: Places, most: int = 20, seed: int = 0
) -> list[tuple[int, float]]:
    """Return for k = 1, 2, ... samples of a step how often their plurality is right, each step counting alike.

    Random choices of k of the samples of a step are made where there are more than k; steps with fewer are left out.
    """
    import numpy as np  # heavy

    rng = np.random.default_rng(seed)
    order = np.argsort(step_of, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(step_of[order])) + 1)
    found = []
    for k in range(1, most + 1):
        shares = [_share_right(truth[rows[0]], probabilities[rows], k, rng) for rows in groups if len(rows) >= k]
        if not shares:
            break
        found.append((k, float(np.mean(shares))))
    return found


def _share_right(truth: int, probabilities: Numbers, k: int, rng: np.random.Generator) -> float:
    import numpy as np  # heavy

    if (probabilities.argmax(axis=1) == truth).all():
        return 1.0
    n = len(probabilities)
    chosen = rng.random((_SUBSETS, n)).argsort(axis=1)[:, :k] if k < n else np.arange(n)[None]
    given = probabilities[chosen]
    votes = np.eye(len(CLASSES))[given.argmax(axis=2)].sum(axis=1)
    most = votes == votes.max(axis=1, keepdims=True)
    winner = np.where(most, given.mean(axis=1), -1.0).argmax(axis=1)
    return float((winner == truth).mean())


def independent_voting(matrix: Confusion, most: int = 20) -> list[tuple[int, float]]:
    """Return the same as if samples were independent, each right and wrong as often as its class on the whole.

    Ties are shared out. Exact, by the multinomial distribution.
    """
    return [(k, _right_if_independent(matrix, k)) for k in range(1, most + 1)]


def _right_if_independent(matrix: Confusion, k: int) -> float:
    right = 0.0
    for truth, row in enumerate(matrix.counts):
        if not sum(row):
            continue
        chance = [count / sum(row) for count in row]
        for first in range(k + 1):
            for second in range(k + 1 - first):
                votes = (first, second, k - first - second)
                ties = [place for place, count in enumerate(votes) if count == max(votes)]
                if truth in ties:
                    ways = math.factorial(k) // math.prod(map(math.factorial, votes))
                    likely = math.prod(p**count for p, count in zip(chance, votes, strict=True))
                    right += sum(row) / matrix.total * ways * likely / len(ties)
    return right
