"""Open and close sockets."""

from __future__ import annotations

import socket


def handler(event, context):
    """Return how many stream and datagram sockets the kernel says were opened; all are closed again."""
    opened = {int(socket.SOCK_STREAM): 0, int(socket.SOCK_DGRAM): 0}
    kinds = [socket.SOCK_STREAM if event["kinds"] >> bit & 1 else socket.SOCK_DGRAM for bit in range(32)]
    with context.phase("compute"):
        for number in range(event["sockets"]):
            with socket.socket(socket.AF_INET, kinds[number % 32]) as opening:
                opened[opening.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)] += 1
    return {"streams": opened[socket.SOCK_STREAM], "datagrams": opened[socket.SOCK_DGRAM]}
