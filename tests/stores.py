"""Object storage and a key-value table of the user's own, for platforms on servers of the user's own: moto's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

KEYS = {"access_key": "AKIAOFTHEUSER0000000", "secret_key": "of-the-user"}


@contextmanager
def stores() -> Iterator[dict[str, Any]]:
    """Lend the settings that lead to both."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        yield {"storage_url": url, "table_url": url, **KEYS}
    finally:
        server.stop()
