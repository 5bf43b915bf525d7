"""The part of the contract of a platform that holds it to what becomes of calls."""

from __future__ import annotations

import itertools
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts.senders import Arrives, Ask, Done, HttpAnswer, HttpRequest
from sebsx.model import (
    Deployment,
    StartType,
    Status,
)
from sebsx.model.envelope import read_envelope
from sebsx.running.evidence import Starts
from sebsx.testing.invoking import invoke, invoke_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from sebsx.contracts.platforms import Platform


_AT_ONCE = 4
_IN_A_ROW = 2  # a cold call and a warm one
_SLEEP_S = 0.05


class PlatformCalls:
    """What becomes of calls: outputs, errors, times, and calls at once."""

    @pytest.mark.parametrize("value", [None, 0, "ü \u2028 \"'\\", [1.5, {"a": []}], "x" * 50_000])
    def test_output_comes_back_as_it_is(
        self, live: Platform[Any], deploy: Callable[..., Deployment], value: object
    ) -> None:
        answer = invoke(live, deploy(), {"do": "echo", "value": value})
        assert answer.status is Status.OK
        assert answer.output == {"result": value}

    def test_envelope_has_the_functions_figures(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        answer = invoke(live, deploy(), {"do": "sleep", "value": 0.05})
        assert answer.envelope is not None
        figures = answer.envelope["sebsx"]
        assert figures["v"] == 1
        assert figures["call"] >= 1
        assert figures["sandbox"]
        assert figures["duration_s"] >= 0.05
        assert figures["finished_s"] >= figures["started_s"] > 0
        assert all(isinstance(value, int | float) for value in figures["samples"].values())

    def test_phases_are_samples(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        answer = invoke(live, deploy(), {"do": "echo", "value": 1})
        assert answer.envelope is not None
        assert answer.envelope["sebsx"]["samples"]["phase.echo_s"] >= 0

    def test_error_of_the_function_is_a_result(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        deployment = deploy()
        answer = invoke(live, deployment, {"do": "raise", "value": "by intent"})
        assert answer.status is Status.FUNCTION_ERROR
        assert answer.envelope is not None
        assert answer.envelope["error"]["type"] == "ValueError"
        assert answer.envelope["error"]["message"] == "by intent"
        assert invoke(live, deployment, {"value": 1}).status is Status.OK

    def test_timeout_ends_the_invocation(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        deployment = deploy(timeout_s=1.0)
        assert invoke(live, deployment, {"do": "sleep", "value": 1.5}).status is Status.TIMEOUT
        assert invoke(live, deployment, {"value": 1}).status is Status.OK

    def test_times_of_function_and_driver_agree(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        """Durations alone are compared: the clocks of two hosts are not."""
        deployment = deploy()
        for _ in range(_IN_A_ROW):
            answer = invoke(live, deployment, {"do": "sleep", "value": _SLEEP_S})
            reply, envelope = answer.reply, read_envelope(answer.reply.body)
            marks = [reply.intended_s, reply.sent_s, reply.connected_s, reply.first_byte_s, reply.done_s]
            known = [mark for mark in marks if mark is not None]
            assert known == sorted(known), f"times of a reply are out of order: {marks}"
            waited_s = reply.done_s - reply.sent_s
            assert envelope.duration_s is not None, "the function said nothing of its duration"
            assert _SLEEP_S <= envelope.duration_s <= waited_s, "the function took longer than the driver waited"
            assert envelope.age_s is None or envelope.age_s >= envelope.duration_s, "younger than its call is long"

    def test_calls_at_once_are_told_apart(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        """Of a burst onto a function without sandboxes none is warm: each caused a start, or waited for one."""
        deployment = deploy()
        if deployment.endpoint is None:
            pytest.skip(f"platform {live.name!r} takes one call after the other")
        answers = invoke_together(live, deployment, {"do": "sleep", "value": 0.3}, _AT_ONCE)
        answered = [(read_envelope(answer.reply.body), answer.reply) for answer in answers if answer.envelope]
        assert answered, [answer.reply for answer in answers]
        calls = sorted((envelope.sandbox_id or "", envelope.call or 0) for envelope, _ in answered)
        assert len(set(calls)) == len(calls), "two calls of a sandbox have one number"
        assert all(bool(envelope.facts) == (envelope.call == 1) for envelope, _ in answered)
        starts = Starts()
        for envelope, reply in sorted(answered, key=lambda answer: answer[1].sent_s):
            start, evidence = starts.of(envelope, reply)
            assert start is not StartType.WARM, evidence
            # How long a result lay where it was fetched from, nobody knows: such a call may have waited or not.
            later = {StartType.WAITED, StartType.UNKNOWN} if reply.accepted_s else {StartType.WAITED}
            assert (start in later) == (envelope.call != 1), evidence

    def test_calls_are_in_flight_together_or_said_not_to_be(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        deployment = deploy()
        if live.exchange(deployment) is None and deployment.endpoint is None:
            assert live.one_at_a_time, "calls by invoke() come one after the other: say one_at_a_time = True"
        if live.one_at_a_time:
            pytest.skip(f"platform {live.name!r} takes one call at a time")
        invoke(live, deployment, {"value": 1})
        answers = invoke_together(live, deployment, {"do": "sleep", "value": 1.0}, 3)
        assert [answer.status for answer in answers] == [Status.OK] * 3
        replies = [answer.reply for answer in answers]
        assert max(reply.sent_s for reply in replies) < min(reply.done_s for reply in replies)
        for reply in replies:
            assert reply.attempts == 1
            assert reply.intended_s <= reply.sent_s <= (reply.accepted_s or reply.sent_s) <= reply.done_s
            assert (reply.accepted_s is None) == (reply.polls == 0)

    def test_exchange_is_plain_data_that_takes_any_answer(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        deployment = deploy()
        exchange = live.exchange(deployment)
        if exchange is None:
            pytest.skip(f"platform {live.name!r} is called by one request")
        copy = pickle.loads(pickle.dumps(exchange))  # noqa: S301  # of our own making
        submission = exchange.submit(b"{}", "some-id")
        assert isinstance(submission, HttpRequest)
        assert copy.submit(b"{}", "some-id") == submission
        assert submission.url.startswith(("http://", "https://"))
        for status, body in itertools.product(
            (200, 202, 204, 303, 404, 500), (b"", b"{}", b"\xff<html>", b"[" * 10_000)
        ):
            for polls in (0, 3):
                answer = HttpAnswer(
                    request=submission, request_id="some-id", status=status, headers={}, body=body, polls=polls
                )
                assert isinstance(exchange.poll(answer), Ask | Arrives | Done)
        if (inbox := exchange.inbox()) is not None:
            assert copy.inbox() == inbox, "an inbox is equal to one that leads to the same place"
            assert hash(copy.inbox()) == hash(inbox)
            assert inbox.questions >= 1
            assert isinstance(inbox.ask(), HttpRequest)
