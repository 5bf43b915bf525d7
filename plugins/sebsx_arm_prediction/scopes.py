"""What a model is fitted to: one function, all of them, those of one resource, or those of one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.errors import UnknownNameError, UserError
from sebsx_arm_prediction.classifiers import Classifier, fit_classifier
from sebsx_arm_prediction.features import CPU8, kernel_share
from sebsx_arm_prediction.models import METHODS, Effort, Model, fit
from sebsx_arm_prediction.pairs import CLASSES, Pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from sebsx.model.frame import Numbers
    from sebsx_arm_prediction.dataset import Dataset

FUNCTION_SPECIFIC, ALL_IN_ONE = "function-specific", "all-in-one"
RESOURCE_BOUND, ARM_SPEED = "resource-bound", "arm-speed"
GENERALISED = (ALL_IN_ONE, RESOURCE_BOUND, ARM_SPEED)  # those that know of functions they have not seen
SCOPES = (FUNCTION_SPECIFIC, *GENERALISED)
_ALL, _USER, _KERNEL = "all", "user", "kernel"
_LEAST_OF_SIDE = 2  # functions on each side of a threshold
_LEAST_GAP = 1e-6  # between their shares of the kernel: rounding tells nothing apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictor:
    """Models of one method, and which of them a row goes to.

    Args:
        scope: One of `SCOPES`.
        method: Name of the method.
        models: By function, by resource (`user`, `kernel`), by class, or `all` for one that is for the rest.
        tau: Share of the kernel in busy time from which on a row goes to the model `kernel`.
        classifier: Chooses the class of a row.
    """

    scope: str
    method: str
    models: Mapping[str, Model]
    tau: float | None = None
    classifier: Classifier | None = None

    def predict(self, dataset: Dataset) -> Numbers:
        """Return the time in seconds on the other machine for each row.

        Raises:
            UserError: If models are of functions and there is none for a row.
        """
        import numpy as np  # heavy

        keys, names = self._keys(dataset)
        found = np.empty(len(dataset))
        for place in np.unique(keys):
            mask = keys == place
            found[mask] = self._model(names[place]).predict(dataset.select(where=mask))
        return found

    def _model(self, key: str) -> Model:
        found = self.models.get(key, self.models.get(_ALL))
        if found is None:
            raise UserError(f"function {key!r} has no model; those that have: {', '.join(self.models)}")
        return found

    def _keys(self, dataset: Dataset) -> tuple[NDArray[np.int64], list[str]]:
        """Return which model each row goes to."""
        import numpy as np  # heavy

        if self.scope == FUNCTION_SPECIFIC:
            codes, levels = dataset.frame.codes("function")
            return codes.astype(np.int64), [str(level) for level in levels]
        if self.tau is not None:
            return (kernel_share(dataset) >= self.tau).astype(np.int64), [_USER, _KERNEL]
        if self.classifier is not None:
            return self.classifier.labels(dataset), list(CLASSES)
        return np.zeros(len(dataset), dtype=np.int64), [_ALL]


def fit_scope(
    scope: str,
    name: str,
    pairs: Pairs,
    *,
    classifier: Classifier | str = "random-forest",
    effort: Effort | None = None,
    tau: float | None = None,
) -> Predictor:
    """Fit a method in a scope.

    Args:
        scope: One of `SCOPES`.
        name: Of the method.
        pairs: The rows.
        classifier: Fitted to the same rows, or the name of one, for the scope `arm-speed`.
        effort: How large forests are.
        tau: For the scope `resource-bound`; by default the best for the rows.

    Raises:
        UserError: If the scope is not available: one class only, or too few functions for a threshold.
    """
    if scope == FUNCTION_SPECIFIC:
        models = {each: fit(name, pairs.of([each]), effort=effort) for each in pairs.functions}
        return Predictor(scope=scope, method=name, models=models)
    if scope == ALL_IN_ONE or (scope in SCOPES and METHODS[name].is_baseline):
        return Predictor(scope=scope, method=name, models={_ALL: fit(name, pairs, effort=effort)})
    if scope == RESOURCE_BOUND:
        tau = threshold(pairs) if tau is None else tau
        kernel = kernel_share(pairs.source) >= tau
        models = {
            key: fit(name, pairs.where(mask), effort=effort) for key, mask in ((_USER, ~kernel), (_KERNEL, kernel))
        }
        return Predictor(scope=scope, method=name, models=models, tau=tau)
    if scope == ARM_SPEED:
        return _by_class(name, pairs, classifier, effort)
    raise UnknownNameError("scope", scope, SCOPES)


def _by_class(name: str, pairs: Pairs, classifier: Classifier | str, effort: Effort | None) -> Predictor:
    if isinstance(classifier, str):
        classifier = fit_classifier(classifier, pairs, effort=effort)
    labels = pairs.labels
    models = {
        word: fit(name, pairs.where(labels == place), effort=effort)
        for place, word in enumerate(CLASSES)
        if (labels == place).any()
    }
    return Predictor(scope=ARM_SPEED, method=name, models=models, classifier=classifier)


def threshold(pairs: Pairs) -> float:
    """Return the share of the kernel at which the training functions are best split in two.

    Each candidate lies between two functions whose shares differ, with two functions or more on each side. The one is
    taken with which functions that are left out in turn are predicted best by planes over the parts of processor time
    (MLR), whatever the method is that is fitted then.

    Raises:
        UserError: If there are fewer than four functions, or none differ where they could be split.
    """
    import numpy as np  # heavy

    count = len(pairs.functions)
    if count < 2 * _LEAST_OF_SIDE:
        raise UserError(
            f"{count} functions cannot be split by the share of the kernel: {2 * _LEAST_OF_SIDE} or more are wanted"
        )
    share, function_of = kernel_share(pairs.source), pairs.function_of
    means = np.bincount(function_of, weights=share) / np.bincount(function_of)
    ordered = np.sort(means)
    low, high = (side[_LEAST_OF_SIDE - 1 : count - _LEAST_OF_SIDE] for side in (ordered[:-1], ordered[1:]))
    candidates = ((low + high) / 2)[high - low > _LEAST_GAP]
    if not len(candidates):
        raise UserError("functions cannot be split by the share of the kernel: it is the same for those in the middle")
    planes = _Planes(pairs)
    errors = [planes.left_out_error(means >= tau) for tau in candidates]
    return float(candidates[int(np.argmin(errors))])


class _Planes:
    """Weighted least squares over functions of which any can be left out, at the price of one small system each."""

    def __init__(self, pairs: Pairs) -> None:
        import numpy as np  # heavy

        inputs = np.column_stack([np.ones(len(pairs)), CPU8.matrix(pairs.source)]) / pairs.target[:, None]
        function_of = pairs.function_of
        self.rows = [inputs[function_of == place] for place in range(len(pairs.functions))]
        self.squares = np.array([rows.T @ rows for rows in self.rows])
        self.sums = np.array([rows.sum(axis=0) for rows in self.rows])

    def left_out_error(self, kernel: NDArray[np.bool_]) -> float:
        """Return the mean relative error of functions, each left out of the side that it is on."""
        import numpy as np  # heavy

        errors = []
        for place, rows in enumerate(self.rows):
            side = kernel == kernel[place]
            side[place] = False
            plane = np.linalg.lstsq(self.squares[side].sum(axis=0), self.sums[side].sum(axis=0), rcond=None)[0]
            errors.append(float(np.mean(np.abs(rows @ plane - 1.0))))
        return float(np.mean(errors))
