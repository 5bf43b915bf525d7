"""Random forests asked tree by tree.

scikit-learn starts a pool of threads and checks the input in each call of `predict`, which takes longer than all trees
of a forest do for the rows of one function. An answer asks up to nine forests. The values are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sebsx.model.frame import Numbers


def is_forest(estimator: Any) -> bool:
    """Tell whether an estimator is a random forest of scikit-learn."""
    return hasattr(estimator, "estimators_") and type(estimator).__name__.startswith("RandomForest")


def mean_of_trees(forest: Any, inputs: Numbers) -> Numbers:
    """Return for each row the mean over trees: of a number, or of the share of each class.

    Args:
        forest: Fitted, of one output, without missing values.
        inputs: One row of finite features for each row that is asked for.

    Raises:
        ValueError: If its trees are of another shape, which they do not look at themselves.
    """
    import numpy as np  # heavy

    rows = np.ascontiguousarray(inputs, dtype=np.float32)  # what trees of scikit-learn compare
    trees = [tree.tree_ for tree in forest.estimators_]
    if not trees or any(tree.n_features != rows.shape[1] or tree.n_outputs != 1 for tree in trees):
        raise ValueError(f"a forest has no tree, or one that does not read {rows.shape[1]} features for one answer")
    total: Numbers = sum(tree.predict(rows) for tree in trees) / len(trees)
    return total


def predicted(estimator: Any, inputs: Numbers) -> Numbers:
    """Return the number that an estimator predicts for each row."""
    found: Numbers = mean_of_trees(estimator, inputs)[:, 0] if is_forest(estimator) else estimator.predict(inputs)
    return found


def shares_of_classes(estimator: Any, inputs: Numbers) -> Numbers:
    """Return the probability of each class that an estimator knows, for each row."""
    found: Numbers = mean_of_trees(estimator, inputs) if is_forest(estimator) else estimator.predict_proba(inputs)
    return found
