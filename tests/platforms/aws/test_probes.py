"""The experiments that look at the way to a function, against the emulated account."""

from __future__ import annotations

import pytest

from tests.support import Cli

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
WORDS = {
    "invocation-overhead": ("--sweeps", "payload", "--payload-bytes", "1024,1048576", "--repetitions", "6"),
    "network": ("--round-trips", "20", "--sandboxes", "2", "--object-bytes", "1024"),
}


@pytest.mark.parametrize("experiment", WORDS)
def test_experiment_ends_well_and_says_what_it_found(cloud: Cli, experiment: str) -> None:
    said = cloud.say("run", "experiment", experiment, "--platform", "aws", *WORDS[experiment], timeout_s=200)
    assert said.code == 0, said.stderr
    assert "not enough data" not in said.stdout
    cells = [status for (status,) in cloud.rows("SELECT status FROM cell")]
    assert cells == ["finished"] * len(cells)
    costs = [cost_usd for (cost_usd,) in cloud.rows("SELECT cost_usd FROM measured")]
    assert all(cost_usd > 0 for cost_usd in costs)
    found = {"invocation-overhead": "invocation overhead is warm ", "network": "median of the round trip "}
    assert found[experiment] in said.stdout
