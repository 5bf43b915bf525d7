"""A synthetic campaign as a run in a store, for tests of what reads runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.model import Deployment, FunctionConfig
from sebsx.testing.runs import RunWriter
from sebsx_arm_prediction.dataset import FEATURE_NAMES
from sebsx_saaf.collector import SaafCollector

if TYPE_CHECKING:
    from sebsx.contracts.runs import RunView
    from sebsx.store import Store
    from sebsx_arm_prediction.dataset import Dataset


def store_campaign(
    store: Store, dataset: Dataset, number: int = 1, *, memory_mib: int = 3008, region: str = "us-east-1"
) -> RunView:
    """Write a cell for each step of each function on each machine, and return the run.

    Without a region the machines are one's own. All invocations of a step have the profile of its first one.
    """
    writer = RunWriter(store, number, experiment="arm-prediction", metrics=SaafCollector.metrics)
    for environment in dataset.levels("environment"):
        rows = dataset.select(environment=environment)
        architecture, platform = rows.levels("architecture")[0], rows.levels("platform")[0]
        for function in rows.functions:
            for campaign in rows.levels("campaign"):
                mine = rows.select(function=function, campaign=campaign)
                for step in mine.levels("step"):
                    each = mine.select(step=step)
                    samples = {f"saaf.{name}": float(each[name][0]) for name in FEATURE_NAMES}
                    config = FunctionConfig(function, memory_mib=memory_mib, timeout_s=300.0, architecture=architecture)
                    effective = {"memory_mib": memory_mib, "timeout_s": 300.0, "architecture": architecture}
                    writer.add(
                        [value / 0.9 for value in each["runtime_s"]],
                        per_sandbox=0,
                        memory_mib=memory_mib,
                        changes={"samples": samples},
                        deployment={
                            "platform": platform, "benchmark": function, "config": config,
                            "deployment": Deployment(function, config, effective=effective, region=region),
                        },
                        campaign=campaign,
                        size=step,
                        split="",
                    )  # fmt: skip
    return writer.finish()
