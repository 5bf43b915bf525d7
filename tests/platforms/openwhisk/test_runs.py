"""Whole runs by the command line, against the emulated server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.stores import self_signed, stores
from tests.support import Call, Cli, beyond_this_machine

ON = ("--platform", "openwhisk", "--size", "test")


@pytest.mark.slow
def test_run_is_measured_priced_and_gone(cloud: Cli, call: Call, whisk: EmulatedOpenWhisk) -> None:
    own = ("--set", "price_per_gb_s_usd=0.001", "--set", "price_per_request_usd=0.5", "--memory", "256")
    done = call("run", "benchmark", "sleep", *ON, "--repetitions", "2", *own)
    assert done.code == 0, done.stderr
    rows = cloud.rows("SELECT start_type, cost_usd, provider_billed_s, provider_init_s, start_evidence FROM measured")
    assert sorted(row[0] for row in rows) == ["cold", "cold", "warm", "warm"]
    for start, cost_usd, billed_s, init_s, evidence in rows:
        assert cost_usd == pytest.approx(0.5 + billed_s * 0.25 * 0.001)
        assert (init_s is not None) == (start == "cold")
        told = json.loads(evidence)
        assert told["function"] == told["provider"] == start
        assert told["provider_wait_s"] >= 0
    assert whisk.actions == {}
    assert beyond_this_machine(call("--json", "clean", "--dry-run", "--platform", "openwhisk").json) == []


@pytest.mark.slow
def test_load_bursts_and_open_loops_are_sent(cloud: Cli, call: Call, whisk: EmulatedOpenWhisk) -> None:
    done = call("run", "benchmark", "sleep", *ON, "--start", "burst", "--set", "burst_size=3", "--repetitions", "3",
                "--option", "trigger=blocking,async")  # fmt: skip
    assert done.code == 0, done.stderr
    assert cloud.rows("SELECT count(*), min(status), max(status) FROM measured") == [(6, "ok", "ok")]
    assert len(cloud.rows("SELECT DISTINCT sandbox_id FROM measured")) == 6


@pytest.mark.slow
def test_action_that_exists_is_measured_by_its_name(cloud: Cli, call: Call, whisk: EmulatedOpenWhisk) -> None:
    code = "def main(args):\n    return {'greeting': args.get('name')}\n"
    whisk.answer("PUT", "/namespaces/_/actions/hello", {}, {"exec": {"kind": "python:3.11", "code": code}})
    done = call("run", "function", "/guest/hello", "--platform", "openwhisk", "--payload", '{"name": "you"}',
                "--repetitions", "3", "--expect", '{"greeting": "you"}')  # fmt: skip
    assert done.code == 0, done.stderr
    assert cloud.rows("SELECT count(*), min(status), max(status) FROM measured") == [(3, "ok", "ok")]
    assert whisk.actions.keys() == {"hello"}


@pytest.mark.slow
def test_storage_with_a_self_signed_certificate_is_trusted_when_that_is_said(
    cloud: Cli, call: Call, whisk: EmulatedOpenWhisk, tmp_path: Path
) -> None:
    with stores(self_signed(tmp_path)) as settings:
        own = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        words = ("run", "benchmark", "crud-api", *ON, "--start", "warm", "--repetitions", "1", *own)
        call(*words).assert_fails(4, "its certificate is not trusted; name the file", "--set store_certificate=")
        for language in ("python", "nodejs"):
            trusted = ("--set", f"store_certificate={tmp_path / 'certificate'}", "--language", language)
            done = call(*words, *trusted)
            assert done.code == 0, done.stderr
    assert cloud.rows("SELECT DISTINCT status FROM measured") == [("ok",)]
