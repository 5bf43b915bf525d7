"""`sebsx run function URL`: a live endpoint is measured as it is, and its troubles are told in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.endpoints import Endpoint
from tests.support import Call, Cli

THRESHOLD, USAGE, UNSUCCESSFUL = 1, 2, 6
FEW = ("--repetitions", "6", "--max-failures", "2")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as opened:
        yield opened


def run(call: Call, url: str, *more: str):
    return call("run", "function", url, *FEW, *more)


@pytest.mark.slow
def test_known_service_times_are_recovered_for_each_input(sebsx: Cli, call: Call, endpoint: Endpoint) -> None:
    for ms in (5, 40):
        (sebsx.home / f"ms{ms}.json").write_text(json.dumps({"ms": ms}))
    words = ("--payload", "ms5.json,ms40.json", "--repetitions", "15", "--expect", '{"more": [1, 2]}')
    document = run(call, endpoint.url("/sleep"), *words, "--json").json
    assert {cell["factors"]["input"]: cell["status"] for cell in document["cells"]} == {
        "ms5": "finished",
        "ms40": "finished",
    }
    (latency,) = [table for table in document["report"]["tables"] if table["name"] == "latency"]
    assert {row["input"] for row in latency["rows"]} == {"ms5", "ms40"}
    measured = sebsx.rows(
        "SELECT json_extract(cell.factors, '$.input'), client_latency_s FROM measured JOIN cell ON cell.id = cell_id"
    )
    for row in latency["rows"]:
        latencies_s = [latency_s for name, latency_s in measured if name == row["input"]]
        ms = int(row["input"].removeprefix("ms"))
        assert row["ok"] == len(latencies_s) == 15
        assert row["median_s"]["value"] == pytest.approx(median(latencies_s))
        # Of each the fastest, which a busy machine did not delay.
        assert min(latencies_s) == pytest.approx(min(endpoint.took_s[ms]), rel=0, abs=0.01)
        assert min(latencies_s) >= ms / 1000
        assert row["memory_mib"] is None
    # Interleaved: of two inputs, neither was finished before the other was begun.
    sent = [json.loads(body)["ms"] for _, _, _, body in endpoint.seen][2:]
    assert len(sent) == 30
    assert all(set(sent[at : at + 2]) == {5, 40} for at in range(0, 30, 2))
    assert sent[0:2] * 15 != sent


@pytest.mark.slow
def test_nothing_is_made_and_starts_are_unknown_unless_the_answer_tells(
    sebsx: Cli, call: Call, endpoint: Endpoint
) -> None:
    assert run(call, endpoint.url("/text")).code == 0
    assert run(call, endpoint.url("/sebsx")).code == 0
    assert sebsx.rows("SELECT count(*) FROM resource") == [(0,)]
    assert sebsx.rows("SELECT DISTINCT platform, start_type, status FROM measured ORDER BY start_type") == [
        ("url", "unknown", "ok"),
        ("url", "warm", "ok"),
    ]
    assert [method for method, *_ in endpoint.seen] == ["GET"] * 14
    assert endpoint.in_flight_max == 1


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/text", "/empty", "/error", "/output"])
def test_whatever_an_endpoint_answers_with_200_is_an_answer(call: Call, endpoint: Endpoint, path: str) -> None:
    document = run(call, endpoint.url(path), "--json").json
    assert [(cell["status"], cell["stop_reason"]) for cell in document["cells"]] == [("finished", "enough samples")]


@pytest.mark.slow
def test_method_headers_and_payload_are_sent_and_neither_key_is_stored(
    sebsx: Cli, call: Call, endpoint: Endpoint
) -> None:
    words = ("--payload", '{"a": 1}', "--method", "put", "--header", "X-Key=s3cr3t", "--header", "Content-Type=text/x")
    assert run(call, endpoint.url("/text?code=qu3ry"), *words).code == 0
    method, path, headers, body = endpoint.seen[0]
    assert (method, path, body) == ("PUT", "/text?code=qu3ry", b'{"a": 1}')
    assert (headers["X-Key"], headers["Content-Type"]) == ("s3cr3t", "text/x")
    stored = sebsx.store.read_bytes() + b"".join(path.read_bytes() for path in sebsx.home.glob("results.sqlite-*"))
    assert b"127.0.0.1" in stored
    assert b"s3cr3t" not in stored
    assert b"qu3ry" not in stored


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/status/404", ["HTTP 404: <h1>not here</h1>"]),
        ("/status/500", ["HTTP 500"]),
        ("/redirect", ["HTTP 302", "redirects are not followed", "'/sleep/1'"]),
    ],
)
def test_answer_that_is_no_success_is_a_stored_failure_with_its_status(
    sebsx: Cli, call: Call, endpoint: Endpoint, path: str, words: list[str]
) -> None:
    run(call, endpoint.url(path)).assert_fails(UNSUCCESSFUL, "none of the first 3 calls was answered well", *words)
    assert sebsx.rows("SELECT kind, status, count(*) FROM invocation GROUP BY 1, 2") == [
        ("warmup", "platform_error", 3)
    ]
    assert "secret" not in str(sebsx.rows("SELECT error FROM invocation"))


@pytest.mark.slow
def test_failures_while_measuring_are_counted_up_to_the_cap(sebsx: Cli, call: Call, endpoint: Endpoint) -> None:
    endpoint.fails_after = 3
    run(call, endpoint.url("/text")).assert_fails(THRESHOLD, "2 invocations failed", "throttled: HTTP 429")
    statuses = sebsx.rows("SELECT status FROM invocation WHERE kind = 'measured' ORDER BY sequence")
    assert statuses == [("ok",), ("ok",), ("throttled",), ("throttled",)]


@pytest.mark.slow
def test_answer_without_what_is_expected_is_wrong(sebsx: Cli, call: Call, endpoint: Endpoint) -> None:
    expected = sebsx.home / "expected.json"
    expected.write_text('{"slept": 2}')
    words = ("--payload", '{"ms": 1}', "--expect", "expected.json")
    run(call, endpoint.url("/sleep"), *words).assert_fails(
        UNSUCCESSFUL, "wrong_output", "answer.slept is 1, 2 is expected"
    )


@pytest.mark.slow
def test_endpoint_that_cannot_be_reached_and_one_that_speaks_no_tls_are_told(call: Call, endpoint: Endpoint) -> None:
    run(call, "http://127.0.0.1:9/x").assert_fails(UNSUCCESSFUL, "could not connect to 127.0.0.1:9")
    run(call, endpoint.url("/text").replace("http://", "https://")).assert_fails(
        UNSUCCESSFUL, "could not connect", "SSL"
    )


@pytest.mark.slow
def test_limits_hold_and_keep_what_was_measured(sebsx: Cli, call: Call, endpoint: Endpoint) -> None:
    said = run(call, endpoint.url("/text"), "--max-invocations", "4")
    said.assert_fails(THRESHOLD, "limit of 4 invocations reached")
    assert len(endpoint.seen) == 4
    assert sebsx.count() == 3
    run(call, endpoint.url("/text"), "--budget-usd", "1").assert_fails(USAGE, "has no prices", "--max-invocations")
    assert len(endpoint.seen) == 4


@pytest.mark.slow
def test_interrupted_run_is_resumed_when_its_target_is_named_again(
    sebsx: Cli, call: Call, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(call, endpoint.url("/text"), "--max-invocations", "4")
    run_id = call("runs", "--json").json[0]["id"]
    call("run", "--resume", run_id).assert_fails(USAGE, "SEBSX_EXPERIMENT__FUNCTION__ADDRESS")
    monkeypatch.setenv("SEBSX_EXPERIMENT__FUNCTION__ADDRESS", endpoint.url("/text"))
    assert call("run", "--resume", run_id, "--json").json["run"]["status"] == "finished"
    assert sebsx.count() == 6


@pytest.mark.slow
def test_run_without_memory_can_be_reported_compared_and_exported(sebsx: Cli, call: Call, endpoint: Endpoint) -> None:
    for _ in range(2):
        assert run(call, endpoint.url("/text")).code == 0
    ids = [item["id"] for item in call("runs", "--json").json]
    assert call("report", "last", "--out", "report.html").code == 0
    assert call("compare", *ids).code == 0
    names = {exporter["name"] for exporter in call("list", "exporters", "--json").json}
    for name in sorted(names - {"asv"}):  # orders by commits, and there is none
        said = call("export", "last", "--format", name, "--out", f"out-{name}")
        assert said.code == 0, said.stderr
    assert "127.0.0.1" in (sebsx.home / "out-openmetrics").read_text()


def test_plan_calls_nothing_and_says_whose_costs_they_are(call: Call, endpoint: Endpoint) -> None:
    said = call("plan", "function", endpoint.url("/text"), "--json")
    plan = said.json
    assert (plan["deployments"], plan["invocations"], plan["cost_usd"]) == (1, 30, None)
    assert any("is live" in note and "yours" in note for note in plan["notes"])
    assert endpoint.seen == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--payload", "none.json"], ["payload 'none.json'", "neither JSON nor a file"]),
        (["--payload", "broken.json"], ["'broken.json' is not valid JSON"]),
        (["--expect", "{"], ["expect '{'"]),
        (["--memory", "128"], ["takes a function as it is"]),
        (["--start", "cold"], ["takes a function as it is"]),
        (["--architecture", "arm64"], ["takes a function as it is"]),
        (["--memory", "128", "--in-place"], ["takes a function as it is"]),
        (["--in-place"], ["--memory"]),
        (["--concurrency", "101"], ["at most 100"]),
        (["--method", "FETCH"], ["--method 'FETCH': must be one of"]),
        (["--header", "X"], ["--header", "KEY=VALUE"]),
        (["--platform", "local"], ["'local'", "adopt"]),
    ],
)
def test_wrong_words_are_refused_before_anything_is_called(
    sebsx: Cli, call: Call, endpoint: Endpoint, words: list[str], told: list[str]
) -> None:
    (sebsx.home / "broken.json").write_text("{")
    call("run", "function", endpoint.url("/text"), *words).assert_fails(USAGE, *told)
    assert endpoint.seen == []


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ([], ["sebsx run function ARN|URL"]),
        (["my-function"], ["neither an ARN nor a URL", "--platform"]),
        (["ftp://host/x"], ["neither an ARN nor a URL"]),
        (["http://"], ["not a URL"]),
        (["http://host:99999/x"], ["URL cannot be read"]),
        (["arn:aws:s3:::bucket"], ["names no Lambda function", "arn:aws:lambda:REGION"]),
    ],
)
def test_target_that_names_nothing_is_refused(call: Call, target: list[str], told: list[str]) -> None:
    call("plan", "function", *target).assert_fails(USAGE, *told)


def test_files_of_one_name_and_large_payloads_are_refused(sebsx: Cli, call: Call) -> None:
    for folder in ("a", "b"):
        (sebsx.home / folder).mkdir()
        (sebsx.home / folder / "x.json").write_text("{}")
    call("plan", "function", "http://h/", "--payload", "a/x.json,b/x.json").assert_fails(USAGE, "2 payload files")
    Path(sebsx.home / "large.json").write_text(json.dumps("x" * 6 * 2**20))
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    call("plan", "function", arn, "--payload", "large.json").assert_fails(USAGE, "'large'", "at most 6291456")
    call("plan", "function", arn, "--method", "GET").assert_fails(USAGE, "are for URLs")
    call("plan", "function", arn, "--start", "cold").assert_fails(USAGE, "--in-place")


def test_help_and_completion_know_the_command(call: Call) -> None:
    said = call("run", "function", "--help")
    assert said.code == 0
    for word in ("[ARN|URL]", "--payload", "--memory", "--in-place", "--header", "--expect", "--budget-usd"):
        assert word in said.stdout
    assert "function" in call("run", "--help").stdout


@pytest.mark.slow
def test_time_out_is_what_is_waited_for(sebsx: Cli, call: Call, endpoint: Endpoint) -> None:
    said = run(call, endpoint.url("/sleep"), "--payload", '{"ms": 3000}', "--timeout", "0.3", "--max-failures", "1")
    said.assert_fails(UNSUCCESSFUL, "timeout")
    waited_s = [latency_s for (latency_s,) in sebsx.rows("SELECT client_done_s - client_sent_s FROM invocation")]
    assert waited_s
    assert all(0.3 <= latency_s < 2.5 for latency_s in waited_s)  # the function would have had 3 s
