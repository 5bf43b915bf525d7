"""How long all models and scopes take on a campaign of the size of the study, and how long an answer takes.

88,000 rows to train on and 28,000 to test with, 21 features, all of them fitted (`--rows-per-step` takes fewer).
Wanted: under 5 minutes and 4 GB on two cores, and 50 ms for an answer once scikit-learn is imported.
"""

from __future__ import annotations

import argparse
import resource
import time

from sebsx_arm_prediction import learning, predicting
from sebsx_arm_prediction.dataset import joined_datasets
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.study import Extent, study
from sebsx_arm_prediction.synthetic import SOURCE, TEST, campaign, published_kinds, published_table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--rows-per-step", type=int, default=0)
    asked = parser.parse_args()
    unseen = {row["function"] for row in published_table("table3") if row["split"] == "unseen"}
    kinds = published_kinds()
    train = campaign([kind for kind in kinds if kind.name not in unseen], samples=asked.samples, seed=1)
    test = campaign([kind for kind in kinds if kind.name in unseen], samples=asked.samples, seed=2, label=TEST)
    pairs = pair(joined_datasets([train, test]))
    began, used = time.perf_counter(), time.process_time()
    found = study(pairs, Extent(rows_per_step=asked.rows_per_step))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - used
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(train):,} + {len(test):,} rows: {wall_s:.0f} s, {cpu_s:.0f} s of processor time, {peak_gb:.2f} GB")
    print(f"{len(found.left_out)} methods and scopes left out, {len(found.tested)} tested")
    trained = learning.train(pairs.thinned(3), methods=("slr-linear", "lta-forest"))
    rows = campaign(kinds[:1], steps=1, samples=5, sides=(SOURCE,))
    predicting.answer(trained, rows)
    began = time.process_time()
    for _ in range(20):
        predicting.answer(trained, rows)
    print(f"an answer: {1000 * (time.process_time() - began) / 20:.1f} ms of processor time")


if __name__ == "__main__":
    main()
