from __future__ import annotations

import socket

from sebsx.sending.roundtrip import round_trip_s


def test_round_trip_to_a_listener_on_this_machine_is_short_and_sends_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listener:
        listener.settimeout(5)
        seconds = round_trip_s(f"http://127.0.0.1:{listener.getsockname()[1]}/function", tries=3)
        assert seconds is not None
        assert 0 < seconds < 2
        for _ in range(3):
            connection, _address = listener.accept()
            with connection:
                assert connection.recv(1) == b""  # closed without a word
        listener.settimeout(0)
        try:
            listener.accept()
        except BlockingIOError:
            return
        raise AssertionError("connected more often than asked")


def test_host_that_cannot_be_reached_has_no_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert round_trip_s(f"http://127.0.0.1:{port}/") is None


def test_url_without_a_port_that_can_be_known_has_no_round_trip() -> None:
    assert round_trip_s("http://127.0.0.1:99999/") is None
    assert round_trip_s("no url at all") is None
