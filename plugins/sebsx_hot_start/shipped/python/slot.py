"""A place for one payload and one answer, which both sides poll without sleeping: shared memory, or a loopback socket.

Both sides run this file: the function in its sandbox, and the client, which makes the place and is run as a program.
"""

import json
import mmap
import os
import socket
import struct
import sys
import time

# Words of eight bytes at the beginning of the shared memory, each written by one side alone.
_ASKED, _ASKED_BYTES, _ANSWERED, _ANSWERED_BYTES, _READY = range(5)
_HEAD_BYTES = 64  # as in `polling.py`, which makes the file
_LENGTH = struct.Struct("<Q")
_BLOCK = 256 * 1024
_LOOK_S = 0.1


class Gone(Exception):  # noqa: N818  # what it is
    """The other side did not come, or ended."""


def opened(how, side):
    """Return one end of the place that `how` describes."""
    return (_Memory if how["way"] == "shared-memory" else _Loopback)(how, side)


class _End:
    """Waits by asking again and again; the processor is only given to whoever else is ready to run."""

    def __init__(self, how, side):
        self._until = time.monotonic() + how["timeout_s"]
        self._parent = how["parent"] if side == "client" else None

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self.close()

    def serve(self, answer, exchanges):
        """Answer so many payloads, and return how many there were."""
        for _ in range(exchanges):
            self.give(answer(self.take()))
        return exchanges

    def _spin(self, ready):
        turns = 0
        while not ready():
            os.sched_yield()
            turns += 1
            if not turns % 4096:
                self._look()

    def _look(self):
        """Give up when the time is over, or when nobody is left who would read what a client measures."""
        if time.monotonic() > self._until:
            raise Gone("no answer from the other side")
        if self._parent is not None and os.getppid() != self._parent:
            raise Gone("sebsx was killed")


class _Memory(_End):
    def __init__(self, how, side):
        super().__init__(how, side)
        self._mine, self._theirs = (_ASKED, _ANSWERED) if side == "client" else (_ANSWERED, _ASKED)
        capacity = how["bytes"]
        size = _HEAD_BYTES + 2 * capacity
        with open(how["path"], "r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        self._words = memoryview(self._map)[:_HEAD_BYTES].cast("Q")
        self._at = {_ASKED: _HEAD_BYTES, _ANSWERED: _HEAD_BYTES + capacity}
        self._seen = self._given = 0
        if side == "client":
            self._spin(lambda: self._words[_READY])
        else:
            self._words[_READY] = 1

    def give(self, data):
        """Write a payload, and only then its number."""
        at = self._at[self._mine]
        self._map[at : at + len(data)] = data
        self._words[self._mine + 1] = len(data)
        self._given += 1
        self._words[self._mine] = self._given

    def take(self):
        """Return the next payload of the other side."""
        words, mine, wanted = self._words, self._theirs, self._seen + 1
        self._spin(lambda: words[mine] == wanted)
        self._seen = wanted
        at = self._at[mine]
        return self._map[at : at + words[mine + 1]]

    def close(self):
        """Let go of the memory."""
        self._words.release()
        self._map.close()


class _Loopback(_End):
    def __init__(self, how, side):
        super().__init__(how, side)
        if side == "client":
            listener = socket.socket(fileno=how["listener"])
            self._socket = self._accepted(listener)
            listener.close()
        else:
            self._socket = socket.create_connection(("127.0.0.1", how["port"]), how["timeout_s"])
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)

    def _accepted(self, listener):
        listener.settimeout(_LOOK_S)
        while True:
            try:
                return listener.accept()[0]
            except TimeoutError:
                self._look()

    def give(self, data):
        """Send a payload behind its length."""
        left = memoryview(_LENGTH.pack(len(data)) + data)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                os.sched_yield()

    def take(self):
        """Return the next payload of the other side."""
        (size,) = _LENGTH.unpack(self._received(_LENGTH.size))
        return bytes(self._received(size))

    def _received(self, size):
        data = bytearray(size)
        view, got = memoryview(data), 0

        def more():
            nonlocal got
            try:
                count = self._socket.recv_into(view[got : got + _BLOCK])
            except BlockingIOError:
                return False
            if not count:
                raise Gone("the other side ended")
            got += count
            return got == size

        self._spin(more)
        return data

    def close(self):
        """Close the connection."""
        self._socket.close()


def main():
    """Exchange payloads with a sandbox, and print how long each took."""
    how = json.loads(sys.argv[1])
    data = os.urandom(how["payload_bytes"])
    times = []
    with opened(how, "client") as end:
        for _ in range(how["exchanges"]):
            started = time.perf_counter()
            end.give(data)
            back = end.take()
            times.append(time.perf_counter() - started)
            if back != data:
                raise SystemExit("a payload came back changed")
    print(json.dumps(times[how["warmups"] :]))  # noqa: T201  # what a program says


if __name__ == "__main__":
    try:
        main()
    except Gone as exc:
        raise SystemExit(str(exc)) from None
