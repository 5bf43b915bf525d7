"""Whole runs by the command line, against the emulated gateway and, where the environment names one, a real one."""

from __future__ import annotations

import os

import pytest

from tests.emulated_openfaas import EmulatedOpenFaas
from tests.support import Call, Cli

ON = ("--platform", "openfaas", "--size", "test")
REAL = tuple(os.environ.get(f"OPENFAAS_{name}") for name in ("GATEWAY_URL", "PASSWORD", "REGISTRY"))


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
    assert call("--json", "clean", "--dry-run", "--platform", "openfaas").json == []


@pytest.mark.cloud
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    not all(REAL), reason="not run: OPENFAAS_GATEWAY_URL, OPENFAAS_PASSWORD and OPENFAAS_REGISTRY are not set"
)
def test_real_gateway_is_measured_and_left_empty(sebsx: Cli) -> None:
    url, password, registry = map(str, REAL)
    prefix = "SEBSX_PLATFORM__OPENFAAS__"
    sebsx.environment |= {f"{prefix}GATEWAY": url, f"{prefix}PASSWORD": password, f"{prefix}REGISTRY": registry}
    for name in ("USER", "NAMESPACE", "CALLBACK_URL", "PYTHON_IMAGE", "WATCHDOG_IMAGE"):
        if value := os.environ.get(f"OPENFAAS_{name}"):
            sebsx.environment[prefix + name] = value
    assert sebsx("doctor", "--platform", "openfaas").returncode == 0
    both = ("--option", "trigger=http,async") if os.environ.get("OPENFAAS_CALLBACK_URL") else ()
    done = sebsx("run", "benchmark", "sleep", *ON, "--repetitions", "3", *both, timeout_s=800)
    assert done.returncode == 0, done.stderr
    wrong = "start_type != start_wanted OR provider_duration_s IS NULL"
    assert sebsx.rows(f"SELECT count(*) FROM measured WHERE {wrong}") == [(0,)]
    ((run_id,),) = sebsx.rows("SELECT ulid FROM run")
    assert sebsx.json("clean", "--platform", "openfaas", "--run", run_id, "--dry-run") == []
