"""Whole runs by the command line, against the emulated gateway."""

from __future__ import annotations

import pytest

from tests.emulated_openfaas import EmulatedOpenFaas
from tests.support import Call, Cli, beyond_this_machine

ON = ("--platform", "openfaas", "--size", "test")


@pytest.mark.slow
def test_run_is_measured_priced_and_gone(cloud: Cli, call: Call, gateway: EmulatedOpenFaas) -> None:
    own = ("--set", "price_per_gb_s_usd=0.001", "--memory", "256", "--set", "callback_url=http://127.0.0.1:0")
    done = call("run", "benchmark", "sleep", *ON, "--repetitions", "1", "--option", "trigger=http,async", *own)
    assert done.code == 0, done.stderr
    rows = cloud.rows("SELECT start_type, cost_usd, provider_billed_s, provider_duration_s FROM measured")
    assert sorted(row[0] for row in rows) == ["cold"] * 2 + ["warm"] * 2
    for _, cost_usd, billed_s, duration_s in rows:
        assert billed_s == duration_s
        assert cost_usd == pytest.approx(billed_s * 0.25 * 0.001)
    assert gateway.functions == {}
    assert beyond_this_machine(call("--json", "clean", "--dry-run", "--platform", "openfaas").json) == []
