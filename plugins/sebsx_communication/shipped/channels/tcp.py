"""Messages over one TCP connection: the consumer listens, the producer connects. They meet through the storage.

A frame is the message's number and length, then the message. Where both ends share the network of one machine they use
its loopback interface; otherwise the consumer listens on the address by which its packets leave.
"""

import hashlib
import json
import os
import socket
import struct
import time

from sebsx_channels import End, Lost, Unreachable

CONNECT_S = 5.0
MEET_S = 30.0
HEAD = struct.Struct("!IQ")
RECEIVE_BYTES = 1 << 16
CLOSED = "the other end closed the connection"
# A connection to an address for documentation: nothing is sent, but the kernel says by which of ours it would be.
ELSEWHERE = ("192.0.2.1", 9)


class TcpEnd(End):
    """One end of a connection that stands."""

    def __init__(self, connection, parameters):
        super().__init__(parameters)
        self.operations.update(send=0, receive=0)
        self._socket = connection
        self._socket.setblocking(True)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._head = None
        self._data = self._view = None
        self._have = 0
        self._timeout_s = None
        self._wait(parameters.get("timeout_s", CONNECT_S))

    def send(self, number, data):
        self.operations["send"] += 1
        head = HEAD.pack(number, len(data))
        try:
            if len(data) < RECEIVE_BYTES:
                self._socket.sendall(head + data)
            else:  # without a copy
                self._socket.sendall(head)
                self._socket.sendall(data)
        except BlockingIOError:
            # What was sent of the frame cannot be taken back: there is nothing to send again on this connection.
            raise ConnectionError("the other end takes nothing any more") from None

    def receive(self, number, timeout_s):
        if timeout_s != self._timeout_s:
            self._wait(timeout_s)
        self.operations["receive"] += 1
        if self._head is None and not self._buffer:  # the short way of a small message that comes in one piece
            try:
                buffer = self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                raise Lost("no message within %g s" % timeout_s) from None
            if len(buffer) > HEAD.size:
                found, length = HEAD.unpack_from(buffer)
                if len(buffer) == HEAD.size + length and found >= number:
                    return buffer[HEAD.size :]
            elif not buffer:
                raise ConnectionError(CLOSED)
            self._buffer = buffer
        while True:
            found, data = self._frame()
            if found >= number:  # one of a smaller number was sent again
                return data

    def close(self, clean):
        self._socket.close()

    def _wait(self, timeout_s):
        # By the kernel: a time-out of Python's costs a system call for each of ours.
        whole = int(timeout_s)
        value = struct.pack("ll", whole, max(1, int((timeout_s - whole) * 1e6)))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
        self._timeout_s = timeout_s

    def _frame(self):
        """Return number and bytes of the next frame; what came of it before a time-out is kept."""
        if self._head is None:
            while len(self._buffer) < HEAD.size:
                self._buffer += self._received(self._socket.recv, RECEIVE_BYTES)
            self._head = HEAD.unpack_from(self._buffer)
            length = self._head[1]
            self._data = bytearray(length)
            self._view = memoryview(self._data)
            part = self._buffer[HEAD.size : HEAD.size + length]
            self._have = len(part)
            self._data[: self._have] = part
            self._buffer = self._buffer[HEAD.size + self._have :]
        number, length = self._head
        while self._have < length:
            self._have += self._received(self._socket.recv_into, self._view[self._have :])
        data = self._data
        self._head = self._data = self._view = None
        return number, data

    def _received(self, receive, argument):
        try:
            found = receive(argument)
        except BlockingIOError:
            raise Lost("no message within %g s" % self._timeout_s) from None
        if not found:
            raise ConnectionError(CLOSED)
        return found


def connect(role, context, session, parameters):
    """Listen or connect, and return the end once the connection stands."""
    keys = {name: "%s/tcp-%s" % (session, name) for name in ("producer", "consumer")}
    token = hashlib.sha256(session.encode()).digest()
    make = _consumer if role == "consumer" else _producer
    return TcpEnd(make(context.storage, keys, token, parameters), parameters)


def _consumer(storage, keys, token, parameters):
    """Listen, say where, and return the connection of who knows the token."""
    until = time.monotonic() + parameters.get("meet_s", MEET_S)
    if parameters.get("listen"):
        host, _, port = parameters["listen"].rpartition(":")
    else:
        theirs = _read(storage, keys["producer"], until)
        host, port = "127.0.0.1" if theirs["network"] == _network() else _own_address(), 0
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host.strip("[]"), int(port)))
        server.listen(4)
        place = {"host": host, "port": server.getsockname()[1]}
        storage.upload(keys["consumer"], json.dumps(place).encode())
        while True:
            server.settimeout(max(0.001, until - time.monotonic()))
            try:
                connection, _ = server.accept()
            except OSError as exc:  # the time-out is one
                raise Unreachable("no connection came to %(host)s port %(port)d" % place + ": %s" % exc) from None
            connection.settimeout(CONNECT_S)
            try:
                if _exactly(connection, len(token)) == token:
                    return connection
            except OSError:
                pass  # somebody else
            connection.close()


def _producer(storage, keys, token, parameters):
    """Find out where the consumer listens, connect, and say the token."""
    until = time.monotonic() + parameters.get("meet_s", MEET_S)
    storage.upload(keys["producer"], json.dumps({"network": _network()}).encode())
    place = _read(storage, keys["consumer"], until)
    host, port = place["host"], place["port"]
    if parameters.get("connect"):
        host, _, port = parameters["connect"].rpartition(":")
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), CONNECT_S)
        connection.sendall(token)
    except OSError as exc:
        raise Unreachable("the consumer's sandbox at %s port %s: %s" % (host, port, exc)) from None
    return connection


def _read(storage, key, until):
    while True:
        try:
            return json.loads(storage.download(key).decode())
        except LookupError:
            if time.monotonic() > until:
                raise Unreachable("the other end never said where it is") from None
            time.sleep(0.005)


def _exactly(connection, length):
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            return None
        data += part
    return data


def _network():
    """Return what sandboxes with the same loopback interface have in common."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip() + os.readlink("/proc/self/ns/net")


def _own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError:
            return socket.gethostbyname(socket.gethostname())
        return probe.getsockname()[0]
