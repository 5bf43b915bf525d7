from __future__ import annotations

import json
from pathlib import Path

import pytest

from sebsx.model import Deployment, FunctionConfig, Invocation, Kind, ProviderRecord, Reply, StartType, Status
from sebsx.model.envelope import Envelope, read_envelope
from sebsx.model.metrics import CORE_METRICS
from sebsx.running.evidence import Starts
from sebsx.running.invocations import read_reply
from sebsx.running.samples import Names
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, FakeSettings

COLD = {
    "sebsx": {
        "v": 1,
        "sandbox": "a" * 32,
        "call": 1,
        "started_s": 10.0,
        "finished_s": 10.5,
        "duration_s": 0.5,
        "boot_s": 0.01,
        "import_s": 0.02,
        "samples": {"phase.compute_s": 0.4},
        "facts": {"python": "3.12.1"},
    },
    "output": {"n": 3},
}


def test_everything_the_shim_says_is_read() -> None:
    envelope = read_envelope(json.dumps(COLD).encode())
    assert envelope.output == {"n": 3}
    assert (envelope.started_s, envelope.finished_s, envelope.duration_s) == (10.0, 10.5, 0.5)
    assert envelope.samples == {"phase.compute_s": 0.4, "function.boot_s": 0.01, "function.import_s": 0.02}
    assert envelope.facts == {"python": "3.12.1"}
    assert envelope.error is None


def test_error_is_type_and_message_in_its_first_line() -> None:
    error = {"type": "ValueError", "message": "bad", "traceback": "File x"}
    envelope = read_envelope(json.dumps({"sebsx": COLD["sebsx"], "error": error}).encode())
    assert envelope.error == "ValueError: bad\nFile x"


def test_further_lines_of_a_message_stand_in_the_traceback_alone() -> None:
    trace = "Traceback\n  File x\nValueError: bad\nworse"
    for traceback, said in ((trace, f"ValueError: bad\n{trace}"), ("File x", "ValueError: bad\nworse\nFile x")):
        error = {"type": "ValueError", "message": "bad\nworse", "traceback": traceback}
        assert read_envelope(json.dumps({"sebsx": COLD["sebsx"], "error": error}).encode()).error == said


def test_plain_json_is_the_output() -> None:
    assert read_envelope(b'{"answer": 42}').output == {"answer": 42}
    assert read_envelope(b"[1, 2]").output == [1, 2]
    assert not read_envelope(b"[1, 2]").measured


def test_what_is_not_json_is_an_error_with_its_beginning() -> None:
    assert "<html>" in str(read_envelope(b"<html>gateway broke").error)


@pytest.mark.parametrize(
    ("call", "init_s", "has_record", "wanted"),
    [
        (1, 0.1, True, StartType.COLD),
        (2, None, True, StartType.WARM),
        (1, None, False, StartType.COLD),
        (7, None, False, StartType.WARM),
        (1, None, True, StartType.COLD),
        (1, 0.0, True, StartType.COLD),
        (2, 0.0, True, StartType.WARM),
        (2, 0.1, True, StartType.COLD),
    ],
)
def test_start_type_follows_the_provider_and_keeps_both_evidences(
    call: int, init_s: float | None, has_record: bool, wanted: StartType
) -> None:
    record = ProviderRecord("id", init_s=init_s) if has_record else None
    invocation = read({"sebsx": {"sandbox": "x", "call": call}, "output": 1}, record)
    assert invocation.start_type is wanted
    evidence = json.loads(invocation.start_evidence)
    assert evidence["function"] == ("cold" if call == 1 else "warm")
    assert ("provider" in evidence) is bool(init_s)


@pytest.mark.parametrize(
    ("initialization", "gap_s", "init_s", "told", "wanted"),
    [
        ("on-demand", 0.2, 0.1, None, StartType.COLD),
        ("on-demand", 9.9, 0.1, None, StartType.COLD),
        ("on-demand", 10.1, 0.1, None, StartType.PROACTIVE),
        ("on-demand", 10.1, None, None, StartType.PROACTIVE),
        ("provisioned", 500.0, 0.1, None, StartType.PROVISIONED),
        ("provisioned", 0.1, None, None, StartType.PROVISIONED),
        ("restored", 0.1, 0.4, StartType.RESTORED, StartType.RESTORED),
        ("on-demand", 0.1, 0.4, StartType.RESTORED, StartType.RESTORED),
        ("kind-of-tomorrow", 0.1, 0.1, None, StartType.COLD),
    ],
)
def test_sandbox_that_was_made_ahead_is_no_cold_start(
    initialization: str, gap_s: float, init_s: float | None, told: StartType | None, wanted: StartType
) -> None:
    shim = {"sandbox": "x", "call": 1, "initialization": initialization, "init_gap_s": gap_s}
    invocation = read({"sebsx": shim, "output": 1}, ProviderRecord("id", init_s=init_s, start_type=told))
    assert invocation.start_type is wanted
    evidence = json.loads(invocation.start_evidence)
    assert (evidence["initialization"], evidence["init_gap_s"]) == (initialization, gap_s)
    assert ("provider" in evidence) is bool(init_s or told)


def test_evidence_of_the_wrong_kind_is_passed_over() -> None:
    invocation = read({"sebsx": {"sandbox": "x", "call": 1, "initialization": [1], "init_gap_s": "2"}}, None)
    assert (invocation.start_type, invocation.start_evidence) == (StartType.COLD, '{"function": "cold"}')


def test_start_type_is_unknown_when_nobody_says() -> None:
    invocation = read({}, None)
    assert (invocation.start_type, invocation.start_evidence) == (StartType.UNKNOWN, "{}")


def read(document: dict[str, object], record: ProviderRecord | None) -> Invocation:
    body = json.dumps(document).encode()
    reply = Reply(
        "id",
        intended_s=0.0,
        sent_s=0.0,
        connected_s=0.0,
        first_byte_s=0.1,
        done_s=0.2,
        http_status=200,
        headers={},
        body=body,
        bytes_out=2,
    )
    platform = FakePlatform(FakeSettings(), context_for(FakePlatform, Path("unused")))
    config = FunctionConfig("fn", memory_mib=128, timeout_s=3.0, architecture="x86_64")
    invocation, _ = read_reply(
        reply, platform=platform, deployment=Deployment("fn", config, effective={}), record=record, starts=Starts(),
        names=Names(metric.name for metric in CORE_METRICS),
        check=lambda _: None,
        sequence=1, batch=0, kind=Kind.MEASURED,
    )  # fmt: skip
    return invocation


@pytest.mark.parametrize(
    ("age_s", "polls", "wanted"),
    [
        (0.19, 0, StartType.WAITED),  # it took 0.2 s, and the sandbox was ready for less
        (0.2, 0, StartType.WARM),
        (500.0, 0, StartType.WARM),
        (None, 0, StartType.WARM),
        (0.19, 3, StartType.UNKNOWN),
        (0.21, 3, StartType.WARM),
    ],
)
def test_later_call_is_warm_where_its_sandbox_was_ready_before_it_was_sent(
    age_s: float | None, polls: int, wanted: StartType
) -> None:
    envelope = Envelope(sandbox_id="x", call=2, age_s=age_s)
    reply = Reply(
        "id",
        intended_s=0.0,
        sent_s=0.0,
        connected_s=0.0,
        first_byte_s=0.1,
        done_s=0.2,
        http_status=200,
        headers={},
        body=b"",
        bytes_out=2,
        polls=polls,
    )
    start, evidence = Starts().of(envelope, reply)
    assert start is wanted
    assert json.loads(evidence)["function"] == wanted


def test_later_call_is_warm_where_its_sandbox_had_answered_before_it_was_sent() -> None:
    starts = Starts()
    first = Reply(
        "id",
        intended_s=0.0,
        sent_s=0.0,
        connected_s=0.0,
        first_byte_s=0.1,
        done_s=0.2,
        http_status=200,
        headers={},
        body=b"",
        bytes_out=2,
    )
    starts.of(Envelope(sandbox_id="x", call=1), first)
    begun_before, sent_after = (
        Reply(
            "id",
            intended_s=0.0,
            sent_s=sent_s,
            connected_s=0.0,
            first_byte_s=0.1,
            done_s=0.5,
            http_status=200,
            headers={},
            body=b"",
            bytes_out=2,
        )
        for sent_s in (0.19, 0.2)
    )
    later = Envelope(sandbox_id="x", call=2, age_s=0.01)  # a clock that stood still
    assert [starts.of(later, reply)[0] for reply in (begun_before, sent_after)] == [StartType.WAITED, StartType.WARM]


def test_failed_initialisation_is_no_warm_start() -> None:
    invocation = read({"sebsx": {"sandbox": "x", "call": 0}, "error": {"type": "ImportError"}}, None)
    assert (invocation.status, invocation.start_type) == (Status.FUNCTION_ERROR, StartType.COLD)


@pytest.mark.parametrize(
    ("told", "kept"), [("NaN", None), ("1e999", None), ("-1", None), ("1e300", None), ("0", 0), ("2.5", 2.5)]
)
def test_gap_before_a_first_call_is_a_time_or_not_kept(told: str, kept: float | None) -> None:
    shim = f'{{"sebsx": {{"sandbox": "x", "call": 1, "init_gap_s": {told}}}}}'
    assert read_envelope(shim.encode()).init_gap_s == kept
