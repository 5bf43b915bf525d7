"""Functions of the emulated account send each other messages over its object storage and table, and pay for them."""

from __future__ import annotations

import json

import pytest

from tests.emulated_aws import EmulatedAccount
from tests.support import Cli


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_storage_table_and_tcp_are_measured_priced_and_gone(cloud: Cli, account: EmulatedAccount) -> None:
    words = ("--channels", "storage,table,tcp,payload", "--sizes", "1,4KiB", "--rounds", "2", "--round-trips", "4")
    done = cloud("run", "experiment", "communication", "-P", "aws", *words, "--poll", "0.01", timeout_s=380)
    assert done.returncode == 0, done.stderr
    cells = cloud.rows("SELECT factors, status, error FROM cell")
    found = {json.loads(text)["channel"]: (status, error) for text, status, error in cells}
    assert [found[name][0] for name in ("storage", "table", "tcp")] == ["finished"] * 3, found
    # Lambda wants every payload signed, which the producer has no right to do.
    assert found["payload"][0] == "unsupported", found
    query = "SELECT v.value FROM run_value v JOIN metric m ON m.id = v.metric_id JOIN cell c ON c.id = v.cell_id "
    prices = cloud.rows(query + "WHERE m.name = 'communication.operations_usd' AND c.factors LIKE '%storage%'")
    # At least a PUT and a GET for each message, at 5 and 0.4 USD a million.
    assert len(prices) == 2
    assert all(usd >= 5.4e-6 for (usd,) in prices)
    assert account.remaining() == {}
