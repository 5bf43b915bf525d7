"""A plan for AWS: made on a machine that has neither its SDK nor a region."""

from __future__ import annotations

import sys

import pytest

from tests.support import Call

WORDS = ("plan", "benchmark", "sleep", "--size", "test", "-P", "aws,aws-arm")


@pytest.fixture(autouse=True)
def without_aws(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """No SDK, no region and no profile."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)


def test_plan_needs_neither_sdk_nor_region_and_says_that_no_price_is_known(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    plan = call(*WORDS, "--json").json
    assert (plan["invocations"], plan["cost_usd"]) == (120, None)
    assert any("give one with --set region=REGION" in line for line in caplog.messages)


def test_region_goes_to_every_platform_that_has_one_and_gives_the_price(call: Call) -> None:
    plan = call(*WORDS, "--set", "region=us-east-1", "--json").json
    assert plan["cost_usd"] > 0
