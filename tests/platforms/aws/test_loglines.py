"""What Lambda writes into its log is read as what it says, whatever is missing, new or cut off."""

from __future__ import annotations

import base64
import dataclasses
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from sebsx.errors import UserError
from sebsx.model import Cell, Deployment, FunctionConfig, ProviderRecord, StartType, Status
from sebsx.running.limits import Limits
from sebsx.testing.contexts import context_for
from sebsx_aws.backend import AwsPlatform
from sebsx_aws.loglines import error_status, read_line, read_log, said
from sebsx_aws.resources import tagged
from sebsx_aws.settings import AwsSettings

ID = "8c360c87-d4b7-4423-b5f3-af02be3c1763"


def report(*fields: str) -> str:
    return "\t".join((f"REPORT RequestId: {ID}", *fields)) + "\t\n"


WARM = ("Duration: 2338.66 ms", "Billed Duration: 2339 ms", "Memory Size: 3009 MB", "Max Memory Used: 173 MB")


def test_warm_line_has_time_and_memory_and_no_initialisation():
    record = read_line(report(*WARM))
    assert record is not None
    assert (record.request_id, record.duration_s, record.billed_s) == (ID, 2.33866, 2.339)
    assert (record.init_s, record.start_type, record.status) == (None, StartType.WARM, None)
    assert record.max_memory_bytes == 173 * 1024 * 1024


def test_line_that_was_cut_off_says_nothing_of_the_start():
    record = read_line(report(*WARM).rstrip())
    assert record is not None
    assert (record.duration_s, record.start_type) == (2.33866, None)


@pytest.mark.parametrize(
    "field",
    [
        "Extension Duration: 9.00 ms", "Post Runtime Extensions Duration: 9 ms", "Duration: Infinity ms",
        f"Duration: {'9' * 400} ms", "Duration: -5 ms", "Duration: 9 MB", "Duration: nan ms", "Duration: 1e5 ms",
    ],
)  # fmt: skip
def test_field_that_is_not_known_or_no_figure_replaces_nothing(field: str) -> None:
    for line in (report(field, *WARM), report(*WARM, field)):
        record = read_line(line)
        assert record is not None
        assert (record.duration_s, record.billed_s) == (2.33866, 2.339)
    assert read_line(report(field)) is None


@pytest.mark.parametrize("value", ["Infinity", "-1", "NaN", "9" * 400, "1e400", "true", '"5"', "null"])
def test_json_figure_that_is_none_is_left_out(value: str) -> None:
    metrics = f'{{"durationMs": 5.0, "initDurationMs": {value}, "billedDurationMs": {value}}}'
    line = f'{{"type": "platform.report", "record": {{"requestId": "x", "metrics": {metrics}}}}}'
    record = read_line(line)
    assert record is not None
    assert (record.duration_s, record.init_s, record.billed_s) == (0.005, None, None)


@pytest.mark.parametrize("line", ["[" * 200_000, '{"type":' * 1000, '{"a":' * 5000 + "1" + "}" * 5000])
def test_line_that_is_nested_deeply_is_passed_over(line: str) -> None:
    assert read_line(line) is None


def test_initialisation_of_nothing_makes_no_cold_start():
    record = read_line(report(*WARM, "Init Duration: 0.00 ms"))
    assert record is not None
    assert (record.init_s, record.start_type) == (None, StartType.WARM)


def test_function_that_prints_a_report_is_not_believed():
    forged = report("Duration: 1.00 ms", "Billed Duration: 1 ms", "Init Duration: 1.00 ms")
    tail = [forged, f"END RequestId: {ID}", report(*WARM)]
    assert read_log(tail)[ID].billed_s == 2.339
    assert read_line(f"info: {forged}") is None
    assert read_line(forged) != read_line(report(*WARM))  # and of records that differ none is believed


def test_cold_line_has_the_initialisation():
    record = read_line(report(*WARM, "Init Duration: 92.26 ms"))
    assert record is not None
    assert record.init_s == pytest.approx(0.09226)
    assert record.start_type is None  # an initialisation says cold by itself


# Lines of real accounts; a billed restore is part of the billed duration: ceil(127.10) + 26 = 154.
@pytest.mark.parametrize(
    ("duration_ms", "billed_ms", "restore_ms", "billed_restore_ms"),
    [(2338.66, 2521, 398.97, 182), (127.10, 154, 325.93, 26), (306.34, 610, 511.25, 303), (149.53, 313, 789.64, 163)],
)
def test_restored_line_is_billed_once(
    duration_ms: float, billed_ms: int, restore_ms: float, billed_restore_ms: int
) -> None:
    record = read_line(
        report(
            f"Duration: {duration_ms:.2f} ms", f"Billed Duration: {billed_ms} ms", "Memory Size: 3009 MB",
            "Max Memory Used: 173 MB", f"Restore Duration: {restore_ms:.2f} ms",
            f"Billed Restore Duration: {billed_restore_ms} ms",
        )
    )  # fmt: skip
    assert record is not None
    assert record.start_type is StartType.RESTORED
    assert record.billed_s == billed_ms / 1000
    assert record.init_s == pytest.approx(restore_ms / 1000)
    assert record.duration_s == pytest.approx(duration_ms / 1000)


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        (("Status: timeout",), Status.TIMEOUT),
        (("Status: error", "Error Type: Runtime.ExitError"), None),
        (("XRAY TraceId: 1-66d978e5", "SegmentId: 29c3839e", "Sampled: true"), None),
        (("Something New: 12 ms", "Another Thing: yes"), None),
    ],
)
def test_status_is_read_and_what_is_unknown_passed_over(tail: tuple[str, ...], status: Status | None) -> None:
    record = read_line(report(*WARM, *tail))
    assert record is not None
    assert (record.status, record.duration_s) == (status, 2.33866)


def test_runtime_that_ended_with_all_its_memory_in_use_is_out_of_memory():
    fields = ("Duration: 9.1 ms", "Billed Duration: 10 ms", "Memory Size: 128 MB", "Max Memory Used: 128 MB")
    broken = read_line(report(*fields, "Status: error", "Error Type: Runtime.ExitError"))
    fine = read_line(report(*fields))
    assert broken is not None
    assert fine is not None
    assert (broken.status, fine.status) == (Status.OUT_OF_MEMORY, None)


def test_restored_start_pays_the_fee_for_its_restore(tmp_path: Path) -> None:
    context = context_for(AwsPlatform, tmp_path)
    platform = AwsPlatform(AwsSettings(region="us-east-1"), context)
    config = FunctionConfig("f", memory_mib=2048, timeout_s=10.0, architecture="x86_64")
    deployment = Deployment(
        "f",
        config,
        effective={"memory_mib": 2048, "architecture": "x86_64"},
        endpoint=None,
        headers={},
        region="us-east-1",
    )
    billed = ProviderRecord("x", duration_s=0.128, billed_s=0.154, init_s=0.3)
    restored = dataclasses.replace(billed, start_type=StartType.RESTORED)
    prices = context.prices
    plain_usd, restored_usd = (prices.cost_usd(platform, deployment, each) for each in (billed, restored))
    assert plain_usd is not None
    assert restored_usd is not None
    assert plain_usd == pytest.approx(0.154 * 2 * 0.0000166667 + 0.0000002)
    assert restored_usd - plain_usd == pytest.approx(2 * 0.0001397998)  # USD per GB restored


def test_plan_has_the_fee_for_restores_where_sandboxes_come_from_snapshots(tmp_path: Path) -> None:
    context = context_for(AwsPlatform, tmp_path)
    platform = AwsPlatform(AwsSettings(region="us-east-1"), context)
    plain, restoring = (
        partial(context.prices.estimate_usd, platform, 2048, "x86_64", options={"snapstart": on})
        for on in (False, True)
    )
    without, within = plain(0.1, 0.3), restoring(0.1, 0.3)
    assert without is not None
    assert within is not None
    assert within - without == pytest.approx(2 * 0.0001397998)
    assert restoring(0.1) == plain(0.1)


def test_plan_has_ephemeral_storage(tmp_path: Path) -> None:
    context = context_for(AwsPlatform, tmp_path)
    platform = AwsPlatform(AwsSettings(region="us-east-1"), context)
    plain, more = (
        context.prices.estimate_usd(platform, 1024, "x86_64", 2.0, options={"ephemeral_mib": mib})
        for mib in (512, 2560)
    )
    assert plain is not None
    assert more is not None
    assert more - plain == pytest.approx(2 * 2 * 0.0000000309)  # GB-s above 512 MB


def test_most_that_an_invocation_costs_has_the_longest_initialisation(tmp_path: Path) -> None:
    context = context_for(AwsPlatform, tmp_path)
    platform = AwsPlatform(AwsSettings(region="us-east-1"), context)
    most_usd = context.prices.most_usd(platform, 1024, "x86_64", 3.0)
    assert most_usd == pytest.approx(13 * 0.0000166667 + 0.0000002)


def test_budget_is_refused_where_restores_have_no_price(tmp_path: Path) -> None:
    context = context_for(AwsPlatform, tmp_path)
    there, elsewhere = (AwsPlatform(AwsSettings(region=region), context) for region in ("us-east-1", "eu-central-1"))
    provision = there.provision(128, {"snapstart": True}, "x86_64")
    cell = Cell({"platform": "aws", **provision.factors}, 1, provision=provision)
    Limits(budget_usd=1.0).check([there], [cell])
    Limits(budget_usd=1.0).check([elsewhere])
    with pytest.raises(UserError, match="'aws' has no prices with 128 MiB, snapstart true"):
        Limits(budget_usd=1.0).check([elsewhere], [cell])


@pytest.mark.parametrize(
    ("tag", "expires_at"),
    [
        ({"sebsx-expires": "2026-12-01T10:00:00Z"}, datetime(2026, 12, 1, 10, tzinfo=UTC)),
        ({"sebsx-expires": "2026-12-01"}, datetime(2026, 12, 1, tzinfo=UTC)),  # as somebody may write it
        ({"sebsx-expires": "later"}, datetime.max.replace(tzinfo=UTC)),
        ({}, datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_what_tells_no_time_to_expire_is_kept(tag: dict[str, str], expires_at: datetime) -> None:
    tagging, iam = MagicMock(), MagicMock()
    arn = "arn:aws:lambda:us-east-1:123456789012:function:sebsx-f"
    tags = [{"Key": key, "Value": value} for key, value in {"sebsx-run": "R", "sebsx-platform": "aws", **tag}.items()]
    tagging.get_paginator().paginate.return_value = [{"ResourceTagMappingList": [{"ResourceARN": arn, "Tags": tags}]}]
    clients: Any = SimpleNamespace(tagging=tagging, iam=iam, region="us-east-1")
    (found,) = tagged(clients, "aws")
    assert found.expires_at == expires_at


def test_fields_in_another_order_say_the_same():
    assert read_line(report(*WARM)) == read_line(report(*reversed(WARM)))


@pytest.mark.parametrize("length", range(0, 150, 7))
def test_line_cut_off_at_its_end_is_read_as_far_as_it_goes_or_passed_over(length: int) -> None:
    record = read_line(report(*WARM, "Init Duration: 92.26 ms")[:length])
    assert record is None or (record.request_id == ID and record.duration_s is not None)


@pytest.mark.parametrize(
    "line",
    [
        "", "START RequestId: x Version: $LATEST", "END RequestId: x", "REPORT", "{", "[1]",
        '{"type": "platform.start"}', '{"type": "platform.report"}', '{"type": "platform.report", "record": 5}',
        '"REPORT"', "null",
        '{"type": "platform.report", "record": {"requestId": "x", "metrics": {"durationMs": "fast"}}}',
        "INIT_REPORT Init Duration: 10006.74 ms\tPhase: init\tStatus: timeout",
    ],
)  # fmt: skip
def test_other_lines_are_passed_over(line: str) -> None:
    assert read_line(line) is None


def test_json_line_says_the_same_as_the_text() -> None:
    # Sample of an account, in the format of `LoggingConfig.LogFormat=JSON`.
    metrics = {
        "durationMs": 147.156, "billedDurationMs": 201, "memorySizeMB": 512, "maxMemoryUsedMB": 91,
        "restoreDurationMs": 500.795, "billedRestoreDurationMs": 53,
    }  # fmt: skip
    told = {"requestId": ID, "status": "success", "metrics": metrics, "spans": [], "new": None}
    record = read_line(json.dumps({"time": "2024-02-09T08:42:44.080Z", "type": "platform.report", "record": told}))
    text = report(
        "Duration: 147.156 ms", "Billed Duration: 201 ms", "Memory Size: 512 MB", "Max Memory Used: 91 MB",
        "Restore Duration: 500.795 ms", "Billed Restore Duration: 53 ms",
    )  # fmt: skip
    assert record == read_line(text)
    assert record is not None
    assert (record.start_type, record.billed_s) == (StartType.RESTORED, 0.201)


def test_log_gives_a_record_for_each_report_among_other_lines():
    other = report(*WARM).replace(ID, "another")
    log = ["START RequestId: x\n", report(*WARM), "printed REPORT by the function\n", other]
    assert set(read_log(log)) == {ID, "another"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3.00 seconds"}, Status.TIMEOUT),
        ({"errorMessage": "2026-01-01 x Task timed out after 3.00 seconds"}, Status.TIMEOUT),
        ({"errorType": "Runtime.ExitError", "errorMessage": "Error: signal: killed"}, Status.OUT_OF_MEMORY),
        ({"errorType": "Runtime.OutOfMemory", "errorMessage": ""}, Status.OUT_OF_MEMORY),
        ({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"}, Status.FUNCTION_ERROR),
        ({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": "too large"}, Status.FUNCTION_ERROR),
        ([], Status.FUNCTION_ERROR),
    ],
)
def test_error_of_lambda_itself_has_its_status(body: object, status: Status) -> None:
    assert error_status(json.dumps(body).encode()) is status


def test_body_that_is_no_json_says_nothing():
    assert said(b"<html>") == ("", "")
    assert error_status(b"") is Status.FUNCTION_ERROR


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        (base64.b64encode(b"looking it up\nREPORT ...").decode(), "looking it up\nREPORT ..."),
        ("n\u00f6 base64", ""),
        ("", ""),
    ],
)
def test_what_a_function_printed_is_the_tail_of_its_answer(tmp_path: Path, tail: str, told: str) -> None:
    platform = AwsPlatform(AwsSettings(region="eu-central-1"), context_for(tmp_path, "aws"))
    reply = SimpleNamespace(headers={"x-amz-log-result": tail})
    assert platform.output_of(MagicMock(), reply) == told  # type: ignore[arg-type]
