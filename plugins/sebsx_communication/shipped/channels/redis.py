"""Messages as lists of one element in Redis, waited for by BLPOP; speaks RESP 2 over a socket.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

import socket

from sebsx_channels import End, Lost, Unreachable

CONNECT_S = 5.0
# The server ends a wait; the socket only when the server is gone.
GRACE_S = 5.0
RECEIVE_BYTES = 1 << 16
LARGE_BYTES = 1 << 16


class RedisEnd(End):
    """Pushes to a list of each message, and pops the other end's."""

    def __init__(self, role, session, parameters):
        super().__init__(parameters)
        host, _, port = parameters["address"].rpartition(":")
        try:
            self._socket = socket.create_connection((host.strip("[]"), int(port)), CONNECT_S)
        except OSError as exc:
            raise Unreachable("Redis at %s: %s" % (parameters["address"], exc)) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(parameters.get("timeout_s", CONNECT_S) + GRACE_S)
        self._buffer = b""
        self._ours = "%s/%s-" % (session, role)
        self._theirs = "%s/%s-" % (session, "consumer" if role == "producer" else "producer")
        self._sent, self._received = set(), set()
        if parameters.get("password"):
            self._ask(b"AUTH", parameters["password"].encode())
        self._ask(b"PING")

    def send(self, number, data):
        self._ask(b"RPUSH", b"%s%d" % (self._ours.encode(), number), data)
        self._sent.add(number)
        self.count("push")

    def receive(self, number, timeout_s):
        answer = self._ask(b"BLPOP", b"%s%d" % (self._theirs.encode(), number), b"%.3f" % max(timeout_s, 0.001))
        self.count("pop")
        if answer is None:
            self.count("poll")
            raise Lost("no message within %g s" % timeout_s)
        self._received.add(number)
        return answer[1]

    def close(self, clean):
        try:
            self._remove(self._theirs, self._received)  # sent again, they may be there again
            if not clean:
                self._remove(self._ours, self._sent)
        except OSError:
            if clean:
                raise
        finally:
            self._socket.close()

    def _remove(self, prefix, numbers):
        if numbers:
            self._ask(b"UNLINK", *[b"%s%d" % (prefix.encode(), number) for number in numbers])

    def _ask(self, *words):
        last = words[-1]
        head = [b"*%d\r\n" % len(words)]
        head.extend(b"$%d\r\n%b\r\n" % (len(word), word) for word in words[:-1])
        head.append(b"$%d\r\n" % len(last))
        if len(last) < LARGE_BYTES:
            self._socket.sendall(b"".join(head) + bytes(last) + b"\r\n")
        else:  # without a copy
            self._socket.sendall(b"".join(head))
            self._socket.sendall(last)
            self._socket.sendall(b"\r\n")
        return self._answer()

    def _answer(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise OSError("Redis said: " + rest.decode("utf-8", "replace"))
        if kind == b"$":
            return None if rest == b"-1" else self._exactly(int(rest))
        if kind == b"*":
            return None if rest == b"-1" else [self._answer() for _ in range(int(rest))]
        return rest

    def _line(self):
        while b"\r\n" not in self._buffer:
            self._buffer += self._more(RECEIVE_BYTES)
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _exactly(self, length):
        data = bytearray(length + 2)
        have = min(len(self._buffer), length + 2)
        data[:have] = self._buffer[:have]
        self._buffer = self._buffer[have:]
        view = memoryview(data)
        while have < length + 2:
            count = self._socket.recv_into(view[have:])
            if not count:
                raise OSError("Redis closed the connection")
            have += count
        view.release()
        del data[length:]
        return data

    def _more(self, most):
        data = self._socket.recv(most)
        if not data:
            raise OSError("Redis closed the connection")
        return data


def connect(role, context, session, parameters):
    return RedisEnd(role, session, parameters)
