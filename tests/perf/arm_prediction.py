"""How long all models and scopes take on a campaign of the size of the study, and how long an answer takes.

88,000 rows of 11 functions to train on; of 7 functions that are not seen 28,000 on the first machine to test with, and
as many on the second; for models of single functions a second campaign of the 11 as well. 21 features, and all rows are
fitted (`--rows-per-step` takes fewer) but by the Gaussian process, which takes 600. Answers are those of the model that
has the most to ask: one for each class, each of them a forest for each part of processor time.

Wanted: under 5 minutes and 4 GB on two cores, and 50 ms for an answer once scikit-learn is imported. On a machine that
has more to do, half of the processor time is what two cores would have taken.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import TYPE_CHECKING

from sebsx_arm_prediction import learning, predicting
from sebsx_arm_prediction.dataset import joined_datasets
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.scopes import ALL_IN_ONE, ARM_SPEED
from sebsx_arm_prediction.study import Extent, study
from sebsx_arm_prediction.synthetic import SOURCE, TEST, TRAIN, campaign, published_kinds, published_table

if TYPE_CHECKING:
    from sebsx_arm_prediction.pairs import Pairs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--rows-per-step", type=int, default=0)
    asked = parser.parse_args()
    pairs = study_campaigns(asked.samples)
    began, used = time.perf_counter(), time.process_time()
    found = study(pairs, Extent(rows_per_step=asked.rows_per_step))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - used
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(pairs):,} rows on the first machine and as many on the second: {wall_s:.0f} s, {cpu_s:.0f} s of")
    print(f"processor time (half of it: {cpu_s / 2:.0f} s), {peak_gb:.2f} GB at most")
    print(f"{len(found.left_out)} methods and scopes left out, {len(found.tested)} tested, {len(found.classifiers)} "
          f"classifiers; notes: {list(found.notes)}")  # fmt: skip
    for scope, name in ((ALL_IN_ONE, "slr-linear"), (ARM_SPEED, "lta-forest"), (ARM_SPEED, "boosting")):
        print(f"an answer of {scope} {name}: {1000 * answer_s(pairs, scope, name):.1f} ms of processor time")


def study_campaigns(samples: int) -> Pairs:
    """Return the rows of a campaign of the study's size at 100 samples a step."""
    unseen = {row["function"] for row in published_table("table3") if row["split"] == "unseen"}
    seen = [kind for kind in published_kinds() if kind.name not in unseen]
    others = [kind for kind in published_kinds() if kind.name in unseen]
    return pair(
        joined_datasets(
            [
                campaign(seen, samples=samples, seed=1),
                campaign(seen, samples=max(1, samples // 5), seed=3, label=TEST),
                campaign(others, samples=samples, seed=2, label=TEST),
            ]
        )
    )


def answer_s(pairs: Pairs, scope: str, name: str, times: int = 20) -> float:
    """Return the processor time of one answer, after the first."""
    trained = learning.train(pairs.of(campaign=TRAIN).thinned(5), methods=(name,), scopes=(scope,))
    rows = campaign(published_kinds()[:1], steps=1, samples=10, sides=(SOURCE,))
    predicting.answer(trained, rows)
    began = time.process_time()
    for _ in range(times):
        predicting.answer(trained, rows)
    return (time.process_time() - began) / times


if __name__ == "__main__":
    main()
