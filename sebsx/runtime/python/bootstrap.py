"""Feeds a shim from the AWS Lambda Runtime API (2018-06-01) over one kept connection.

Started as `python -I -S <package root>/sebsx_runtime/bootstrap.py`. The answer to one event and the question
for the next go out in one write (HTTP pipelining): that halves the switches between sandbox and gateway.
`_socket` is what `socket` wraps; importing it alone saves milliseconds of every cold start.
"""

import os
import sys
import time
from _socket import IPPROTO_TCP, TCP_NODELAY, socket

VERSION = "/2018-06-01/runtime"
# Received at once. Room for 128 KiB and more is asked of the kernel and given back each time (mallopt(3)), which takes
# a fifth of a call's processor time.
HEAD_BYTES = 16384
BODY_BYTES = 262144
LONGEST_STEP_S = 0.0002  # of a thread that has its processor, from one look at the clock to the next


class ConnectionEnded(Exception):  # noqa: N818  # not an error: the platform is done with this sandbox
    """The other side closed the connection."""


class RuntimeApi:
    """A connection to the Runtime API; answers are read in the order of the requests."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._socket = socket()
        self._socket.connect((host, int(port)))
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._buffer = b""
        self._next = ("GET %s/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n" % (VERSION, address)).encode()
        self._post = "POST " + VERSION + "%s HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/json\r\n"

    def loaded(self):
        """Say that the function is loaded, and use up what the limits, in force then, gave too much of the processor.

        Only the gateway of sebsx can be asked, which says so in SEBSX_LIMITS_ONCE_LOADED.
        """
        self._socket.sendall(self._message("/init/loaded", "{}", ""))
        headers = _headers(self._read()[0])
        unearned_s, share = (float(headers.get(name, 0)) for name in ("sebsx-unearned-s", "sebsx-processors"))
        used_s = passed_s = 0.0
        began_s = last_s = time.perf_counter()
        # What is used beyond the share makes up for it, and takes at most twice the time that it makes up for. Asking
        # for processor time is a system call, at which the kernel looks whether the quota is used up; a function that
        # computes is stopped by its next tick only. So time with the processor is the sum of short steps of the clock.
        while used_s < unearned_s + share * passed_s and share * passed_s < 2 * unearned_s:
            now_s = time.perf_counter()
            if now_s - last_s < LONGEST_STEP_S:
                used_s += now_s - last_s
            last_s, passed_s = now_s, now_s - began_s

    def next(self):
        """Ask for the first event; return the headers, by lower-case name, and the body of the answer."""
        self._socket.sendall(self._next)
        head, body = self._read()
        return _headers(head), body

    def answer(self, path, text, error_type):
        """Send an answer, ask for the next event and return it as `next` does."""
        self._socket.sendall(self._message(path, text, error_type) + self._next)
        self._read()
        head, body = self._read()
        return _headers(head), body

    def end(self, path, text, error_type):
        """Send a last answer and wait until it was taken."""
        self._socket.sendall(self._message(path, text, error_type))
        self._read()

    def _message(self, path, text, error_type):
        body = text.encode("utf-8", "backslashreplace")
        head = self._post % path
        if error_type:
            word = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in error_type)
            head += "Lambda-Runtime-Function-Error-Type: %s\r\n" % word[:128]
        return ("%sContent-Length: %d\r\n\r\n" % (head, len(body))).encode() + body

    def _read(self):
        """Return (head, body) of one response."""
        buffer = self._buffer
        while True:
            end = buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            buffer += self._receive(HEAD_BYTES)
        head = buffer[:end]
        length = end + 4 + int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
        if len(buffer) < length:
            parts = [buffer]
            missing = length - len(buffer)
            while missing > 0:
                parts.append(self._receive(min(missing, BODY_BYTES)))
                missing -= len(parts[-1])
            buffer = b"".join(parts)
        self._buffer = buffer[length:]
        return head, buffer[end + 4 : length]

    def _receive(self, count):
        try:
            data = self._socket.recv(count)
        except ConnectionError:
            data = b""
        if not data:
            raise ConnectionEnded
        return data


def _headers(head):
    headers = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return headers


def main():
    """Serve until the connection ends."""
    # A line that the function printed must be in the log even if the sandbox is killed next.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [root] + [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    from sebsx_runtime.shim import LoadError, Shim

    shim = Shim(root)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        shim.load()
    except LoadError as exc:
        api.end("/init/error", exc.text, exc.error_type)
        sys.exit(1)
    if os.environ.get("SEBSX_LIMITS_ONCE_LOADED"):
        api.loaded()
    serve(shim, api)


def serve(shim, api):
    """Answer events for ever."""
    from sebsx_runtime.fastjson import loads

    headers, body = api.next()
    while True:
        request_id = headers["lambda-runtime-aws-request-id"]
        deadline_ms = headers.get("lambda-runtime-deadline-ms")
        try:
            event = loads(body)
        except (ValueError, RecursionError) as exc:
            text = '{"error":{"type":"Sebsx.EventNotJson","message":"%s","traceback":""}}' % type(exc).__name__
            error_type = "Sebsx.EventNotJson"
        else:
            answer = shim.invoke(event, request_id, float(deadline_ms) / 1000 if deadline_ms else None)
            text, error_type = answer.text, answer.error_type
            event = answer = None
        try:  # noqa: SIM105  # importing contextlib would be paid in every cold start
            sys.stdout.flush()
        except (OSError, ValueError, AttributeError):
            pass  # the function closed or replaced it: its own affair
        path = "/invocation/%s/%s" % (request_id, "error" if error_type else "response")
        headers, body = api.answer(path, text, error_type)


if __name__ == "__main__":
    try:
        main()
    except ConnectionEnded:
        sys.exit(0)
