"""Whole runs by the command line on both architectures, killed ones too: measured, priced, and nothing left behind."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.emulated_aws import REGION, EmulatedAccount
from tests.emulated_aws.account import DEFAULT_ACCOUNT_ID, FUNCTION_KEY
from tests.support import Cli, beyond_this_machine, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
BOTH = ("--platform", "aws,aws-arm")
SMALL = ("--size", "test", "--repetitions", "1")


def assert_empty(cloud: Cli, account: EmulatedAccount) -> None:
    assert account.remaining() == {}
    assert beyond_this_machine(cloud.json("clean", "--dry-run", *BOTH)) == []
    assert cloud.rows("SELECT kind, name, state FROM resource WHERE state != 'deleted'") == []


def test_pair_of_architectures_is_measured_priced_and_gone(cloud: Cli, account: EmulatedAccount) -> None:
    done = cloud("run", "benchmark", "sleep", *BOTH, "--size", "test", "--repetitions", "2")
    assert done.returncode == 0, done.stderr
    rows = cloud.rows(
        "SELECT platform, architecture, start_type, cost_usd, provider_billed_s, provider_init_s FROM measured"
    )
    assert {(platform, architecture) for platform, architecture, *_ in rows} == {
        ("aws", "x86_64"), ("aws-arm", "arm64"),
    }  # fmt: skip
    for _, architecture, start, cost_usd, billed_s, init_s in rows:
        # 128 MiB; USD per GB-s and request of 2026-09 in us-east-1; milliseconds rounded up.
        per_gb_s = 0.0000166667 if architecture == "x86_64" else 0.0000133334
        assert cost_usd == pytest.approx(billed_s * 0.125 * per_gb_s + 0.0000002, rel=1e-6)
        assert (init_s is not None) == (start == "cold")
    assert sorted({start for _, _, start, *_ in rows}) == ["cold", "warm"]
    told = cloud.rows("SELECT DISTINCT start_evidence FROM measured WHERE start_type = 'cold'")
    for (evidence,) in told:
        assert json.loads(evidence)["initialization"] == "on-demand"
        assert json.loads(evidence)["init_gap_s"] < 10
    effective = [json.loads(text) for (text,) in cloud.rows("SELECT effective FROM deployment")]
    assert {item["architecture"] for item in effective} == {"x86_64", "arm64"}
    assert all(item["memory_mib"] == 128 and item["runtime"] == "python3.12" for item in effective)
    assert_empty(cloud, account)


@pytest.mark.network
def test_quick_suite_runs_on_both_architectures(cloud: Cli, account: EmulatedAccount) -> None:
    done = cloud("run", "benchmark", "--suite", "quick", *BOTH, *SMALL, timeout_s=380)
    assert done.returncode == 0, done.stderr
    cells = cloud.rows("SELECT status, count(*) FROM cell GROUP BY status")
    assert dict(cells).keys() == {"finished"}
    assert cloud.rows("SELECT count(*) FROM measured WHERE cost_usd IS NULL OR start_type != start_wanted") == [(0,)]
    assert_empty(cloud, account)


def test_more_functions_than_a_page_of_a_listing_leave_nothing(cloud: Cli, account: EmulatedAccount) -> None:
    memory = ",".join(map(str, range(128, 180)))
    done = cloud(
        "run", "benchmark", "sleep", "--platform", "aws", *SMALL, "--start", "warm", "--memory", memory,
        "--max-attempts", "3", timeout_s=380,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert cloud.rows("SELECT count(*), count(DISTINCT memory_mib) FROM deployment WHERE status = 'deleted'") == [
        (52, 52)
    ]
    created = [seen for seen in account.requests if (seen.method, seen.path) == ("POST", "/2015-03-31/functions")]
    assert len(created) == 52  # a page of the listing holds 50
    assert_empty(cloud, account)


def other(account: EmulatedAccount, service: str) -> Any:
    """A client of somebody else in the account."""
    keys = {"aws_access_key_id": "AKIAOFANOTHERONE0000", "aws_secret_access_key": "x"}
    return boto3.client(service, region_name=REGION, endpoint_url=account.url, **keys)


def kill_half_way(cloud: Cli, account: EmulatedAccount) -> str:
    process = cloud.start("run", "benchmark", "crud-api", *BOTH, "--size", "test", "--repetitions", "10000")
    wait_until(lambda: cloud.count() >= 2, process)
    process.kill()
    process.communicate()
    assert {"functions", "roles", "tables", "log groups"} <= account.remaining().keys()
    ((run_id,),) = cloud.rows("SELECT ulid FROM run")
    return str(run_id)


def test_killed_run_is_cleaned_from_the_ledger(cloud: Cli, account: EmulatedAccount) -> None:
    run_id = kill_half_way(cloud, account)
    rows = cloud.json("clean")
    assert {"function", "log-group", "role", "table"} <= {row["kind"] for row in rows}
    assert {row["run"] for row in rows if row["platform"] == "aws"} == {run_id}
    assert_empty(cloud, account)


def test_killed_run_is_cleaned_from_another_machine_by_its_tags(
    cloud: Cli, account: EmulatedAccount, tmp_path: Path
) -> None:
    run_id = kill_half_way(cloud, account)
    cloud.environment |= {"SEBSX_STORE": str(tmp_path / "other.sqlite"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    kept = cloud.json("clean", *BOTH)
    assert kept
    assert all(row["outcome"].startswith("kept until ") for row in kept)
    assert "functions" in account.remaining()
    gone = cloud.json("clean", *BOTH, "--run", run_id)
    assert {row["outcome"] for row in gone} == {"deleted"}
    assert account.remaining() == {}


def test_what_has_expired_is_cleaned_from_any_machine(cloud: Cli, account: EmulatedAccount, tmp_path: Path) -> None:
    process = cloud.start(
        "run", "benchmark", "sleep", "--platform", "aws", "--size", "test", "--set", "ttl_h=0.1",
        "--repetitions", "10000",
    )  # fmt: skip
    wait_until(lambda: cloud.count() >= 1, process)
    process.kill()
    process.communicate()
    for function in account.functions():
        account.retag(function, "sebsx-expires", "2020-01-01T00:00:00Z")
    cloud.environment["SEBSX_STORE"] = str(tmp_path / "other.sqlite")
    rows = {row["kind"]: row["outcome"] for row in cloud.json("clean", "--platform", "aws")}
    assert rows["function"] == "deleted"
    assert rows["role"].startswith("kept until ")


def test_resources_of_others_are_never_touched(cloud: Cli, account: EmulatedAccount) -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    other(account, "iam").create_role(RoleName="sebsx-like", Path="/sebsx/", AssumeRolePolicyDocument=trust)
    other(account, "s3").create_bucket(Bucket="sebsx-looks-like-ours")
    other(account, "sqs").create_queue(QueueName="sebsx-mine", tags={"owner": "somebody"})
    before = account.remaining()
    done = cloud("run", "benchmark", "sleep", "--platform", "aws", *SMALL)
    assert done.returncode == 0, done.stderr
    assert cloud("clean", *BOTH, "--yes").returncode == 0
    assert account.remaining() == before


def test_no_secret_and_no_account_number_is_written_anywhere(cloud: Cli, account: EmulatedAccount) -> None:
    """Plants keys, a token and a role, lets runs fail and succeed, and searches store, logs and exports."""
    cloud.environment |= {
        "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED00", "AWS_SECRET_ACCESS_KEY": "planted/secret/key",
        "AWS_SESSION_TOKEN": "planted/session/token",
    }  # fmt: skip
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = other(account, "iam").create_role(RoleName="mine", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    said = ""
    for options in (
        ("--option", "trigger=sdk,async"), ("--option", "trigger=url", "--set", "upload=s3"),
        ("--set", f"role={role}"), ("--set", "log_format=json"),
    ):  # fmt: skip
        if options[1] == "log_format=json":
            account.fail(
                "POST", "/2015-03-31/functions$", 403, "AccessDeniedException",
                f"User: arn:aws:iam::{DEFAULT_ACCOUNT_ID}:user/bob is not authorized; AKIAPLANTEDPLANTED00 "
                "https://x/?X-Amz-Signature=0123abcd",
            )  # fmt: skip
        done = cloud("-vv", "run", "benchmark", "crud-api", "--platform", "aws", *SMALL, *options)
        said += done.stdout + done.stderr
    assert cloud.rows("SELECT DISTINCT status FROM run") == [("finished",), ("failed",)]
    assert cloud("export", "--help").returncode == 0
    for (run_id,) in cloud.rows("SELECT ulid FROM run"):
        cloud("export", run_id, "-f", "csv", "-o", f"{run_id}.csv")
        said += cloud("show", run_id, "--json").stdout
    files = [path for path in cloud.home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".csv" for path in files)
    everything = said.encode() + b"".join(path.read_bytes() for path in files)
    assert b"sebsx-" in everything
    for secret in (
        DEFAULT_ACCOUNT_ID, "AKIAPLANTED", "planted/secret", "planted/session", "X-Amz-Signature=0123", "AWS4-HMAC",
        FUNCTION_KEY,
    ):  # fmt: skip
        position = everything.find(secret.encode())
        assert position < 0, everything[max(0, position - 200) : position + 100]


def test_records_that_come_late_are_filled_in_at_the_end(cloud: Cli, account: EmulatedAccount) -> None:
    account.log_delay_s = 2.0
    done = cloud("run", "benchmark", "sleep", "--platform", "aws", *SMALL, "--option", "trigger=url")
    assert done.returncode == 0, done.stderr
    rows = cloud.rows("SELECT provider_duration_s, cost_usd FROM measured")
    assert len(rows) == 2
    assert all(duration_s is not None and cost_usd > 0 for duration_s, cost_usd in rows)


def test_update_that_takes_a_while_is_waited_for(cloud: Cli, account: EmulatedAccount) -> None:
    account.settle_s = 1.5
    started_s = time.monotonic()
    done = cloud("run", "benchmark", "sleep", "--platform", "aws", *SMALL, "--start", "cold")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started_s > 1.5
    assert cloud.rows("SELECT start_type FROM measured WHERE kind = 'measured'") == [("cold",)]


def test_budget_is_held_and_the_run_goes_on_with_a_larger_one(cloud: Cli, account: EmulatedAccount) -> None:
    # A cold one that lasts until its time-out costs 128 MiB for 1 s and 10 s, 2.3e-5 USD: with less it would not begin.
    # Each sleeps for half a second, of 1e-6 USD: 20 calls use up the budget, where short ones were a hundred.
    said = cloud.say(
        "run", "benchmark", "sleep", "--platform", "aws", "--size", "test", "--start", "cold", "--repetitions", "10000",
        "-p", "duration_s=0.5", "--timeout", "1", "--budget-usd", "0.000025",
    )  # fmt: skip
    said.assert_fails(1, "budget of 2.5e-05 USD reached", "sebsx run --resume ")
    ((spent_usd, count),) = cloud.rows("SELECT sum(cost_usd), count(*) FROM invocation")
    assert 0.000020 < spent_usd <= 0.000025
    assert_empty(cloud, account)
    ((run_id,),) = cloud.rows("SELECT ulid FROM run")
    cloud.say("run", "--resume", run_id, "--budget-usd", "0.00005").assert_fails(1, "budget of 5e-05 USD reached")
    ((again_usd, more),) = cloud.rows("SELECT sum(cost_usd), count(*) FROM invocation")
    assert more > count
    assert again_usd <= 0.00005
    assert_empty(cloud, account)


def test_starts_from_a_snapshot_are_cold_ones_under_their_own_name(cloud: Cli, account: EmulatedAccount) -> None:
    """Runs without snapshots, then with them cold alone, then cold and warm."""
    sleep = ("run", "benchmark", "sleep", "--platform", "aws", "--size", "test", "--repetitions", "6")
    snapshots = ("--option", "snapstart=true")
    for options in (("--start", "cold"), ("--start", "cold", *snapshots), ("--start", "cold,warm", *snapshots)):
        done = cloud(*sleep, *options)
        assert done.returncode == 0, done.stderr
        assert ("restored" in done.stdout) == ("snapstart=true" in options)
    plain, alone, both = (run_id for (run_id,) in cloud.rows("SELECT ulid FROM run ORDER BY id"))
    assert cloud.rows(
        "SELECT run, start_wanted, start_type, count(*) FROM measured GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ) == [
        (plain, "cold", "cold", 6), (alone, "cold", "restored", 6), (both, "cold", "restored", 6),
        (both, "warm", "warm", 6),
    ]  # fmt: skip
    rows = cloud.rows(
        "SELECT cost_usd, provider_billed_s, provider_duration_s, provider_init_s, start_evidence FROM measured "
        "WHERE start_type = 'restored'"
    )
    for cost_usd, billed_s, duration_s, restore_s, evidence in rows:
        # 128 MiB; what was billed, the request, and the fee for a GB restored, in USD of 2026-09 in us-east-1.
        assert cost_usd == pytest.approx(billed_s * 0.125 * 0.0000166667 + 0.0000002 + 0.125 * 0.0001397998, rel=1e-6)
        assert duration_s < billed_s < duration_s + restore_s + 0.002  # a part of the restore is billed
        told = json.loads(evidence)
        assert (told["function"], told["provider"], told["initialization"]) == ("restored",) * 3
    ((cheapest_usd,),) = cloud.rows("SELECT min(cost_usd) FROM measured WHERE start_type = 'restored'")
    planned = cloud.json("plan", *sleep[1:], "--start", "cold", *snapshots)
    assert planned["cost_usd"] == pytest.approx(6 * cheapest_usd, rel=0.1)

    apart = cloud.json("compare", plain, alone, "--fail-on", "never")
    assert {row["reason"] for row in apart["rows"]} == {
        "start cold -> restored; snapstart none -> True (--allow start,snapstart compares anyway)"
    }
    alike = cloud.json("compare", alone, both)
    assert {row["identity"]["start"] for row in alike["rows"]} == {"restored"}

    assert cloud("export", both, "-f", "bencher", "-o", "bencher.json").returncode == 0
    names = json.loads((cloud.home / "bencher.json").read_text(encoding="utf-8"))
    assert [name.rpartition("/")[2] for name in names] == ["restored", "warm"]
    assert cloud("report", both, "-o", "report.html").returncode == 0
    page = (cloud.home / "report.html").read_text(encoding="utf-8")
    assert "sleep 128 MiB restored" in page
    assert "sleep 128 MiB cold" not in page
    assert_empty(cloud, account)


def test_trigger_is_a_factor_of_one_interleaved_run(cloud: Cli) -> None:
    done = cloud(
        "run", "benchmark", "sleep", "--platform", "aws", *SMALL, "--start", "warm", "--option", "trigger=sdk,url,async"
    )
    assert done.returncode == 0, done.stderr
    assert cloud.rows("SELECT design FROM run") == [("rmit",)]
    rows = cloud.rows(
        "SELECT json_extract(factors, '$.trigger'), count(*), count(accepted_s), min(polls) FROM measured "
        "WHERE kind = 'measured' GROUP BY 1 ORDER BY 1"
    )
    assert [(trigger, accepted == count, polls > 0) for trigger, count, accepted, polls in rows] == [
        ("async", True, True), ("sdk", False, False), ("url", False, False),
    ]  # fmt: skip
    assert set(cloud.rows("SELECT json_extract(effective, '$.trigger') FROM deployment")) == {
        ("async",), ("sdk",), ("url",),
    }  # fmt: skip


def test_burst_of_events_is_in_flight_together_and_each_has_its_own_result(cloud: Cli) -> None:
    words = ("--burst-size", "8", "--start", "burst", "--repetitions", "8", "--option", "trigger=async")
    done = cloud("run", "benchmark", "sleep", "--platform", "aws", "--size", "test", *words)
    assert done.returncode == 0, done.stderr
    rows = cloud.rows(
        "SELECT count(*), count(DISTINCT request_id), count(accepted_s), min(polls), max(client_sent_s), "
        "min(client_done_s) FROM measured WHERE kind = 'measured' AND status = 'ok' GROUP BY batch"
    )
    assert rows
    for count, different, accepted, polls, last_sent_s, first_done_s in rows:
        assert (count, different, accepted) == (8, 8, 8)
        assert polls >= 1
        assert last_sent_s < first_done_s


def test_events_take_an_open_loop(cloud: Cli) -> None:
    words = ("--rate", "10", "--duration", "3s", "--option", "trigger=async")
    done = cloud("run", "load", "sleep", "--platform", "aws", "--size", "test", *words)
    assert done.returncode in (0, 1), done.stderr  # a busy machine makes a late generator
    ((count, accepted, different, status),) = cloud.rows(
        "SELECT count(*), count(accepted_s), count(DISTINCT request_id), min(status) FROM measured "
        "WHERE kind = 'measured'"
    )
    assert (count, accepted, different, status) == (30, 30, 30, "ok")
