"""Both ends of an exchange: first messages to and fro, then a stream of messages one way.

The producer sends messages numbered from 1 and waits for each to come back; an empty one ends the first part. Then it
sends a stream, ended by an empty message, which is answered. Whoever waits without an answer sends again what is
unanswered.
Every time is of the producer's monotonic clock.
"""

import importlib
import os
import time

from sebsx_channels import Lost


def handler(event, context):
    """Be the end that the event names; `answer` is a consumer for one message."""
    channel = importlib.import_module("sebsx_channels." + event["channel"].replace("-", "_"))
    if event["role"] == "answer":
        return channel.answer(event)
    found = {"role": event["role"], "channel": event["channel"], "message_bytes": event["message_bytes"]}
    context.samples["communication.exchange"] = found  # what was measured before a fault is kept
    with context.phase("connect"):
        end = channel.connect(event["role"], context, event["session"], event["parameters"])
    clean = False
    try:
        with context.phase("exchange"):
            output = (_produce if event["role"] == "producer" else _consume)(end, event, found)
        clean = True
    finally:
        end.close(clean)
    context.samples["communication.polls"] = found["operations"].get("poll", 0)
    context.samples["communication.retries"] = found["retries"]
    if event["role"] == "producer":
        context.samples["communication.latency_s"] = output["median_s"] / 2
        stream = found["stream"]
        if stream["messages"] and not stream["retried"]:
            context.samples["communication.bandwidth"] = stream["messages"] * event["message_bytes"] / stream["time_s"]
    return output


class Resending:
    """Waits for messages, and sends again what is unanswered, so many times."""

    def __init__(self, end, event, found):
        self._end = end
        self._timeout_s = event["timeout_s"]
        self._most = event["retries"]
        self._found = found
        self.unanswered = []
        found["retries"] = 0

    def receive(self, number, first_s=0.0):
        """Return a message; the first one may take longer, for the other end may have to start."""
        wait_s = max(first_s, self._timeout_s)
        attempt = 0
        while True:
            try:
                return self._end.receive(number, wait_s)
            except Lost:
                if attempt == self._most:
                    raise
            attempt += 1
            wait_s = self._timeout_s
            self._found["retries"] += 1
            for send, again, data in self.unanswered:
                send(again, data)


def _produce(end, event, found):
    data = os.urandom(event["message_bytes"])
    exchange = Resending(end, event, found)
    times, first, retried = [], [], []
    found.update(round_trip_s=times, first_s=first, retried_s=retried, operations={})
    corrupt = number = 0
    clock, send, receive = time.perf_counter, end.send, exchange.receive
    stop = clock() + event["start_s"] + event["budget_s"]
    while len(times) < event["round_trips"]:
        number += 1
        before = found["retries"]
        exchange.unanswered = [(send, number, data)]
        first_s = event["start_s"] if number == 1 else 0.0
        started = clock()
        send(number, data)
        back = receive(number, first_s)
        elapsed = clock() - started
        corrupt += back != data
        if number == 1:
            stop = clock() + event["budget_s"]
        if number <= event["warmups"]:
            first.append(elapsed)
        elif found["retries"] > before or elapsed >= event["timeout_s"]:  # the other end may have sent again
            retried.append(elapsed)
            if len(retried) > event["round_trips"]:
                raise Lost("more than %d messages had to be sent again" % event["round_trips"])
        else:
            times.append(elapsed)
        if clock() > stop and times:
            break
    number += 1
    exchange.unanswered = [(end.send, number, b"")]
    end.send(number, b"")
    exchange.receive(number)
    found["messages"] = number
    found["operations"] = dict(end.operations)
    before = found["retries"]
    found["stream"] = stream = _stream(end, event, exchange, number, data)
    stream["retried"] = found["retries"] - before
    ordered = sorted(times)
    middle = len(ordered) // 2
    median_s = (ordered[middle] + ordered[-1 - middle]) / 2
    return {"role": "producer", "round_trips": len(times), "median_s": median_s, "corrupt": corrupt}


def _stream(end, event, exchange, number, data):
    """Send messages without waiting, then an empty one, and return the time until that is answered."""
    wanted = min(event["stream_messages"], max(1, event["stream_bytes"] // len(data)))
    if event["stream_messages"] == 0:
        wanted = 0
    clock = time.perf_counter
    exchange.unanswered = []
    sent = 0
    started = clock()
    while sent < wanted and (sent == 0 or clock() - started < event["budget_s"]):
        number += 1
        sent += 1
        exchange.unanswered.append((end.send_one_way, number, data))
        end.send_one_way(number, data)
    number += 1
    exchange.unanswered.append((end.send, number, b""))
    end.send(number, b"")
    # The last message may be far behind: the channel holds what was sent.
    exchange.receive(number, event["budget_s"])
    return {"messages": sent, "time_s": clock() - started}


def _consume(end, event, found):
    exchange = Resending(end, event, found)
    found["operations"] = {}
    number, streaming, streamed = 0, False, 0
    while True:
        number += 1
        # In a stream the producer waits longer before it sends again, and so must this end.
        patience_s = event["start_s"] if number == 1 else 2 * event["budget_s"] + event["timeout_s"] if streaming else 0
        data = exchange.receive(number, patience_s)
        if streaming:
            if data:
                streamed += len(data)
                continue
            end.send(number, b"")
            break
        end.send(number, data)
        exchange.unanswered = [(end.send, number, data)]
        if not data:
            streaming = True
            found["messages"] = number
            found["operations"] = dict(end.operations)
    return {"role": "consumer", "messages": found["messages"], "streamed_bytes": streamed}
